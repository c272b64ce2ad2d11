// The page: a door, the rooms at the side, and the open room. `#room=…` opens a room, `#token=…` comes in as the token's
// user instead of a guest.

import { Account } from "./chat/account.js";
import { bearer, guest, holder } from "./chat/credentials.js";
import { Session } from "./chat/session.js";
import { title } from "./chat/rooms.js";
import { browser, listIn, tab } from "./kept.js";
import { aboutRoom } from "./view/about-room.js";
import { Composer } from "./view/composer.js";
import { Conversation } from "./view/conversation.js";
import { $, avatar, dot } from "./view/dom.js";
import { Lobby } from "./view/lobby.js";
import { newRoom } from "./view/new-room.js";
import { notice } from "./view/notice.js";
import { oneself, person } from "./view/person.js";
import { RoomListView } from "./view/room-list.js";
import { SearchPanel } from "./view/search-panel.js";
import { Uploads } from "./view/uploads.js";

const CHANNELS = 50;

let session = null;
let account = null;

const asked = new URLSearchParams(location.hash.slice(1));
const token = asked.get("token") ?? undefined;
const hash = (roomId) => (roomId ? `#room=${encodeURIComponent(roomId)}` : location.pathname);
// A token does not belong into the history of the browser.
if (token) history.replaceState(null, "", hash(asked.get("room")));

const lobby = new Lobby({
  guest: (name, roomId) => {
    if (!roomId || (!name && !token)) return;
    if (!token) {
      browser.set("name", name);
      tab.set("name", name);
    }
    browser.set("room", roomId);
    begin(token ? bearer(token) : asGuest(name), roomId);
  },
  login: (name, password) => signIn((fresh) => fresh.login(name, password)),
  register: (who) => signIn((fresh) => fresh.register(who)),
});
const showPerson = (userId) => (session.own.has(userId) ? oneself(session, { signOut }) : person(session, userId, open));
const conversation = new Conversation({ person: showPerson, replying: () => composer.replying({ focus: true }) });
const uploads = new Uploads();
const composer = new Composer({
  files: (files) => session?.current && uploads.send(session.current, files),
  editLast: () => {
    const last = session?.current?.timeline.messages.findLast((m) => m.mine && m.messageId && !m.deleted && !m.metadata?.fileId && m.type !== "system");
    if (last) conversation.messages.edit(last);
  },
});
const rooms = new RoomListView($("rooms"), (roomId) => open(roomId));
const search = new SearchPanel((roomId, messageId) => {
  open(roomId);
  conversation.jump(messageId);
});

// ---- coming and going -------------------------------------------------------------------------------------------------

/** A reloaded tab is the same guest, under the same name. */
function asGuest(name) {
  if (tab.get("guest name") !== name) tab.drop("guest");
  tab.set("guest name", name);
  return guest(name, { get: () => tab.get("guest"), set: (lineage) => tab.set("guest", lineage) });
}

async function signIn(enter) {
  const fresh = new Account();
  await enter(fresh);
  account = fresh;
  browser.set("account", "yes");
  begin(holder(account), asked.get("room"));
}

function begin(credentials, roomId) {
  lobby.hide();
  const place = account ? browser : tab;
  session = new Session(credentials, listIn(place, account ? `channels of ${account.user?.userId ?? account.user?.id}` : "channels", CHANNELS), {
    state: (kind, words) => conversation.heading({ kind, words }),
    entered,
    over: (words) => end(words),
    list: showList,
    people: () => (showList(), conversation.people()),
    room: (room, what, detail) => room === session?.current && conversation.changed(what, detail),
    gone: (words) => {
      if (words) notice(words);
      shut();
    },
  });
  session.watching = () => conversation.watching;
  search.begin(session);
  tab.set("in", "yes");
  showList();
  if (roomId) open(roomId);
  else shut();
  session.connection.open();
}

function entered() {
  $("me").replaceChildren(avatar(session.me, session.name), dot("online"), session.name);
  $("me").setAttribute("aria-label", `You: ${session.name}`);
}

/** Back to the door, with words if that was not the user's wish. */
function end(words) {
  session?.close();
  session = null;
  composer.close();
  conversation.close();
  rooms.clear();
  document.title = "Parlor";
  lobby.show(words);
}

async function signOut() {
  tab.drop("in");
  tab.drop("guest");
  browser.drop("account");
  const leaving = account;
  account = null;
  end();
  await leaving?.logout();
}

addEventListener("pagehide", () => session?.current?.typing.stop());

// ---- rooms ------------------------------------------------------------------------------------------------------------

function open(roomId) {
  const before = session.current?.roomId;
  if (before !== roomId) {
    // Back goes to the list, where that is a page of its own; not through all rooms.
    history[before || location.hash === hash(roomId) ? "replaceState" : "pushState"]({ room: roomId }, "", hash(roomId));
    tab.set("room", roomId);
  }
  const room = session.open(roomId);
  $("conversation").hidden = false;
  $("chat").classList.add("reading");
  composer.open(room);
  conversation.open(room);
  uploads.show(room);
  showList();
  if (matchMedia("(hover: hover)").matches) composer.focus();
  else $("room-name").focus();
}

function shut() {
  session?.shut();
  composer.close();
  conversation.close();
  tab.drop("room");
  $("conversation").hidden = true;
  $("chat").classList.remove("reading");
  if (session) showList();
}

function showList() {
  if (!session) return;
  rooms.show(session);
  const { current, list } = session;
  const { unreadInAll } = list;
  $("no-rooms").hidden = list.sorted.length > 0;
  document.title = [unreadInAll ? `(${unreadInAll})` : null, current ? `${title(current.summary)} · Parlor` : "Parlor"].filter(Boolean).join(" ");
  if (current) conversation.heading();
}

$("back").addEventListener("click", () => {
  history.replaceState(null, "", hash());
  shut();
  $("rooms").querySelector("button")?.focus();
});
addEventListener("popstate", () => {
  const roomId = new URLSearchParams(location.hash.slice(1)).get("room");
  if (!session) return;
  if (roomId) open(roomId);
  else shut();
});
$("new-room").addEventListener("click", () => session && newRoom(session, open));
$("me").addEventListener("click", () => session && oneself(session, { signOut }));
$("details").addEventListener("click", () => session?.current && aboutRoom(session.current, { person: showPerson, pins: () => conversation.pins() }));

addEventListener("keydown", (event) => {
  if (!session || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    $("query").focus();
  } else if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const all = session.list.sorted;
    const next = all[all.findIndex(({ roomId }) => roomId === session.current?.roomId) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) open(next.roomId);
  }
});

// ---- a reloaded tab goes back to where it was ---------------------------------------------------------------------------

lobby.fill({ name: tab.get("name") ?? browser.get("name"), room: asked.get("room") ?? browser.get("room") ?? "lobby", token });
const before = asked.get("room") ?? tab.get("room");
if (browser.get("account") && !token) {
  const kept = new Account();
  kept.refresh().then(() => {
    account = kept;
    begin(holder(account), before);
  }, (error) => {
    if (error.final) browser.drop("account");
    lobby.way("login");
    if (!error.final) lobby.show(error.message);
  });
} else if (tab.get("in") && tab.get("name") && !token) {
  begin(asGuest(tab.get("name")), before);
}
