// WebSocket frames by hand (RFC 6455 § 5.2): what a good library would never send, and reading at a pace of one's own.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { address } from "./engine.mjs";
import { until } from "./wait.mjs";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;

/** A frame's bytes. `length` claims another length than the payload has; `rsv` is three bits. */
export function frame(payload, { opcode = TEXT, fin = true, rsv = 0, masked = true, length } = {}) {
  const bytes = Buffer.from(payload);
  const claimed = length ?? bytes.length;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let head;
  if (claimed < 126) {
    head = Buffer.from([first, mask | claimed]);
  } else if (claimed < 65_536) {
    head = Buffer.from([first, mask | 126, 0, 0]);
    head.writeUInt16BE(claimed, 2);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(claimed), 2);
  }
  if (!masked) return Buffer.concat([head, bytes]);
  const key = randomBytes(4);
  return Buffer.concat([head, key, bytes.map((byte, i) => byte ^ key[i % 4])]);
}

/** A WebSocket without a library. What it has read is kept as long as it reads freely. */
export class RawWire {
  #read = [];
  #pace = "freely";
  #took = 0;

  /** Past the handshake; `headers` are sent along, as lines. */
  static async open(t, url, { headers = [] } = {}) {
    const { port, pathname, search } = new URL(address(url, { transport: "websocket" }));
    const wire = new RawWire();
    const buffer = Buffer.alloc(1_024);
    const onread = { buffer, callback: (count) => wire.#take(buffer.subarray(0, count)) };
    wire.socket = connect({ port: Number(port), host: "127.0.0.1", onread });
    t?.after(() => wire.socket.destroy());
    wire.socket.on("error", () => {});
    wire.closed = new Promise((resolve) => wire.socket.once("close", resolve));
    const lines = [
      `GET ${pathname}${search} HTTP/1.1`, "Host: parlor", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`, ...headers,
    ];
    wire.socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    await wire.hears('"sid"');
    return wire;
  }

  #take(bytes) {
    this.#took += bytes.length;
    if (this.#pace === "freely") this.#read.push(Buffer.from(bytes));
    // False stops the reading until `resume`.
    return this.#pace === "freely";
  }

  /** Everything that was read so far. */
  get read() {
    return Buffer.concat(this.#read);
  }

  hears(text, within = 20_000) {
    return until(`the server says ${text}`, () => {
      if (this.read.includes(text)) return true;
      if (this.socket.destroyed) throw new Error("it is closed");
      return false;
    }, { within, every: 5 });
  }

  /** Sends a text frame. */
  say(text) {
    this.socket.write(frame(text));
  }

  /** Reads no more from now on, or one KiB a second. What a peer closes shows only once all before it is read. */
  reads(pace) {
    this.#pace = pace;
    this.socket.pause();
    if (pace === "1 KiB/s") {
      const timer = setInterval(() => this.socket.resume(), 1_000);
      this.socket.once("close", () => clearInterval(timer));
    }
  }

  /** The code of the close frame that ended it (RFC 6455 § 5.5.1), or 1006 if there was none. */
  async closeCode(within = 10_000) {
    let over = false;
    this.closed.then(() => (over = true));
    await until("it is closed", () => over, { within, every: 5 });
    const read = this.read;
    // A close frame is the last that a server sends, and its payload at most 125 bytes.
    for (let at = Math.max(0, read.length - 127); at + 4 <= read.length; at++) {
      if (read[at] === 0x88 && read[at + 1] === read.length - at - 2) return read.readUInt16BE(at + 2);
    }
    return 1006;
  }
}
