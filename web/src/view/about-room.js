// About a room: its settings, its people, and the ways out. What one may not do is not offered.

import { mayRemove } from "../chat/rights.js";
import { title } from "../chat/rooms.js";
import { attempt } from "./notice.js";
import { button, dot, element } from "./dom.js";
import { ids, known } from "./pick.js";
import { form, sheet } from "./sheet.js";

const ROLES = { admin: "Make admin", moderator: "Make moderator", member: "Make member" };

export function aboutRoom(room, { person, pins }) {
  const { session, roomId, summary, may } = room;
  const { type } = summary;
  const kinds = { channel: "Public channel", group: summary.isPrivate ? "Private group" : "Group", direct: "Direct conversation" };
  const opened = sheet(
    title(summary),
    element("p", { className: "muted" }, `${kinds[type]}${type === "group" && summary.role ? `, you are ${summary.role === "admin" ? "an admin" : `a ${summary.role}`}` : ""}`),
    summary.description ? element("p", {}, summary.description) : null,
    room.topics.length ? element("p", { className: "muted" }, `Talked about: ${room.topics.join(", ")}`) : null,
  );
  const add = (...content) => opened.append(...content.filter(Boolean));
  if (room.pins.length) add(button(`Pinned messages (${room.pins.length})`, () => { opened.close(); pins(); }));
  if (may.settings) {
    add(form({
      legend: "Settings",
      inputs: [
        { name: "name", label: "Name", value: summary.name ?? "", required: true, maxLength: 255 },
        { name: "description", label: "Description", value: summary.description ?? "", rows: 2, maxLength: 4000 },
      ],
      submit: "Save",
      done: (values) => room.ask("room.update", values),
    }));
  }
  if (type === "group") add(element("h3", {}, "Members"), members(room, opened, person));
  if (may.addMembers) {
    add(form({
      legend: "Add people",
      inputs: [{ name: "who", label: "Names or ids, with commas", required: true, list: known(session), spellcheck: false }],
      submit: "Add",
      done: async ({ who }) => {
        await room.ask("room.members.add", { memberIds: ids(session, who) });
        await room.loadMembers();
      },
    }));
  }
  const ends = element("div", { className: "row" });
  const once = (label, question, work) =>
    ends.append(button(label, async () => {
      if (question && !confirm(question)) return;
      await attempt(work);
      opened.close();
    }));
  once(summary.muted ? "Unmute" : "Mute", null, () => session.mute(roomId, !summary.muted));
  if (may.leave) once("Leave", type === "group" ? `Leave ${title(summary)}?` : null, () => session.leave(roomId));
  if (may.deleteRoom) once("Delete room", `Delete ${title(summary)} for everybody?`, () => room.ask("room.delete"));
  add(ends);
}

function members(room, opened, person) {
  const { session, summary, may } = room;
  const row = ({ userId, role }) => {
    const own = session.own.has(userId);
    const again = (event, payload) => attempt(async () => {
      await room.ask(event, payload);
      await room.loadMembers();
      list.replaceWith(members(room, opened, person));
    });
    const offers = [];
    if (may.setRoles && !own) {
      for (const [other, words] of Object.entries(ROLES)) {
        if (other !== role) offers.push(button(words, () => again("room.members.role", { userId, role: other }), { className: "link" }));
      }
    }
    if (may.removeMembers && !own && mayRemove(summary.role, role)) {
      offers.push(button("Remove", () => again("room.members.remove", { memberIds: [userId] }), { className: "link" }));
    }
    const name = button(session.people.name(userId), () => { opened.close(); person(userId); }, { className: "link who" });
    const note = element("span", { className: "note" }, [own && "you", role !== "member" && role].filter(Boolean).join(", "));
    return element("li", {}, dot(session.people.status(userId)), name, note, element("span", { className: "offers" }, offers));
  };
  const list = element("ul", { className: "members" }, [...room.people.values()].map(row));
  const rest = room.count - room.people.size;
  if (rest > 0) list.append(element("li", { className: "muted" }, `and ${rest} more`));
  return list;
}
