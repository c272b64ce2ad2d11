// One room over one socket: the stock client, the dotted vocabulary. Tells what happens through `on`; holds no DOM.

import { io } from "socket.io-client";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";
import { Timeline } from "./timeline.js";

const PAGE = 50;
const ACK_TIMEOUT_MS = 10_000;
const REJOIN_MS = 2_000;
const STILL_TYPING_MS = 4_000;
const TYPING_ENDS_MS = 5_000;

export class Room {
  timeline = new Timeline();
  people = new Map();
  /** As the server counts; the people we know by name may be fewer. */
  count = 0;
  me = null;
  #own = new Set();
  #typists = new Map();
  #older = null;
  #loading = false;
  #typing = { since: 0, timer: 0 };

  /**
   * @param {{roomId: string, name: string, token?: string}} who
   * @param {{state: Function, messages: Function, people: Function, typing: Function, history: Function}} on
   */
  constructor({ roomId, name, token }, on) {
    this.roomId = roomId;
    this.name = name;
    this.on = on;
    this.outbox = new Outbox(
      (message, timeout) => this.socket.timeout(timeout).emitWithAck("message.send", message),
      (tempId, state) => this.#sent(tempId, state),
    );
    const auth = token ? { token } : { name };
    this.socket = io({ auth: { ...auth, vocabulary: "dotted" }, transports: ["websocket", "polling"] });
    this.#listen();
  }

  // ---- what the user does ------------------------------------------------------------------------------------------

  send(content) {
    const tempId = newId();
    const { roomId } = this;
    this.timeline.put({ tempId, roomId, content, senderId: this.me, senderName: this.name, status: "pending", mine: true });
    this.on.messages();
    this.outbox.push({ roomId, content, type: "text", tempId });
    this.stopTyping();
  }

  /** A refused message once more, under its own id. */
  retry(message) {
    this.timeline.change(message.tempId, { status: "pending", note: undefined });
    this.on.messages();
    this.outbox.push({ roomId: this.roomId, content: message.content, type: "text", tempId: message.tempId });
  }

  discard(message) {
    this.timeline.remove(message.key);
    this.on.messages();
  }

  edit({ messageId }, content) {
    return this.#ask("message.edit", { messageId, content });
  }

  delete({ messageId }) {
    return this.#ask("message.delete", { messageId });
  }

