// A client that may do what a stock one never does: raw Socket.IO packets in raw WebSocket frames.
import { once } from "node:events";
import WebSocket from "ws";
import { NGINX } from "./place.mjs";
import { tokenOf } from "./clients.mjs";

export class RawClient {
  #answers = new Map();
  #nextId = 0;
  events = [];

  /** Connected, and CONNECTed as `user`. */
  static async connect(t, user, { url = NGINX } = {}) {
    const raw = new RawClient();
    raw.ws = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      maxPayload: 4 * 1024 * 1024,
    });
    t.after(() => raw.ws.terminate());
    raw.closed = once(raw.ws, "close").then(([code, reason]) => ({ code, reason: reason.toString() }));
    raw.closed.catch(() => {});
    const connected = new Promise((resolve, reject) => {
      raw.ws.on("message", (data) => raw.#packet(data.toString(), resolve, reject));
      raw.ws.once("error", reject);
    });
    await once(raw.ws, "open");
    raw.ws.send(`40${JSON.stringify({ token: await tokenOf(user), vocabulary: "dotted" })}`);
    await connected;
    return raw;
  }

  #packet(text, connected, refused) {
    if (text === "2") return this.ws.send("3");
    // The gateway's name heads the sid.
    if (text[0] === "0") this.gateway = JSON.parse(text.slice(1)).sid.split(".")[0];
    if (text.startsWith("40")) {
      // The session's private id, for whoever comes back to it.
      this.pid = JSON.parse(text.slice(2)).pid;
      return connected();
    }
    if (text.startsWith("44")) return refused(new Error(text));
    if (text.startsWith("42")) this.events.push(JSON.parse(text.slice(2)));
    const ack = /^43(\d+)(\[.*)$/s.exec(text);
    if (ack) this.#answers.get(Number(ack[1]))?.(JSON.parse(ack[2])[0]);
  }

  /** The text of an event packet with an ack id, and the ack's promise. */
  ask(args, within = 5_000) {
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ack within ${within} ms`)), within);
      this.#answers.set(id, (ack) => (clearTimeout(timer), resolve(ack)));
      this.closed.then((close) => (clearTimeout(timer), reject(new Error(`closed: ${JSON.stringify(close)}`))));
    });
    answer.catch(() => {});
    this.ws.send(`42${id}${args}`);
    return answer;
  }
}
