// One user's chat over one socket: their rooms, the ones that were opened, who is who. Tells what happens through `on`;
// holds no DOM.

import { Connection } from "./connection.js";
import { FileUrls } from "./media.js";
import { People } from "./people.js";
import { Room } from "./room.js";
import { RoomList } from "./rooms.js";

const REJOIN_MS = 2_000;
/** Rooms whose messages are kept in memory. */
const KEPT = 20;
const ABOUT_ROOMS = [
  "message.received", "message.edited", "message.deleted", "message.reaction", "message.pinned", "message.unpinned",
  "message.delivered", "message.read", "message.read.count", "typing.user", "topics.update",
  "room.created", "room.joined", "room.left", "room.updated", "room.deleted", "room.unread", "room.online", "room.members.role", "room.banned", "room.muted", "room.unmuted",
];
const ABOUT_PEOPLE = ["presence.online", "presence.offline", "presence.status.update"];

export class Session {
  me = null;
  name = "";
  /** A guest may come back under another id: all that this page has had. */
  own = new Set();
  list = new RoomList();
  people = new People();
  uploads = new Set();
  current = null;
  /** Whether new messages of the current room meet the user's eyes. */
  watching = () => false;
  #rooms = new Map();

  /**
   * @param {object} credentials see `credentials.js`
   * @param {{get: () => string[], set: (ids: string[]) => void}} channels those to come back to
   * @param {{state: Function, entered: Function, over: Function, list: Function, room: Function, people: Function, gone: Function}} on
   */
  constructor(credentials, channels, on, connect = (...args) => new Connection(...args)) {
    Object.assign(this, { channels, on });
    if (credentials.name) this.name = credentials.name;
    for (const roomId of channels.get()) this.list.put({ roomId, type: "channel", name: roomId });
    this.connection = connect(credentials, {
      state: on.state,
      entered: (who, anew) => this.#entered(who, anew),
      lost: () => { for (const room of this.#rooms.values()) room.outbox.ready = false; },
      over: (words) => on.over(words),
    });
    this.files = new FileUrls((fileId) => this.ask("file.url", { fileId }));
    for (const event of ABOUT_ROOMS) this.connection.hear(event, (payload) => this.#heed(event, payload));
    for (const event of ABOUT_PEOPLE) this.connection.hear(event, (payload) => this.#met(event, payload));
    this.connection.hear("file.upload.error", ({ uploadId, message }) => {
      for (const upload of this.uploads) if (upload.is(uploadId) && !upload.over) upload.fail(message);
    });
  }

  ask(event, payload = {}) {
    return this.connection.ask(event, payload);
  }

  close() {
    for (const room of this.#rooms.values()) room.close();
    this.connection.close();
  }

  // ---- what the user does --------------------------------------------------------------------------------------------

  /** Shows a room. Its messages come as soon as they can. */
  open(roomId) {
    this.current?.typing.stop();
    const room = this.#rooms.get(roomId) ?? new Room(this, roomId);
    // The one that was opened last comes last.
    this.#rooms.delete(roomId);
    this.#rooms.set(roomId, room);
    this.current = room;
    this.#putAway();
    if (this.me && (room.state !== "ready" || room.stale)) this.#enter(room);
    return room;
  }

  /** No room is on the screen any more. */
  shut() {
    this.current?.typing.stop();
    this.current = null;
  }

  async direct(userId) {
    const known = this.list.directWith(userId);
    if (known) return known.roomId;
    const { room } = await this.ask("room.create", { type: "direct", memberIds: [userId] });
    this.#created(room);
    return room.roomId;
  }

  async group(name, memberIds, isPrivate = true) {
    const { room } = await this.ask("room.create", { type: "group", name, memberIds, isPrivate });
    this.#created({ ...room, role: "admin" });
    return room.roomId;
  }

  async leave(roomId) {
    await this.ask("room.leave", { roomId });
    this.#removed(roomId);
  }

  /** Mute is the user's own: nobody else hears of it. */
  async mute(roomId, on) {
    await this.ask(on ? "room.mute" : "room.unmute", { roomId });
    this.list.put({ roomId, muted: on });
    this.on.list();
  }

  // ---- what the server says ------------------------------------------------------------------------------------------

  #entered({ userId, userName, rooms }, anew) {
    this.me = userId;
    this.own.add(userId);
    if (userName) this.name = userName;
    this.people.meet(userId, { userName, status: "online" });
    for (const { partner } of rooms) if (partner) this.people.meet(partner.userId, partner);
    this.list.reset(rooms);
    this.on.entered();
    this.on.list();
    this.on.state("connected", "Connected");
    for (const room of this.#rooms.values()) {
      // What was missed is read when it is looked at, or when something waits to be sent there.
      room.stale ||= anew;
      if (room === this.current || (room.stale && room.waiting)) this.#enter(room);
      else if (!room.stale && room.state === "ready") room.outbox.ready = true;
    }
    if (anew) this.#rejoin();
    this.#askPresence();
  }

  /** Enters, again if need be, for as long as this connection holds. */
  async #enter(room) {
    const { socket } = this.connection;
    const { id } = socket;
    if (!socket.connected || room.entering === id) return;
    room.entering = id;
    try {
      await room.enter();
      room.stale = false;
      const { newest } = room.timeline;
      if (newest && !room.summary.lastMessage) this.list.put({ roomId: room.roomId, lastMessage: newest });
      this.#keepChannels();
      this.on.list();
    } catch (error) {
      if (socket.id !== id || !socket.connected) return;
      room.state = "failed";
      room.words = error.message;
      this.on.room(room, "state", {});
      if (error.retryable) setTimeout(() => socket.id === id && this.#rooms.get(room.roomId) === room && this.#enter(room), REJOIN_MS);
    } finally {
      if (room.entering === id) room.entering = null;
    }
  }

  /** Being in a channel ends with the connection. */
  async #rejoin() {
    const { socket } = this.connection;
    const { id } = socket;
    const left = this.list.channels.filter((roomId) => roomId !== this.current?.roomId);
    while (left.length && socket.connected && socket.id === id) {
      const [roomId] = left;
      try {
        const { room } = await this.ask("room.join", { roomId });
        const { messages } = await this.ask("message.history", { roomId, limit: 1 });
        this.list.put({ ...room, lastMessage: messages[0] });
        left.shift();
      } catch (error) {
        if (error.retryable) await new Promise((again) => setTimeout(again, error.retryAfter ? error.retryAfter * 1000 : REJOIN_MS));
        else this.#removed(left.shift());
      }
      this.on.list();
    }
    this.#keepChannels();
  }

  #askPresence() {
    const userIds = this.list.sorted.map(({ partner }) => partner?.userId).filter(Boolean).slice(0, 100);
    if (!userIds.length) return;
    this.ask("presence.last.seen", { userIds }).then(({ users = [] }) => {
      for (const user of users) this.people.meet(user.userId, user);
      this.on.people();
    }, () => {});
  }

  #heed(event, payload) {
    this.#listens[event]?.(payload);
    this.#rooms.get(payload.roomId)?.heed(event, payload);
    if (this.#listens[event]) this.on.list();
  }

  #listens = {
    "message.received": (message) => {
      const mine = this.own.has(message.senderId);
      if (message.type !== "system") this.people.meet(message.senderId, { userName: message.senderName });
      const seen = this.current?.roomId === message.roomId && this.watching();
      this.list.received(message, { mine, seen });
    },
    "message.edited": (edit) => this.list.edited(edit),
    "message.deleted": (deletion) => this.list.deleted(deletion),
    "room.created": (room) => this.#created(room),
    "room.updated": (room) => this.list.put(room.room ?? room),
    // One that is heard of only when it is over has put nobody out.
    "room.banned": ({ roomId, userId, until }) => this.own.has(userId) && !(Date.parse(until) < Date.now()) && this.#removed(roomId, "You are banned from that room"),
    "room.deleted": ({ roomId }) => this.#removed(roomId, "The room was deleted"),
    "room.unread": ({ roomId, unreadCount }) => this.list.unread(roomId, unreadCount),
    "room.muted": ({ roomId, muted }) => this.list.put({ roomId, muted }),
    "room.unmuted": ({ roomId, muted }) => this.list.put({ roomId, muted }),
    "room.members.role": ({ roomId, userId, role }) => this.own.has(userId) && this.list.put({ roomId, role }),
    "room.joined": ({ room, userId, userName, roomId }) => {
      this.people.meet(userId, { userName });
      if (room) return this.#created(room);
      const known = this.list.get(roomId);
      if (known && known.type !== "channel") this.list.put({ roomId, memberCount: (known.memberCount ?? 0) + 1 });
    },
    "room.left": ({ roomId, userId }) => {
      const known = this.list.get(roomId);
      // Of a channel it may be this user's other tab that has left: this one is still in it.
      if (this.own.has(userId)) return known?.type !== "channel" && this.#removed(roomId, "You are no member of that room any more");
      if (known && known.type !== "channel") this.list.put({ roomId, memberCount: Math.max(0, (known.memberCount ?? 1) - 1) });
    },
  };

  #created(room) {
    const { members = [], ...summary } = room;
    for (const member of members) this.people.meet(member.userId, member);
    const partner = room.partner ?? members.find(({ userId }) => !this.own.has(userId));
    if (room.type === "direct" && partner) {
      this.people.meet(partner.userId, partner);
      summary.partner = partner;
    }
    this.list.put(summary);
    this.on.list();
  }

  #removed(roomId, words) {
    this.list.remove(roomId);
    this.#rooms.get(roomId)?.close();
    this.#rooms.delete(roomId);
    this.#keepChannels();
    this.on.list();
    if (this.current?.roomId === roomId) {
      this.current = null;
      this.on.gone(words);
    }
  }

  #met(event, { userId, status, lastSeen }) {
    this.people.meet(userId, { status: status ?? event.split(".")[1], lastSeen });
    this.on.people();
  }

  // ---- small things --------------------------------------------------------------------------------------------------

  #putAway() {
    for (const [roomId, room] of this.#rooms) {
      if (this.#rooms.size <= KEPT) return;
      if (room === this.current || room.waiting) continue;
      room.close();
      this.#rooms.delete(roomId);
    }
  }

  #keepChannels() {
    this.channels.set(this.list.channels);
  }
}
