// The messages of the open room, with a line between days. Rows are made anew only where something in them changed.

import { element } from "./dom.js";
import { fill } from "./message-row.js";
import { day } from "./times.js";

const SAME_BREATH_MS = 5 * 60_000;

export class MessageList {
  #rows = new Map();
  #editing = null;

  /** @param {object} act what the rows' buttons do, see `message-row.js`; and `redraw()` */
  constructor(list, act) {
    /** The key of the message above which a line says that it was unread. */
    this.unreadFrom = null;
    this.list = list;
    this.act = { ...act, edit: (message) => this.edit(message), saved: (message, content) => this.#saved(message, content) };
    this.save = act.edit;
  }

  clear() {
    this.#rows.clear();
    this.#editing = null;
    this.unreadFrom = null;
    this.list.replaceChildren();
  }

  /** Shows exactly these, moving and making as little as possible. */
  show(room) {
    const wanted = [];
    const shown = new Set();
    let previous = null;
    for (const message of room.timeline.messages) {
      const at = message.timestamp ? new Date(message.timestamp) : new Date();
      const newDay = !previous || at.toDateString() !== previous.at.toDateString();
      const first =
        newDay || previous.message.senderId !== message.senderId || at - previous.at > SAME_BREATH_MS ||
        (message.type === "system") !== (previous.message.type === "system") || Boolean(message.replyTo);
      if (newDay) wanted.push(this.#day(at, shown));
      if (message.key === this.unreadFrom) wanted.push(this.#line("unread", "New", shown));
      wanted.push(this.#row(room, message, at, first, shown));
      previous = { message, at };
    }
    for (const [key, { node }] of this.#rows) {
      if (!shown.has(key)) {
        node.remove();
        this.#rows.delete(key);
      }
    }
    wanted.forEach((node, place) => {
      if (this.list.children[place] !== node) this.list.insertBefore(node, this.list.children[place] ?? null);
    });
  }

  /** The row of a message that is here. */
  node(messageId) {
    return [...this.list.children].find((node) => node.dataset.id === messageId);
  }

  /** The newest message of which at least the beginning is above that line of the screen. */
  lastAbove(line, messages) {
    return messages.findLast((message) => {
      const node = message.messageId && message.seq != null && this.#rows.get(message.key)?.node;
      return node && node.getBoundingClientRect().top < line - 8;
    });
  }

  edit(message) {
    this.#editing = message.key;
    this.act.redraw();
    const field = this.#rows.get(message.key)?.node.querySelector("textarea");
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  #saved(message, content) {
    this.#editing = null;
    this.act.redraw();
    if (content && content !== message.content) this.save(message, content);
    document.getElementById("text").focus();
  }

  #day(at, shown) {
    return this.#line(`day ${at.toDateString()}`, day(at), shown);
  }

  #line(key, words, shown) {
    shown.add(key);
    const [kind] = key.split(" ");
    if (!this.#rows.has(key)) this.#rows.set(key, { node: element("li", { className: kind }, element("span", {}, words)) });
    return this.#rows.get(key).node;
  }

  #row(room, message, at, first, shown) {
    shown.add(message.key);
    const editing = this.#editing === message.key;
    const mark = message.mine && message.status === "sent" && message.seq != null ? room.marks.of(message) : null;
    const { content, editedAt, status, note, mine, timestamp, deleted, reactions, pinned, messageId, mentions } = message;
    const state = JSON.stringify([
      content, editedAt, status, note, mine, first, timestamp, deleted, reactions, pinned, messageId, mentions, editing, mark,
      room.may.pin, room.may.deleteOthers,
    ]);
    let row = this.#rows.get(message.key);
    if (!row) {
      row = { node: element("li") };
      this.#rows.set(message.key, row);
    }
    if (row.state !== state) {
      row.state = state;
      const focused = row.node.contains(document.activeElement) && document.activeElement.dataset.role;
      fill(row.node, { room, message, at, first, editing, mark }, this.act);
      // A button that was pressed keeps the focus when the row is made anew.
      if (focused && !editing) row.node.querySelector(`[data-role="${CSS.escape(focused)}"]`)?.focus();
    }
    return row.node;
  }
}
