// The list at the side: what is known of each of the user's rooms, the one with the latest message first.

import { inWords } from "./media.js";

const time = (text) => (text ? Date.parse(text) || 0 : 0);

export class RoomList {
  #rooms = new Map();

  /** The user's rooms as the server has them now. Channels have no members to be listed by: those that are here stay. */
  reset(summaries) {
    const listed = new Set(summaries.map(({ roomId }) => roomId));
    for (const [roomId, { type }] of this.#rooms) {
      if (type !== "channel" && !listed.has(roomId)) this.#rooms.delete(roomId);
    }
    for (const summary of summaries) this.put(summary);
  }

  /** Takes what an event or an answer says of a room; what it leaves out stays. */
  put(room) {
    const known = this.#rooms.get(room.roomId) ?? { unreadCount: 0, since: Date.now() };
    const told = Object.fromEntries(Object.entries(room).filter(([, value]) => value !== undefined));
    this.#rooms.set(room.roomId, { ...known, ...told });
  }

  remove(roomId) {
    this.#rooms.delete(roomId);
  }

  get(roomId) {
    return this.#rooms.get(roomId);
  }

  has(roomId) {
    return this.#rooms.has(roomId);
  }

  get channels() {
    return [...this.#rooms.values()].filter(({ type }) => type === "channel").map(({ roomId }) => roomId);
  }

  /** The direct room with somebody. */
  directWith(userId) {
    return [...this.#rooms.values()].find(({ type, partner }) => type === "direct" && partner?.userId === userId);
  }

  /** A message came: the room moves up, and counts it unless one's own eyes or hands were on it. */
  received(message, { mine, seen }) {
    const room = this.#rooms.get(message.roomId);
    if (!room || Number(message.seq) <= Number(room.lastMessage?.seq ?? 0)) return;
    room.lastMessage = message;
    if (mine || seen) room.unreadCount = 0;
    else room.unreadCount += 1;
  }

  edited({ roomId, messageId, content }) {
    const last = this.#rooms.get(roomId)?.lastMessage;
    if (last?.messageId === messageId) this.#rooms.get(roomId).lastMessage = { ...last, content };
  }

  deleted({ roomId, messageId }) {
    const last = this.#rooms.get(roomId)?.lastMessage;
    if (last?.messageId === messageId) this.#rooms.get(roomId).lastMessage = { ...last, deleted: true };
  }

  unread(roomId, count) {
    const room = this.#rooms.get(roomId);
    if (room && count != null) room.unreadCount = count;
  }

  get unreadInAll() {
    return [...this.#rooms.values()].reduce((sum, room) => sum + (room.muted ? 0 : room.unreadCount), 0);
  }

  /** The newest first; a room without a message stands where it was made or came to be known. */
  get sorted() {
    const at = (room) => time(room.lastMessage?.timestamp) || time(room.createdAt) || room.since;
    return [...this.#rooms.values()].sort((a, b) => at(b) - at(a) || title(a).localeCompare(title(b)));
  }
}

export const title = (room) => room.name ?? room.partner?.userName ?? room.partner?.userId ?? room.roomId;

/** The last message in a line: with its sender where several could be. */
export function preview({ lastMessage, type }, own, name = (message) => message.senderName) {
  if (!lastMessage) return "";
  const words = inWords(lastMessage).replace(/\s+/g, " ").trim();
  if (lastMessage.type === "system" || lastMessage.deleted) return words;
  if (own.has(lastMessage.senderId)) return `You: ${words}`;
  return type === "direct" ? words : `${name(lastMessage) ?? lastMessage.senderId}: ${words}`;
}
