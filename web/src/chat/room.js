// One room that was opened: its messages, who is in it, who types, how far one's own words have got. Holds no DOM.

import { History } from "./history.js";
import { newId } from "./ids.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { reacted } from "./reactions.js";
import { Reading } from "./reading.js";
import { Replay } from "./replay.js";
import { rights } from "./rights.js";
import { Timeline } from "./timeline.js";
import { Typing } from "./typing.js";

const MEMBERS = 100;
/** Own messages whose receipts are asked for at entering. */
const RECEIPTS = 4;

export class Room {
  timeline = new Timeline();
  marks = new Marks();
  /** `userId` → `{userId, role?}`: who is in a channel now, or the members of another room. */
  people = new Map();
  /** As the server counts; the people we know may be fewer. */
  count = 0;
  /** Of a room with members: how many are online, where the server says so. */
  online = null;
  pins = [];
  topics = [];
  /** `loading`, `ready` or `failed`, with words. */
  state = "loading";
  words = "";
  replyTo = null;
  #quiet = false;

  /** @param {import("./session.js").Session} session */
  constructor(session, roomId) {
    this.session = session;
    this.roomId = roomId;
    this.history = new History(this.timeline, (payload) => this.ask("message.history", payload), (m) => this.#form(m));
    this.outbox = new Outbox(
      (message, timeout) => session.connection.post("message.send", message, timeout),
      (tempId, state) => this.#sent(tempId, state),
    );
    this.replay = new Replay((payload) => this.ask("message.sync", payload));
    this.reading = new Reading((messageId) => this.ask("message.read", { messageIds: [messageId] }));
    this.typing = new Typing((event) => session.connection.tell(event, { roomId }), () => this.#changed("typing"));
  }

  get summary() {
    return this.session.list.get(this.roomId) ?? { roomId: this.roomId, type: "channel", name: this.roomId };
  }

  get may() {
    const { summary, session } = this;
    return rights(summary, session.own.has(summary.createdBy));
  }

  /** Something waits to be sent. */
  get waiting() {
    return this.timeline.messages.some(({ status }) => status === "pending");
  }

  ask(event, payload = {}) {
    return this.session.connection.ask(event, { roomId: this.roomId, ...payload });
  }

  // ---- coming in -----------------------------------------------------------------------------------------------------

  /** Joins, then reads: what happens in between comes live, and what comes twice is known by its id. */
  async enter() {
    this.state = "loading";
    await this.#join();
    await this.#catchUp();
    [this.state, this.words] = ["ready", ""];
    this.outbox.ready = true;
    this.#changed("messages", { caughtUp: true });
    this.#changed("people");
    this.#surroundings();
  }

  async #catchUp() {
    this.#quiet = true;
    try {
      const told = await this.replay.run((event, payload) => this.heed(event, payload));
      if (!told) await this.history.catchUp();
    } finally {
      this.#quiet = false;
    }
  }

  async #join() {
    if (this.session.list.has(this.roomId) && this.summary.type !== "channel") return;
    const { room, users = [], userCount } = await this.ask("room.join");
    this.session.list.put(room);
    if (room.type !== "channel") return;
    this.people.clear();
    for (const user of users) this.#arrived({ ...user, status: "online" });
    this.#arrived({ userId: this.session.me, userName: this.session.name });
    if (userCount != null) this.count = userCount;
  }

