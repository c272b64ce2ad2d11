// The socket: the stock client, the dotted vocabulary. Knows who comes in and whether the line holds; nothing of rooms.

import { io } from "socket.io-client";
import { Refused } from "./refused.js";

const ACK_TIMEOUT_MS = 10_000;
const AGAIN_MS = 2_000;

export class Connection {
  #credentials;
  #on;
  #renewed = false;

  /**
   * @param {{auth: (socket: object) => Promise<object>, renew?: () => Promise<string>}} credentials
   * @param {{state: (kind: string, words: string) => void, entered: Function, lost: Function, over: Function}} on
   *   `entered({userId, userName, rooms}, anew)`, where `anew` is false if nothing was missed; `lost()`: nothing can be
   *   sent; `over(words)`: the server wants us no more, and coming back in the same way is of no use
   */
  constructor(credentials, on) {
    this.#credentials = credentials;
    this.#on = on;
    this.socket = io({ auth: (give) => this.#introduce(give), transports: ["websocket", "polling"], tryAllTransports: true, autoConnect: false });
    this.#listen();
  }

  open() {
    this.#on.state("connecting", "Connecting…");
    this.socket.connect();
  }

  close() {
    this.socket.removeAllListeners();
    this.socket.disconnect();
  }

  get connected() {
    return this.socket.connected;
  }

  hear(event, handle) {
    this.socket.on(event, handle);
  }

  /** Told and forgotten. */
  tell(event, payload) {
    if (this.socket.connected) this.socket.emit(event, payload);
  }

  /** One try; the raw ack. Rejects where none comes. */
  post(event, payload, within = ACK_TIMEOUT_MS) {
    return this.socket.timeout(within).emitWithAck(event, payload);
  }

  /** The answer. Throws `Refused`. */
  async ask(event, payload) {
    let answer;
    try {
      answer = await this.post(event, payload);
    } catch {
      throw new Refused({ error: "UNKNOWN", message: "The server did not answer", retryable: true });
    }
    if (answer?.error) throw new Refused(answer);
    return answer ?? {};
  }

  /** What the stock client shows on each connection. */
  async #introduce(give) {
    try {
      give({ ...(await this.#credentials.auth(this.socket)), vocabulary: "dotted" });
    } catch (error) {
      // Only a "no" is final: a server that cannot be asked for a token may answer later.
      this.socket.disconnect();
      if (error.final) this.#on.over(error.message);
      else setTimeout(() => this.socket.connect(), AGAIN_MS);
    }
  }

  #listen() {
    const { socket } = this;
    let known = null;
    socket.on("connection.authenticated", (who) => {
      this.#renewed = false;
      const anew = !socket.recovered && known !== socket.id;
      known = socket.id;
      this.#credentials.entered?.(socket);
      this.#on.entered(who, anew);
    });
    socket.on("disconnect", (reason) => {
      this.#on.lost();
      if (reason === "io client disconnect") return;
      if (reason === "io server disconnect") this.#again("Disconnected by the server");
      else this.#on.state("waiting", "Connection lost, trying again…");
    });
    socket.on("connect_error", (error) => {
      // An active socket tries again by itself; otherwise the server has said no.
      if (socket.active) this.#on.state("waiting", "No connection, trying again…");
      else this.#again(error.message);
    });
    socket.on("connection.unauthorized", ({ message }) => this.#on.state("waiting", message));
    socket.on("token.expired", () => this.#renew().catch((error) => error.final && this.#on.over(error.message)));
  }

  /** Where the token can be renewed a refusal may be about the old one: once more with a new one. */
  async #again(words) {
    if (!this.#credentials.renew || this.#renewed) return this.#on.over(words);
    this.#renewed = true;
    try {
      await this.#credentials.renew();
      this.socket.connect();
    } catch (error) {
      this.#on.over(error.final ? error.message : words);
    }
  }

  async #renew() {
    if (!this.#credentials.renew) return this.#on.state("waiting", "Your token has expired");
    const token = await this.#credentials.renew();
    await this.ask("connection.authenticate", { token });
  }
}
