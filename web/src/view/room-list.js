// The side list: each room with its last message, its unread count and, for two, whether the other one is there.

import { preview, title } from "../chat/rooms.js";
import { arrange, avatar, dot, element } from "./dom.js";
import { brief } from "./times.js";

const SIGNS = { channel: "#", group: "⁂" };

export class RoomListView {
  #rows = new Map();

  /** @param {(roomId: string) => void} open */
  constructor(list, open) {
    this.list = list;
    this.open = open;
    // Arrow keys walk through the rooms.
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const all = [...list.querySelectorAll("button")];
      const next = all[all.indexOf(document.activeElement) + step];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
  }

  show(session) {
    const wanted = session.list.sorted.map((room) => this.#row(session, room));
    const listed = new Set(session.list.sorted.map(({ roomId }) => roomId));
    for (const roomId of this.#rows.keys()) if (!listed.has(roomId)) this.#rows.delete(roomId);
    arrange(this.list, wanted);
  }

  clear() {
    this.#rows.clear();
    this.list.replaceChildren();
  }

  #row(session, room) {
    const { roomId, type, partner, unreadCount, muted, lastMessage } = room;
    const name = title(room);
    const current = session.current?.roomId === roomId;
    const status = type === "direct" && partner ? session.people.status(partner.userId) : null;
    const words = preview(room, session.own, ({ senderId }) => session.people.name(senderId));
    const at = brief(lastMessage?.timestamp);
    let row = this.#rows.get(roomId);
    if (!row) {
      const main = element("button", { type: "button", onclick: () => this.open(roomId) });
      row = { node: element("li", {}, main), main };
      this.#rows.set(roomId, row);
    }
    const state = JSON.stringify([name, words, at, unreadCount, current, status, muted]);
    if (row.state === state) return row.node;
    row.state = state;
    const unread = unreadCount
      ? element("span", { className: muted ? "badge muted" : "badge" }, unreadCount > 99 ? "99+" : String(unreadCount), element("span", { className: "hidden" }, " unread"))
      : null;
    const face = avatar(roomId, name, SIGNS[type]);
    if (status) face.append(dot(status));
    row.main.className = "room";
    if (current) row.main.setAttribute("aria-current", "true");
    else row.main.removeAttribute("aria-current");
    row.main.dataset.room = roomId;
    row.main.replaceChildren(
      face,
      element("span", { className: "name" }, name, status ? element("span", { className: "hidden" }, `, ${status}`) : null),
      element("span", { className: "when" }, at),
      element("span", { className: "preview" }, words),
      ...(unread ? [unread] : []),
    );
    return row.node;
  }
}