  /** What a room is complete without. A server that does not serve it changes nothing else. */
  #surroundings() {
    const quietly = (work) => work.catch(() => {});
    quietly(this.loadPins());
    if (this.summary.type === "channel") {
      quietly(this.ask("topics.get").then(({ topics }) => this.#learn("topics", topics ?? [])));
    } else {
      quietly(this.loadMembers());
      quietly(this.#loadReceipts());
    }
  }

  async loadPins() {
    const { messages } = await this.ask("message.pins");
    this.#learn("pins", messages);
  }

  async loadMembers() {
    const { members } = await this.ask("room.members.list", { limit: MEMBERS });
    this.people.clear();
    for (const member of members) this.#arrived(member);
    const own = members.find(({ userId }) => this.session.own.has(userId));
    if (own) this.session.list.put({ roomId: this.roomId, role: own.role });
    this.count = Math.max(this.summary.memberCount ?? 0, members.length);
    this.#changed("people");
    const { users = [] } = await this.ask("presence.room");
    for (const user of users) this.session.people.meet(user.userId, user);
    this.#changed("people");
  }

  /** The newest own messages, until one is found that everybody has read: who has read it has read all before. */
  async #loadReceipts() {
    const own = this.timeline.messages.filter((m) => m.mine && m.seq != null && m.type !== "system").slice(-RECEIPTS).reverse();
    for (const { messageId, seq } of own) {
      const { members, readCount } = await this.ask("message.receipts", { messageId });
      for (const member of members) {
        if (member.deliveredAt) this.marks.move(member.userId, "delivered", seq);
        if (member.readAt) this.marks.move(member.userId, "read", seq);
      }
      // A big room tells numbers alone.
      if (!members.length) this.marks.count(messageId, readCount);
      this.#changed("messages");
      if (readCount >= members.length) return;
    }
  }

  // ---- what the user does --------------------------------------------------------------------------------------------

  async send(content, { type = "text", metadata, mentions = [] } = {}) {
    const { roomId, session, replyTo } = this;
    const message = { roomId, content, type, tempId: newId(), metadata };
    if (mentions.length) message.mentions = mentions;
    if (replyTo) message.replyToId = replyTo.messageId;
    this.replyTo = null;
    this.typing.stop();
    // A message is written into the present.
    if (!this.history.live) await this.history.toNewest().catch(() => {});
    const quote = replyTo && { messageId: replyTo.messageId, content: replyTo.content, encrypted: replyTo.encrypted, senderId: replyTo.senderId };
    const shown = { ...message, replyTo: quote ?? undefined, senderId: session.me, senderName: session.name };
    this.timeline.put({ ...shown, status: "pending", mine: true, wire: message });
    this.#changed("messages", { mine: true });
    this.outbox.push(message);
  }

  /** A refused message once more, under its own id. */
  retry({ tempId, wire }) {
    this.timeline.change(tempId, { status: "pending", note: undefined });
    this.#changed("messages");
    this.outbox.push(wire);
  }

  discard(message) {
    this.timeline.remove(message.key);
    this.#changed("messages");
  }

  edit({ messageId }, content) {
    return this.ask("message.edit", { messageId, content });
  }

  delete({ messageId }) {
    return this.ask("message.delete", { messageId });
  }

  react({ messageId }, emoji, on) {
    return this.ask(on ? "message.react" : "message.unreact", { messageId, emoji });
  }

  pin({ messageId }, on) {
    return this.ask(on ? "message.pin" : "message.unpin", { messageId });
  }

  /** The message is before the user's eyes. */
  seen(message) {
    const newest = this.history.live && message === this.timeline.newest;
    if (newest && this.session.list.get(this.roomId)?.unreadCount) {
      this.session.list.unread(this.roomId, 0);
      this.session.on.list();
    }
    // Sending has said it already.
    if (!message.mine) this.reading.seen(message);
  }

  async load(direction) {
    this.words = "";
    try {
      const more = direction === "older" ? await this.history.loadOlder() : await this.history.loadNewer();
      if (more) this.#changed("messages", { loaded: direction });
    } catch (error) {
      this.words = error.message;
      this.#changed("history");
    }
  }

  /** Gone for good, or put away: nothing is sent, nobody is told. */
  close() {
    this.outbox.ready = false;
    this.typing.stop();
  }

  // ---- what the server says ------------------------------------------------------------------------------------------

  heed(event, payload) {
    this.replay.passed(event, payload);
    this.#heeds[event]?.(payload);
  }

  #heeds = {
    "message.received": (message) => {
      const mine = this.session.own.has(message.senderId);
      if (message.tempId && mine) this.outbox.confirm(message.tempId);
      if (message.type !== "system" && this.summary.type === "channel") this.#arrived({ userId: message.senderId, userName: message.senderName });
      this.typing.ended(message.senderId);
      if (this.session.current !== this || this.session.watching()) this.history.trim();
      // Elsewhere in the history the present is not on the screen.
      const fresh = this.history.live ? this.timeline.put(this.#form(message)) : !mine;
      this.#changed("messages", { fresh, mine });
    },
    "message.edited": ({ messageId, content, editedAt }) => {
      this.timeline.change(messageId, { content, editedAt });
      this.pins = this.pins.map((pin) => (pin.messageId === messageId ? { ...pin, content } : pin));
      this.#changed("messages");
    },
    "message.deleted": ({ messageId }) => {
      this.timeline.change(messageId, { deleted: true, content: "", metadata: undefined, reactions: [], pinned: false });
      this.#learn("pins", this.pins.filter((pin) => pin.messageId !== messageId));
      this.#changed("messages");
    },
    "message.reaction": ({ messageId, emoji, userId, userName, action }) => {
      this.session.people.meet(userId, { userName });
      const { reactions } = this.timeline.find(messageId) ?? {};
      this.timeline.change(messageId, { reactions: reacted(reactions, { emoji, userId, on: action !== "remove" }) });
      this.#changed("messages");
    },
    "message.pinned": ({ messageId }) => this.#pinned(messageId, true),
    "message.unpinned": ({ messageId }) => this.#pinned(messageId, false),
    "message.delivered": (receipt) => this.#reached("delivered", receipt),
    "message.read": (receipt) => this.#reached("read", receipt),
    "message.read.count": ({ messageId, readCount }) => {
      this.marks.count(messageId, readCount);
      this.#changed("messages");
    },
    "room.joined": (user) => {
      this.#counted(user, 1);
      this.#arrived({ ...user, role: "member" });
      this.#changed("people");
    },
    "room.left": (user) => {
      this.#counted(user, -1);
      this.people.delete(user.userId);
      this.typing.ended(user.userId);
      this.#changed("people");
    },
    "room.members.role": ({ userId, role }) => {
      this.people.set(userId, { userId, role });
      this.#changed("people");
    },
    "room.online": ({ onlineCount }) => this.#learn("online", onlineCount),
    "topics.update": ({ topics }) => this.#learn("topics", topics),
    "typing.user": (typist) => {
      if (!this.session.own.has(typist.userId)) this.typing.heard(typist);
    },
  };

  // ---- small things --------------------------------------------------------------------------------------------------

  #form(message) {
    this.replay.passed("message.received", message);
    this.session.people.meet(message.senderId, { userName: message.type === "system" ? undefined : message.senderName });
    // What is empty is not in the message, and may have been something before.
    const { reactions = [], pinned = false, mentions = [] } = message;
    const mine = this.session.own.has(message.senderId);
    return { ...message, reactions, pinned, mentions, status: "sent", note: undefined, mine };
  }

