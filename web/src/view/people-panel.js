// Who is in the open room: in a channel those who are there now, elsewhere the members and whether they are there.

import { $, arrange, avatar, button, dot, element } from "./dom.js";

const HERE = { online: 0, busy: 1, away: 2, offline: 3 };

export function showPeople(room, person) {
  const { session, summary } = room;
  const channel = summary.type === "channel";
  const status = ({ userId }) => (channel || session.own.has(userId) ? "online" : session.people.status(userId));
  const known = [...room.people.values()].sort(
    (a, b) => HERE[status(a)] - HERE[status(b)] || session.people.name(a.userId).localeCompare(session.people.name(b.userId)),
  );
  const here = room.online ?? known.filter((one) => status(one) !== "offline").length;
  const count = channel ? Math.max(known.length, room.count) : Math.max(known.length, room.count, summary.memberCount ?? 0);
  const shown = channel ? count : here;
  $("people-count").textContent = shown;
  $("people-toggle").setAttribute("aria-label", channel ? `${shown} here` : `${here} of ${count} online`);
  $("people-title").textContent = channel ? `Here (${count})` : `Members (${count})`;
  const rows = known.map((one) => {
    const { userId, role } = one;
    const notes = [session.own.has(userId) && "you", role && role !== "member" && role].filter(Boolean).join(", ");
    const name = session.people.name(userId);
    const face = avatar(userId, name);
    face.append(dot(status(one)));
    return element("li", {}, face, button(name, () => person(userId), { className: "link who" }), notes ? element("span", { className: "note" }, notes) : null);
  });
  if (count > known.length && known.length) rows.push(element("li", { className: "muted" }, `and ${count - known.length} more`));
  arrange($("people-list"), rows);
  return { here, count };
}
