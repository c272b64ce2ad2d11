// The open room on the screen: its head, its messages, its pins, who types. Says to the room what the user has seen.

import { inWords } from "../chat/media.js";
import { title } from "../chat/rooms.js";
import { $, button, element } from "./dom.js";
import { MessageList } from "./message-list.js";
import { attempt, notice } from "./notice.js";
import { showPeople } from "./people-panel.js";
import { presenceWords } from "./person.js";
import { receipts } from "./receipts.js";
import { Scroll } from "./scroll.js";
import { sheet } from "./sheet.js";

const SILENT_MS = 500;

export class Conversation {
  room = null;
  #silent = 0;
  /** The user is at the end, and stays there. */
  #following = true;
  /** Messages that were unread when the room was opened, until the line above them is drawn. */
  #unread = 0;
  #line = { kind: "connecting", words: "Connecting…" };

  /** @param {{person: (userId: string) => void, replying: () => void}} on */
  constructor(on) {
    this.on = on;
    const list = $("messages");
    this.scroll = new Scroll($("scroller"), list);
    const room = (work) => (message, ...more) => attempt(() => work(this.room, message, ...more));
    this.messages = new MessageList(list, {
      redraw: () => this.show(),
      edit: room((r, message, content) => r.edit(message, content)),
      delete: room((r, message) => r.delete(message)),
      react: room((r, message, emoji, on) => r.react(message, emoji, on)),
      pin: room((r, message, on) => r.pin(message, on)),
      receipts: room((r, message) => receipts(r, message)),
      retry: (message) => this.room.retry(message),
      discard: (message) => this.room.discard(message),
      reply: (message) => this.reply(message),
      jump: (messageId) => this.jump(messageId),
      person: on.person,
      fileUrl: (fileId) => this.room.session.files.get(fileId),
    });
    $("scroller").addEventListener("scroll", () => this.#scrolled(), { passive: true });
    $("newest").addEventListener("click", () => attempt(() => this.toNewest()));
    $("pins-all").addEventListener("click", () => this.pins());
    $("people-toggle").addEventListener("click", () => {
      const open = $("people").classList.toggle("open");
      $("people-toggle").setAttribute("aria-expanded", open);
    });
    // A tap shows what can be done with a message, where nothing hovers.
    list.addEventListener("click", (event) => {
      if (event.target.closest("button, a, textarea")) return;
      const row = event.target.closest(".message");
      for (const chosen of list.querySelectorAll(".chosen")) if (chosen !== row) chosen.classList.remove("chosen");
      row?.classList.toggle("chosen");
    });
    document.addEventListener("visibilitychange", () => this.#look());
    // A keyboard that comes up, or a picture that has come, moves nobody away from the end.
    const sizes = new ResizeObserver(() => this.room && this.#following && this.scroll.toEnd());
    sizes.observe($("scroller"));
    sizes.observe(list);
  }

  open(room) {
    this.room = room;
    this.messages.clear();
    this.#unread = room.summary.unreadCount ?? 0;
    $("newest").hidden = true;
    $("people").classList.remove("open");
    $("people-toggle").setAttribute("aria-expanded", "false");
    this.heading();
    this.scroll.toEnd();
    this.show();
    this.people();
    this.typing();
    this.pinned();
    this.topics();
    this.#fillScreen();
  }

  close() {
    this.room = null;
    this.messages.clear();
  }

  /** Whether a new message meets the user's eyes. */
  get watching() {
    return Boolean(this.room) && !document.hidden && this.room.history.live && this.scroll.atEnd;
  }

  /** What the room told about itself. */
  changed(what, detail) {
    const views = {
      messages: () => this.show(detail),
      people: () => this.people(),
      online: () => this.people(),
      typing: () => this.typing(),
      pins: () => this.pinned(),
      topics: () => this.topics(),
      history: () => this.#historyState(),
      state: () => (this.heading(), this.#historyState()),
    };
    views[what]?.();
  }

  show({ fresh = false, mine = false, caughtUp = false, loaded } = {}) {
    const { room } = this;
    if (!room) return;
    this.#markUnread();
    const follow = room.history.live && (mine || this.scroll.atEnd) && !loaded;
    if (!fresh) this.#silently();
    if (follow) {
      this.messages.show(room);
      this.scroll.toEnd();
    } else {
      this.scroll.keeping(() => this.messages.show(room));
    }
    if (fresh && !mine && !follow) $("newest").hidden = false;
    if (follow) $("newest").hidden = true;
    this.#following = room.history.live && this.scroll.atEnd;
    if (!room.history.live) this.#offerNewest();
    this.#historyState();
    if (caughtUp) this.#fillScreen();
    this.#look();
  }

  /** The head: what the room is called, and the state of the line or, if that is well, of the room. */
  heading(line) {
    if (line) this.#line = line;
    if (!this.room) return;
    const { room } = this;
    const { session, summary } = room;
    $("room-name").textContent = title(summary);
    let { kind, words } = this.#line;
    if (kind === "connected" && room.state === "failed") [kind, words] = ["refused", room.words];
    else if (kind === "connected") [kind, words] = this.#about(session, summary);
    $("state").dataset.state = kind;
    $("state").textContent = words;
  }

  #about(session, summary) {
    if (summary.type === "direct" && summary.partner) {
      const { userId } = summary.partner;
      return [session.people.status(userId) === "online" ? "connected" : "quiet", presenceWords(session, userId)];
    }
    if (summary.type === "group") return ["quiet", `${this.counts?.count ?? summary.memberCount ?? 0} members, ${this.counts?.here ?? 0} online`];
    return ["connected", "Connected"];
  }

  people() {
    if (!this.room) return;
    this.counts = showPeople(this.room, this.on.person);
    this.heading();
  }

  typing() {
    const names = this.room?.typing.names ?? [];
    const who = names.length > 3 ? "Several people" : new Intl.ListFormat("en").format(names);
    $("typing").textContent = names.length ? `${who} ${names.length === 1 ? "is" : "are"} typing…` : "";
  }

  topics() {
    const topics = this.room?.topics ?? [];
    $("topics").hidden = !topics.length;
    $("topics").replaceChildren(element("span", { className: "hidden" }, "Talked about: "), ...topics.slice(0, 10).map((word) => element("span", { className: "topic" }, word)));
  }

  pinned() {
    const pins = this.room?.pins ?? [];
    $("pins").hidden = !pins.length;
    if (!pins.length) return;
    const [pin] = pins;
    $("pin").replaceChildren(element("span", { ariaHidden: "true" }, "📌 "), element("span", { className: "hidden" }, "Pinned: "), inWords(pin));
    $("pin").onclick = () => this.jump(pin.messageId);
    $("pins-all").hidden = pins.length < 2;
    $("pins-all").textContent = `all ${pins.length}`;
  }

  /** All pinned messages. */
  pins() {
    const { room } = this;
    const row = (pin) => element("li", {}, button(
      [element("strong", {}, pin.senderName ?? room.session.people.name(pin.senderId)), element("span", {}, inWords(pin))],
      () => { opened.close(); this.jump(pin.messageId); },
      { className: "quote" },
    ));
    const opened = sheet("Pinned messages", element("ul", { className: "members" }, room.pins.map(row)));
  }

  reply(message) {
    this.room.replyTo = message;
    this.on.replying();
  }

  /** Shows a message, however long ago it was. */
  async jump(messageId) {
    const { room } = this;
    const there = await attempt(() => room.history.goTo(messageId));
    if (this.room !== room || there === undefined) return;
    if (!there) return notice("That message is not there any more.");
    this.show({ loaded: "around" });
    const row = this.messages.node(messageId);
    if (row) this.scroll.to(row);
  }

  async toNewest() {
    $("newest").hidden = true;
    await this.room.history.toNewest();
    this.show({ mine: true });
  }

  // ---- scrolling -----------------------------------------------------------------------------------------------------

  #scrolled() {
    const { room } = this;
    if (!room) return;
    const { scrollTop, scrollHeight, clientHeight } = $("scroller");
    if (scrollTop < 200) room.load("older");
    if (!room.history.live && scrollHeight - scrollTop - clientHeight < 200) room.load("newer");
    this.#following = room.history.live && this.scroll.atEnd;
    if (this.#following) $("newest").hidden = true;
    this.#look();
  }

  #fillScreen() {
    if (!this.scroll.full) this.room?.load("older");
  }

  #offerNewest() {
    $("newest").hidden = false;
  }

  /** Tells the room what is before the user's eyes. */
  #look() {
    const { room } = this;
    if (!room || document.hidden || room.state !== "ready" || $("conversation").hidden) return;
    const message = this.messages.lastAbove(this.scroll.bottom, room.timeline.messages);
    if (message) room.seen(message);
  }

  /** A line stands above the first message that was unread when the room was opened. */
  #markUnread() {
    const { room } = this;
    if (!this.#unread || room.state !== "ready") return;
    const others = room.timeline.messages.filter((message) => !message.mine && message.type !== "system");
    this.messages.unreadFrom = others.at(-this.#unread)?.key ?? null;
    this.#unread = 0;
  }

  /** What was there before is not read out as if it had just been said. */
  #silently() {
    $("messages").ariaLive = "off";
    clearTimeout(this.#silent);
    this.#silent = setTimeout(() => ($("messages").ariaLive = "polite"), SILENT_MS);
  }

  #historyState() {
    const { room } = this;
    if (!room) return;
    const texts = { loading: "Loading…", failed: `${room.words}. Scroll to try again.` };
    const ready = room.words && room.state === "ready" ? texts.failed : room.history.complete ? "This is where it began." : "";
    $("history-state").textContent = texts[room.state] && room.state !== "ready" ? texts[room.state] : ready;
  }
}
