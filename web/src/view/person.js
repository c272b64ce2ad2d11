// A person: who they are, whether they are there, and what one can do about them. One's own card shows one's id.

import { button, element } from "./dom.js";
import { attempt, notice } from "./notice.js";
import { sheet } from "./sheet.js";
import { seenAgo } from "./times.js";

export const presenceWords = (session, userId) => {
  const status = session.people.status(userId);
  return status === "offline" ? seenAgo(session.people.lastSeen(userId)) : status;
};

export function person(session, userId, open) {
  const words = presenceWords(session, userId);
  const block = (on) => async () => {
    await attempt(async () => {
      await session.ask(on ? "user.block" : "user.unblock", { userId });
      notice(on ? "Blocked: you get no direct messages from them." : "Not blocked any more.");
    });
    opened.close();
  };
  const talk = button("Message directly", () => attempt(async () => {
    open(await session.direct(userId));
    opened.close();
  }), { className: "primary" });
  const opened = sheet(
    session.people.name(userId),
    element("p", { className: "muted" }, words),
    identity(userId),
    element("div", { className: "row" }, talk, button("Block", block(true)), button("Unblock", block(false))),
  );
}

const identity = (userId) => element("p", {}, "User id: ", element("code", {}, userId));

export function oneself(session, { signOut }) {
  const statuses = [["online", "Online"], ["away", "Away"], ["busy", "Busy"], ["offline", "Hidden"]];
  const opened = sheet(
    session.name || "You",
    element("p", { className: "muted" }, "Others reach you by your user id."),
    session.me ? identity(session.me) : null,
    element("div", { className: "row", role: "group", ariaLabel: "Your status" }, statuses.map(([status, words]) => {
      const pressed = session.people.status(session.me) === status;
      return button(words, () => attempt(async () => {
        await session.ask("presence.status.update", { status });
        session.people.meet(session.me, { status });
        session.on.people();
        opened.close();
      }), { ariaPressed: String(pressed) });
    })),
    button("Sign out", () => { opened.close(); signOut(); }),
  );
}
