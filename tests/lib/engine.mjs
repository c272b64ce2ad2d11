// Engine.IO by hand, so that a test may say exactly what goes over the wire, and what came back.
import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { until } from "./wait.mjs";

/** Between the packets of a polling payload (EIO4 § "Packet encoding", "HTTP long-polling"). */
export const SEPARATOR = "\x1e";

/** An Engine.IO request to the endpoint at `url`; `undefined` leaves a parameter out. */
export function address(url, query = {}) {
  const all = { EIO: 4, transport: "polling", ...query };
  const pairs = Object.entries(all).filter(([, value]) => value !== undefined);
  return `${url}?${pairs.map(([name, value]) => `${name}=${value}`).join("&")}`;
}

/** An HTTP request of Engine.IO: `{status, text, type}`. */
export async function request(url, query, options) {
  const response = await fetch(address(url, query), options);
  return { status: response.status, text: await response.text(), type: response.headers.get("content-type"), headers: response.headers };
}

/** A refusal as the reference server words it. */
export function assertRefused(answer, code, status = 400) {
  assert.equal(answer.status, status, answer.text);
  const body = JSON.parse(answer.text);
  assert.equal(body.code, code, answer.text);
  assert.equal(typeof body.message, "string");
}

/** A long-polling session. Binary packets are Buffers; `take` hands packets out one by one. */
export class Polling {
  #packets = [];

  static async open(url) {
    const { status, text } = await request(url);
    assert.equal(status, 200, text);
    assert.equal(text[0], "0", text);
    const session = new Polling();
    session.url = url;
    session.open = JSON.parse(text.slice(1));
    session.sid = session.open.sid;
    return session;
  }

  /** Requests in the name of a session that may be another transport's. */
  static of(url, sid) {
    return Object.assign(new Polling(), { url, sid });
  }

  get(options) {
    return request(this.url, { sid: this.sid }, options);
  }

  post(body, options) {
    return request(this.url, { sid: this.sid }, { method: "POST", body, headers: { "content-type": "text/plain;charset=UTF-8" }, ...options });
  }

  /** Sends packets in one payload, which must be accepted. */
  async send(...packets) {
    const texts = packets.map((packet) => (typeof packet === "string" ? packet : `b${Buffer.from(packet).toString("base64")}`));
    const answer = await this.post(texts.join(SEPARATOR));
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
  }

  /** The next packet that is no ping; `null` once the session is over. */
  async take() {
    while (!this.#packets.length) {
      const { status, text } = await this.get();
      if (status !== 200) return null;
      this.#packets.push(...text.split(SEPARATOR).filter((packet) => packet !== "2" && packet !== "6"));
    }
    const packet = this.#packets.shift();
    if (packet === "1") return null;
    return packet[0] === "b" ? Buffer.from(packet.slice(1), "base64") : packet;
  }

  /** Whether the server has ended the session. */
  async isOver() {
    const { status, text } = await this.get();
    return status === 400 || text.split(SEPARATOR).includes("1");
  }
}

/** A WebSocket of Engine.IO: what came waits to be taken. */
export class Wire {
  #came = [];
  #wake = () => {};

  /** Not yet open; refusals end in `closed` with code 1006. */
  constructor(url, { sid, pings = false, query = {}, ...options } = {}) {
    const to = address(url.replace("http", "ws"), { transport: "websocket", sid, ...query });
    this.ws = new WebSocket(to, { perMessageDeflate: false, ...options });
    this.closed = new Promise((resolve) => this.ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
    this.closed.then(() => this.#wake());
    this.ws.on("error", (error) => (this.error = error));
    this.ws.on("message", (data, isBinary) => {
      const packet = isBinary ? data : data.toString();
      if (packet === "2" && !pings) return this.ws.send("3");
      this.#came.push(packet);
      this.#wake();
    });
  }

  /** Open, and past the open packet, which lies in `open`. */
  static async open(url, options) {
    const wire = new Wire(url, options);
    const packet = await wire.take();
    assert.ok(packet?.startsWith?.("0"), `an open packet, not ${packet}, ${wire.error}`);
    wire.open = JSON.parse(packet.slice(1));
    wire.sid = wire.open.sid;
    return wire;
  }

  /** A second transport of a polling session, open and silent. */
  static async probing(url, sid) {
    const wire = new Wire(url, { sid });
    await once(wire.ws, "open");
    return wire;
  }

  send(...packets) {
    for (const packet of packets) this.ws.send(packet);
  }

  /** How the server closed it: `{code, reason}`. */
  ends(within = 10_000) {
    return until("the server closes the connection", () => this.ws.readyState === WebSocket.CLOSED && this.closed, { within, every: 5 });
  }

  /** The next packet; `null` once the connection is closed. */
  async take(within = 10_000) {
    await until("the server says something", () => {
      if (this.#came.length || this.ws.readyState === WebSocket.CLOSED) return true;
      return new Promise((resolve) => {
        this.#wake = () => resolve(true);
        setTimeout(resolve, 250, false);
      });
    }, { within, every: 0 });
    return this.#came.shift() ?? null;
  }
}

/** A session on either transport, with `send`, `take` and `isOver`: what holds above them holds on both. */
export const transports = {
  websocket: async (t, url) => {
    const wire = await Wire.open(url);
    t.after(() => wire.ws.terminate());
    return Object.assign(wire, { isOver: () => wire.ends().then(() => true) });
  },
  polling: async (t, url) => {
    const session = await Polling.open(url);
    // Whoever polls on holds up the end of the test's file.
    t.after(() => session.post("1").catch(() => {}));
    return session;
  },
};

/** Sends what the server may refuse. */
export async function attempt(session, ...packets) {
  try {
    await session.send(...packets);
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
  }
}
