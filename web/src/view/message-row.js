// One message: who and when, what it quotes, its text or file, its reactions, how far it has got, and what can be done
// with it.

import { inWords } from "../chat/media.js";
import { PALETTE, mine } from "../chat/reactions.js";
import { parts } from "../chat/richtext.js";
import { avatar, button, element } from "./dom.js";
import { attachment } from "./attachment.js";
import { hour } from "./times.js";

const MARKS = { sent: "✓", delivered: "✓✓", read: "✓✓" };

/**
 * @param {object} act `{reply, react, pin, edit, saved, delete, retry, discard, jump, receipts, person, fileUrl, redraw}`
 */
export function fill(node, { room, message, at, first, editing, mark }, act) {
  const { session } = room;
  const system = message.type === "system";
  const name = message.senderName ?? session.people.name(message.senderId) ?? "";
  const named = (message.mentions ?? []).map((id) => session.people.name(id));
  const me = (message.mentions ?? []).some((id) => session.own.has(id));
  node.className = ["message", system ? "system" : message.status, first && "first", message.mine && "own", me && "named", message.deleted && "deleted"]
    .filter(Boolean)
    .join(" ");
  if (message.messageId) node.dataset.id = message.messageId;
  const bubble = element("div", { className: "bubble" });
  if (message.replyTo) bubble.append(quote(room, message.replyTo, act));
  if (editing) bubble.append(editor(message, act));
  else bubble.append(...body(message, named, act), foot(message, at, mark, act));
  const face = avatar(message.senderId, name);
  if (system) return node.replaceChildren(bubble);
  const who = button(name, () => act.person(message.senderId), { className: "link who" });
  const byline = element("p", { className: "byline" }, who, element("time", { dateTime: at.toISOString(), title: at.toLocaleString() }, hour(at)));
  node.replaceChildren(face, byline, bubble);
  if (message.reactions?.length) node.append(reactions(room, message, act));
  if (!editing) node.append(actions(room, message, act));
}

function body(message, names, act) {
  if (message.deleted) return [element("p", { className: "gone" }, "Message deleted")];
  if (message.encrypted) return [element("p", { className: "gone" }, "Encrypted message: this page has no key for it")];
  const fileName = message.metadata?.fileName;
  const shown = [];
  if (message.metadata?.fileId) shown.push(attachment(message, act));
  if (message.content && !(shown.length && message.content === fileName)) shown.push(element("p", {}, text(message.content, names)));
  return shown;
}

/** The text, with its links and names told apart. */
export function text(content, names) {
  return parts(content, names).map(({ text, kind }) => {
    if (kind === "link") return element("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
    return kind === "mention" ? element("strong", { className: "mention" }, text) : text;
  });
}

function quote(room, { messageId, content, encrypted, senderId }, act) {
  const known = room.timeline.find(messageId);
  const words = known ? inWords(known) : content === undefined ? "Message deleted" : inWords({ content, encrypted });
  const who = senderId ?? known?.senderId;
  const label = who ? element("strong", {}, room.session.people.name(who)) : null;
  return button([label, element("span", {}, words)], () => act.jump(messageId), { className: "quote", title: "Go to that message" });
}

function foot(message, at, mark, act) {
  const texts = { pending: message.note ?? "sending…", failed: `not sent: ${message.note}` };
  const notes = [texts[message.status], !message.deleted && message.pinned && "pinned", !message.deleted && message.editedAt && "edited"];
  const made = element("span", { className: "foot" }, notes.filter(Boolean).map((note) => element("span", { className: "note" }, note)));
  if (mark && message.type !== "system" && !message.deleted) {
    const words = { sent: "Sent", delivered: `Delivered to ${mark.reached}`, read: `Read by ${mark.readers}` }[mark.status];
    const shown = button(MARKS[mark.status], () => act.receipts(message), { className: "mark", title: words, ariaLabel: words });
    shown.dataset.status = mark.status;
    shown.dataset.role = "mark";
    made.append(shown);
  }
  return made;
}

function reactions(room, message, act) {
  const { own, people } = room.session;
  const chips = message.reactions.map(({ emoji, count, userIds }) => {
    const pressed = mine(message.reactions, emoji, own);
    const chip = button([emoji, element("span", {}, String(count))], () => act.react(message, emoji, !pressed), {
      className: "chip",
      ariaPressed: String(pressed),
      ariaLabel: `${emoji} ${count}${pressed ? ", one of them yours" : ""}`,
      title: userIds.map((id) => people.name(id)).join(", "),
    });
    chip.dataset.role = `chip ${emoji}`;
    return chip;
  });
  return element("div", { className: "reactions" }, chips);
}

function actions(room, message, act) {
  const all = [];
  const add = (label, does) => {
    const made = button(label, does, { className: "link" });
    made.dataset.role = label;
    all.push(made);
  };
  if (message.status === "failed") {
    add("Try again", () => act.retry(message));
    add("Discard", () => act.discard(message));
  } else if (message.messageId && !message.deleted) {
    for (const emoji of PALETTE) {
      const pressed = mine(message.reactions, emoji, room.session.own);
      const offered = button(emoji, () => act.react(message, emoji, !pressed), {
        className: "link emoji",
        ariaLabel: pressed ? `Take back ${emoji}` : `React with ${emoji}`,
      });
      offered.dataset.role = `palette ${emoji}`;
      all.push(offered);
    }
    add("Reply", () => act.reply(message));
    if (room.may.pin) add(message.pinned ? "Unpin" : "Pin", () => act.pin(message, !message.pinned));
    if (message.mine && !message.metadata?.fileId) add("Edit", () => act.edit(message));
    if (message.mine || room.may.deleteOthers) add("Delete", () => act.delete(message));
  }
  return element("div", { className: "actions" }, all);
}

function editor(message, act) {
  const field = element("textarea", { value: message.content, rows: 2, ariaLabel: "Edit message", maxLength: 4000 });
  const end = (content) => act.saved(message, content);
  const save = () => end(field.value.trim());
  field.onkeydown = (event) => {
    if (event.key === "Escape") end(null);
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      save();
    }
  };
  return element("div", { className: "edit" }, field, button("Save", save, { className: "link" }), button("Cancel", () => end(null), { className: "link" }));
}
