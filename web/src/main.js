// The page: a lobby, and a room. `#room=…` opens a room, `#token=…` comes in as the token's user instead of a guest.

import { Room } from "./room.js";
import { MessageList, element } from "./view.js";

const $ = (id) => document.getElementById(id);
const [lobby, chat, scroller, text] = ["lobby", "chat", "scroller", "text"].map($);

/** Storage may be forbidden; the page works without. */
const store = {
  get: (place, key) => { try { return place()[key]; } catch { return undefined; } },
  set: (place, key, value) => { try { place()[key] = value; } catch { /* then not */ } },
  drop: (place, key) => { try { delete place()[key]; } catch { /* then not */ } },
};
const tab = () => sessionStorage;
const browser = () => localStorage;

let room = null;

const list = new MessageList($("messages"), {
  redraw: () => show(),
  edit: (message, content) => room.edit(message, content).catch(complain),
  delete: (message) => room.delete(message).catch(complain),
  retry: (message) => room.retry(message),
  discard: (message) => room.discard(message),
});

// ---- lobby ------------------------------------------------------------------------------------------------------------

const asked = new URLSearchParams(location.hash.slice(1));
const token = asked.get("token") ?? undefined;
// A token does not belong into the history of the browser.
if (token) history.replaceState(null, "", `${location.pathname}${asked.get("room") ? `#room=${encodeURIComponent(asked.get("room"))}` : ""}`);

$("name").value = store.get(tab, "name") ?? store.get(browser, "name") ?? "";
$("room").value = asked.get("room") ?? store.get(browser, "room") ?? "lobby";
if (token) {
  $("name").required = false;
  $("name").disabled = true;
  $("name").value = "(your token's)";
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  enter($("name").value.trim(), $("room").value.trim());
});

function enter(name, roomId) {
  if (!roomId || (!name && !token)) return;
  if (!token) {
    store.set(browser, "name", name);
    store.set(tab, "name", name);
  }
  store.set(browser, "room", roomId);
  store.set(tab, "in", roomId);
  history.replaceState(null, "", `#room=${encodeURIComponent(roomId)}`);
  $("lobby-error").textContent = "";
  lobby.hidden = true;
  chat.hidden = false;
  $("room-name").textContent = roomId;
  document.title = `${roomId} · Parlor`;
  list.clear();
  state("connecting", "Connecting…");
  historyState("loading");
  room = new Room({ roomId, name, token }, { state, messages: show, people, typing, history: historyState });
  people();
  typing();
  text.focus();
}

$("leave").addEventListener("click", () => {
  room?.leave();
  room = null;
  store.drop(tab, "in");
  document.title = "Parlor";
  chat.hidden = true;
  lobby.hidden = false;
  $("room").focus();
});

addEventListener("pagehide", () => room?.stopTyping());

// ---- room -------------------------------------------------------------------------------------------------------------

function state(kind, words) {
  $("state").dataset.state = kind;
  $("state").textContent = words;
}

const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
const toEnd = () => {
  scroller.scrollTop = scroller.scrollHeight;
  $("newest").hidden = true;
};

let unseen = 0;

function show({ fresh = false, mine = false, caughtUp = false } = {}) {
  if (!room) return;
  const stay = !atEnd();
  // What is in view stays where it is when older messages come above it.
  const below = scroller.scrollHeight - scroller.scrollTop;
  const anchor = stay && anchored();
  list.show(room.timeline.messages);
  const last = room.timeline.messages.at(-1);
  if (!stay || mine || (last?.status === "pending" && last.mine && !last.note)) toEnd();
  else if (anchor) scroller.scrollTop += anchor.node.getBoundingClientRect().top - anchor.top;
  else scroller.scrollTop = scroller.scrollHeight - below;
  if (fresh && stay && !mine) $("newest").hidden = false;
  if (fresh && !mine && document.hidden) document.title = `(${++unseen}) ${room.roomId} · Parlor`;
  if (caughtUp) fillScreen();
}

function anchored() {
  const top = scroller.getBoundingClientRect().top;
  const node = [...$("messages").children].find((child) => !child.classList.contains("day") && child.getBoundingClientRect().bottom > top);
  return node && { node, top: node.getBoundingClientRect().top };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !room) return;
  unseen = 0;
  document.title = `${room.roomId} · Parlor`;
});

function historyState(kind, words) {
  const texts = { loading: "Loading…", complete: "This is where it began.", failed: `${words}. Scroll to try again.`, more: "" };
  $("history-state").textContent = texts[kind];
}

const fillScreen = () => scroller.scrollHeight <= scroller.clientHeight && room?.loadOlder();

scroller.addEventListener("scroll", () => {
  if (scroller.scrollTop < 200) room?.loadOlder();
  if (atEnd()) $("newest").hidden = true;
}, { passive: true });
$("newest").addEventListener("click", toEnd);
new ResizeObserver(() => { if (room && $("newest").hidden && text === document.activeElement) toEnd(); }).observe(scroller);

function people() {
  if (!room) return;
  const known = [...room.people].sort(([, a], [, b]) => a.localeCompare(b));
  const count = Math.max(known.length, room.count);
  $("people-count").textContent = count;
  $("people-toggle").setAttribute("aria-label", `${count} online`);
  const rows = known.map(([id, name]) => {
    const you = id === room.me ? element("span", { className: "note" }, "you") : null;
    return element("li", {}, element("span", { className: "dot", ariaHidden: "true" }), name, you);
  });
  if (count > known.length) rows.push(element("li", { className: "muted" }, `and ${count - known.length} more`));
  $("people-list").replaceChildren(...rows);
}

$("people-toggle").addEventListener("click", () => {
  const open = $("people").classList.toggle("open");
  $("people-toggle").setAttribute("aria-expanded", open);
});

function typing() {
  const names = room?.typists ?? [];
  const who = names.length > 3 ? "Several people" : new Intl.ListFormat("en").format(names);
  $("typing").textContent = names.length ? `${who} ${names.length === 1 ? "is" : "are"} typing…` : "";
}

function complain(error) {
  historyState("failed", error.message);
  $("typing").textContent = error.message;
}

// ---- composer ---------------------------------------------------------------------------------------------------------

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

text.addEventListener("input", () => {
  fit();
  if (text.value.trim()) room?.typing();
  else room?.stopTyping();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = text.value.trim();
  if (!content || !room) return;
  text.value = "";
  fit();
  room.send(content);
  text.focus();
});

// A reloaded tab goes back to where it was.
const before = store.get(tab, "in");
if (before && (store.get(tab, "name") || token) && (asked.get("room") ?? before) === before) enter(store.get(tab, "name") ?? "", before);