  #sent(tempId, { status, note, ack }) {
    // The room may have told first, which says more.
    if (this.timeline.find(tempId)?.seq != null) return;
    const { messageId, timestamp, seq } = ack ?? {};
    if (messageId) this.timeline.put({ tempId, messageId, timestamp, seq, status, note });
    else this.timeline.change(tempId, { status, note });
    this.#changed("messages");
  }

  #reached(kind, { userId, messageIds = [], seq }) {
    if (this.session.own.has(userId)) return;
    const places = messageIds.map((id) => this.timeline.find(id)?.seq).filter((place) => place != null).map(Number);
    const moved = this.marks.move(userId, kind, seq ?? (places.length ? Math.max(...places) : null));
    if (moved) this.#changed("messages");
  }

  #pinned(messageId, pinned) {
    this.timeline.change(messageId, { pinned });
    const message = this.timeline.find(messageId);
    const others = this.pins.filter((pin) => pin.messageId !== messageId);
    this.#learn("pins", pinned && message ? [message, ...others] : others);
    if (pinned && !message) this.loadPins().catch(() => {});
    this.#changed("messages");
  }

  #arrived({ userId, userName, role, status, lastSeen }) {
    if (!userId) return;
    this.session.people.meet(userId, { userName, status, lastSeen });
    this.people.set(userId, { userId, role: this.people.get(userId)?.role ?? role });
  }

  #counted({ userId, userCount }, step) {
    const news = step > 0 ? !this.people.has(userId) : this.people.has(userId);
    if (userCount != null) this.count = userCount;
    else if (news && this.summary.type !== "channel") this.count = Math.max(0, this.count + step);
  }

  #learn(what, value) {
    this[what] = value;
    this.#changed(what);
  }

  #changed(what, detail = {}) {
    // What is read in one go is shown in one go.
    if (!this.#quiet) this.session.on.room(this, what, detail);
  }
}
