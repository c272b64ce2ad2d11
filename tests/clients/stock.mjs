// The scenario with npm's socket.io-client, in Node and, bundled, in a browser.
import { Manager } from "socket.io-client";

const WITHIN = 15_000;

/**
 * Runs all steps. `transports` as the client takes it, `settled` the transport that it must end up on; `cut` breaks
 * all connections once called; `name` is what steps call this client in `without`.
 */
export async function run(scenario, { url, transports, settled, cut, name = "stock" }) {
  const client = new Client(url, transports, settled, cut);
  try {
    for (const [index, step] of scenario.steps.entries()) {
      if (step.without?.[name]) continue;
      try {
        await client[step.do](step);
      } catch (error) {
        throw new Error(`step ${index} (${step.do} ${step.event ?? ""} in ${step.namespace ?? ""}): ${error.message}`);
      }
    }
  } finally {
    client.manager?._close();
  }
}

class Client {
  #sockets = new Map();
  #came = new Map();
  #wake = () => {};

  constructor(url, transports, settled, cut) {
    Object.assign(this, { url, transports, settled, cutAll: cut });
  }

  async connect({ namespaces, auth }) {
    this.manager = new Manager(this.url, { transports: this.transports, autoConnect: false, reconnectionDelay: 100, reconnectionDelayMax: 500 });
    for (const namespace of namespaces) {
      const socket = this.manager.socket(namespace, { auth });
      const came = [];
      this.#sockets.set(namespace, socket);
      this.#came.set(namespace, came);
      socket.onAny((event, ...args) => {
        came.push([event, ...args]);
        this.#wake();
      });
      socket.connect();
    }
    await this.#until("every namespace is connected", () => namespaces.every((namespace) => this.#sockets.get(namespace).connected));
  }

  async emit({ namespace, event, args }) {
    this.#sockets.get(namespace).emit(event, ...args.map(value));
  }

  async expect({ namespace, event, args }) {
    const came = this.#came.get(namespace);
    await this.#until(`${event} comes`, () => came.length);
    equal(came.shift(), [event, ...args.map(value)]);
  }

  async ask({ namespace, event, args, answer }) {
    const socket = this.#sockets.get(namespace);
    const acked = await new Promise((resolve, reject) => {
      socket.timeout(WITHIN).emit(event, ...args.map(value), (error, ...values) => (error ? reject(error) : resolve(values)));
    });
    equal(acked, answer.map(value));
  }

  async burst({ namespace, event, answer, count, filler }) {
    const socket = this.#sockets.get(namespace);
    const came = this.#came.get(namespace);
    for (let i = 0; i < count; i++) socket.emit(event, i, value(filler));
    await this.#until(`${count} answers`, () => came.length >= count);
    for (let i = 0; i < count; i++) equal(came.shift(), [answer, i, value(filler)]);
  }

  async settle() {
    await this.#until(`the transport is ${this.settled}`, () => this.manager.engine.transport.name === this.settled);
  }

  async refused({ namespace, message }) {
    const socket = this.manager.socket(namespace, {});
    const error = await new Promise((resolve) => {
      socket.once("connect_error", resolve);
      socket.connect();
    });
    equal(error.message, message);
    socket.disconnect();
  }

  async cut() {
    const before = [...this.#sockets.values()].map((socket) => socket.id);
    await this.cutAll();
    await this.#until("every namespace is connected anew", () =>
      [...this.#sockets.values()].every((socket, i) => socket.connected && socket.id !== before[i]));
  }

  async leave({ namespace }) {
    this.#sockets.get(namespace).disconnect();
    this.#sockets.delete(namespace);
  }

  async disconnect() {
    for (const socket of this.#sockets.values()) socket.disconnect();
    this.#sockets.clear();
    await this.#until("the connection is closed", () => this.manager.engine.readyState === "closed");
  }

  async #until(what, probe) {
    const deadline = Date.now() + WITHIN;
    while (!probe()) {
      if (Date.now() > deadline) throw new Error(`not within ${WITHIN} ms: ${what}`);
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 50);
      });
    }
  }
}

/** A value of the scenario as this client takes it: `$bytes` as a Uint8Array, `$text` written out. */
function value(json) {
  if (Array.isArray(json)) return json.map(value);
  if (json === null || typeof json !== "object") return json;
  if ("$bytes" in json) return Uint8Array.from(atob(json.$bytes), (c) => c.charCodeAt(0));
  if ("$text" in json) return json.$text[0].repeat(json.$text[1]);
  return Object.fromEntries(Object.entries(json).map(([key, inner]) => [key, value(inner)]));
}

/** What can be compared as text: binary, however a client has it, as its bytes. */
function plain(value) {
  if (value instanceof ArrayBuffer) value = new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return { $bytes: Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
}

function equal(actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(plain(value)));
  if (a !== b) throw new Error(`expected ${b.slice(0, 300)}, got ${a.slice(0, 300)}`);
}