  /** The user has pressed a key, and the text is not empty. */
  typing() {
    const now = Date.now();
    if (now - this.#typing.since > STILL_TYPING_MS) {
      this.#typing.since = now;
      this.#tell("typing.start");
    }
    clearTimeout(this.#typing.timer);
    this.#typing.timer = setTimeout(() => this.stopTyping(), TYPING_ENDS_MS);
  }

  stopTyping() {
    clearTimeout(this.#typing.timer);
    if (this.#typing.since) this.#tell("typing.stop");
    this.#typing.since = 0;
  }

  /** Reads the page before the oldest message that is here. */
  async loadOlder() {
    if (this.#loading || this.#older === null) return;
    this.#loading = true;
    this.on.history("loading");
    try {
      const page = await this.#ask("message.history", { cursor: this.#older, limit: PAGE, direction: "before" });
      this.#older = page.hasMore ? page.nextCursor : null;
      this.#take(page.messages);
      this.on.history(this.#older === null ? "complete" : "more");
    } catch (error) {
      this.on.history("failed", error.message);
    } finally {
      this.#loading = false;
    }
    this.on.messages();
  }

  leave() {
    this.outbox.ready = false;
    if (this.socket.connected) this.socket.emit("room.leave", { roomId: this.roomId });
    this.socket.disconnect();
    for (const { timer } of this.#typists.values()) clearTimeout(timer);
    clearTimeout(this.#typing.timer);
  }

  get typists() {
    return [...this.#typists.values()].map(({ name }) => name);
  }

  // ---- what the server says ----------------------------------------------------------------------------------------

  #listen() {
    const { socket } = this;
    const here = (handle) => (event) => event.roomId === this.roomId && handle(event);
    socket.on("connection.authenticated", ({ userId, userName }) => {
      this.me = userId;
      this.#own.add(userId);
      if (userName) this.name = userName;
      this.#enter();
    });
    socket.on("disconnect", (reason) => {
      this.outbox.ready = false;
      const gone = reason === "io server disconnect";
      this.on.state(gone ? "refused" : "waiting", gone ? "Disconnected by the server" : "Connection lost, trying again…");
    });
    socket.on("connect_error", (error) => {
      // An active socket tries again by itself; otherwise the server has said no.
      if (socket.active) this.on.state("waiting", "No connection, trying again…");
      else this.on.state("refused", `Refused: ${error.message}`);
    });
    socket.on("connection.unauthorized", ({ message }) => this.on.state("refused", message));
    socket.on("token.expired", () => this.on.state("waiting", "Your token has expired"));

    socket.on("message.received", here((message) => {
      if (message.tempId && this.#own.has(message.senderId)) this.outbox.confirm(message.tempId);
      if (message.type !== "system") this.#arrived(message.senderId, message.senderName);
      this.#stopped(message.senderId);
      const fresh = this.timeline.put(this.#form(message));
      this.on.messages({ fresh, mine: this.#own.has(message.senderId) });
    }));
    socket.on("message.edited", here(({ messageId, content, editedAt }) => {
      this.timeline.change(messageId, { content, editedAt });
      this.on.messages();
    }));
    socket.on("message.deleted", here(({ messageId }) => {
      this.timeline.remove(messageId);
      this.on.messages();
    }));
    socket.on("room.joined", here(({ userId, userName, userCount }) => {
      this.#counted(userCount);
      this.#arrived(userId, userName);
    }));
    socket.on("room.left", here(({ userId, userCount }) => {
      this.people.delete(userId);
      this.#counted(userCount);
      this.#stopped(userId);
      this.on.people();
    }));
    socket.on("typing.user", here(({ userId, userName, isTyping }) => {
      this.#stopped(userId);
      if (isTyping !== false) {
        const timer = setTimeout(() => this.#stopped(userId), TYPING_ENDS_MS + 1_000);
        this.#typists.set(userId, { name: userName, timer });
      }
      this.on.typing();
    }));
  }

  /** Joins, then reads: what happens in between comes live, and what comes twice is known by its id. */
  async #enter() {
    const { socket } = this;
    const { id } = socket;
    try {
      const joined = await this.#ask("room.join", {});
      this.people.clear();
      for (const user of joined.users ?? []) this.people.set(user.userId, user.userName);
      this.#counted(joined.userCount);
      this.#arrived(this.me, this.name);
      await this.#catchUp();
      if (socket.id !== id) return;
      this.outbox.ready = true;
      this.on.state("connected", "Connected");
      this.on.people();
    } catch (error) {
      if (socket.id !== id || !socket.connected) return;
      this.on.state(error.retryable ? "waiting" : "refused", error.message);
      if (error.retryable) setTimeout(() => socket.id === id && socket.connected && this.#enter(), REJOIN_MS);
    }
  }

  async #catchUp() {
    // A long absence is read forward from what is here …
    let after = this.timeline.newest?.messageId;
    const returned = Boolean(after);
    while (after) {
      const page = await this.#ask("message.history", { cursor: after, limit: 100, direction: "after" });
      this.#take(page.messages);
      after = page.hasMore ? page.nextCursor : null;
    }
    // … and the newest page shows what was edited or deleted meanwhile.
    const page = await this.#ask("message.history", { limit: PAGE, direction: "before" });
    this.timeline.reconcile(page.messages.map((message) => this.#form(message)));
    if (!returned) {
      this.#older = page.hasMore ? page.nextCursor : null;
      this.on.history(this.#older === null ? "complete" : "more");
    }
    this.on.messages({ caughtUp: true });
  }

  // ---- small things ------------------------------------------------------------------------------------------------

  #form(message) {
    return { ...message, status: "sent", note: undefined, mine: this.#own.has(message.senderId) };
  }

  #take(messages) {
    for (const message of messages) this.timeline.put(this.#form(message));
  }

  #sent(tempId, { status, note, ack }) {
    // The room may have told first, which says more.
    if (this.timeline.find(tempId)?.seq != null) return;
    const { messageId, timestamp, seq } = ack ?? {};
    if (messageId) this.timeline.put({ tempId, messageId, timestamp, seq, status, note });
    else this.timeline.change(tempId, { status, note });
    this.on.messages();
  }

  #arrived(userId, userName) {
    if (!userId) return;
    this.people.set(userId, userName ?? this.people.get(userId) ?? userId);
    this.on.people();
  }

  #counted(count) {
    if (count != null) this.count = count;
  }

  #stopped(userId) {
    const typist = this.#typists.get(userId);
    if (!typist) return;
    clearTimeout(typist.timer);
    this.#typists.delete(userId);
    this.on.typing();
  }

  #tell(event) {
    if (this.socket.connected) this.socket.emit(event, { roomId: this.roomId });
  }

  async #ask(event, payload) {
    let answer;
    try {
      answer = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, { roomId: this.roomId, ...payload });
    } catch {
      throw Object.assign(new Error("The server did not answer"), { retryable: true });
    }
    if (answer?.error) throw Object.assign(new Error(answer.message ?? answer.error), { retryable: answer.retryable });
    return answer ?? {};
  }
}
