// A simple model of one room, the view that a client builds of it from what it hears, and how the two are compared.

/** What a room is after a history of commands: the truth that every view is compared with. */
export class Model {
  messages = new Map();
  members = new Map();
  name = undefined;

  sent({ messageId, senderId, content, replyTo, seq }) {
    this.messages.set(messageId, { messageId, senderId, content, replyTo, seq, edited: false, pinned: false, reactions: {} });
  }

  edited(messageId, content) {
    Object.assign(this.messages.get(messageId), { content, edited: true });
  }

  deleted(messageId) {
    this.messages.delete(messageId);
  }

  reacted(messageId, userId, emoji, on) {
    react(this.messages.get(messageId).reactions, userId, emoji, on);
  }

  pinned(messageId, on) {
    this.messages.get(messageId).pinned = on;
  }

  /** What a member sees: messages in order, as plain objects. */
  view() {
    return [...this.messages.values()].sort((a, b) => a.seq - b.seq).map(plain);
  }
}

/** Events of a room's log. */
const LOGGED = new Set(["message.received", "message.edited", "message.deleted", "message.reaction", "message.pinned", "message.unpinned", "room.updated"]);

/** What a client makes of the events that it hears of one room. */
export class View {
  messages = new Map();
  seqs = [];

  constructor(roomId) {
    this.roomId = roomId;
  }

  /** One event, as `{...payload, name}`. */
  hear(event) {
    if (event.roomId !== this.roomId) return;
    // One event of the log may be told in two; receipts name a place that they reach, not their own.
    if (LOGGED.has(event.name) && this.seqs.at(-1) !== event.seq) this.seqs.push(event.seq);
    const message = this.messages.get(event.messageId);
    switch (event.name) {
      case "message.received":
        if (event.type === "system" || message) return;
        this.messages.set(event.messageId, shown(event));
        return;
      case "message.edited":
        return void (message && Object.assign(message, { content: event.content, edited: true }));
      case "message.deleted":
        return void this.messages.delete(event.messageId);
      case "message.reaction":
        return void (message && react(message.reactions, event.userId, event.emoji, event.action === "add"));
      case "message.pinned":
      case "message.unpinned":
        return void (message && (message.pinned = event.name === "message.pinned"));
    }
  }

  view() {
    return [...this.messages.values()].sort((a, b) => a.seq - b.seq).map(plain);
  }
}

/** A message of a page of history, as the model has it. */
export function shown(message) {
  const reactions = {};
  for (const { emoji, userIds } of message.reactions ?? []) reactions[emoji] = [...userIds];
  return {
    messageId: message.messageId,
    senderId: message.senderId,
    content: message.content,
    replyTo: message.replyTo?.messageId,
    seq: message.seq,
    edited: message.editedAt !== undefined,
    pinned: message.pinned === true,
    reactions,
  };
}

export function plain({ seq, reactions, ...message }) {
  const sorted = Object.entries(reactions).filter(([, users]) => users.length > 0);
  return { ...message, reactions: Object.fromEntries(sorted.map(([emoji, users]) => [emoji, [...users].sort()]).sort()) };
}

function react(reactions, userId, emoji, on) {
  const users = (reactions[emoji] ?? []).filter((user) => user !== userId);
  reactions[emoji] = on ? [...users, userId] : users;
}

/** A generator of numbers below `n` that says the same again for the same seed (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    below: (n) => next() % n,
    one: (list) => list[next() % list.length],
    chance: (percent) => next() % 100 < percent,
  };
}
