// Where one writes: text with mentions and a reply, a draft kept for each room, files by button, drop and paste.

import { inWords } from "../chat/media.js";
import { mentioned } from "../chat/richtext.js";
import { $ } from "./dom.js";
import { Suggestions } from "./suggestions.js";

const MENTIONS = 50;

export class Composer {
  room = null;
  #drafts = new Map();

  /** @param {{files: (files: File[]) => void, editLast: () => void}} on */
  constructor(on) {
    this.on = on;
    const text = $("text");
    this.text = text;
    this.suggestions = new Suggestions(text, $("suggestions"), () => this.#people());
    text.addEventListener("input", () => {
      this.#fit();
      this.suggestions.update();
      if (text.value.trim()) this.room?.typing.press();
      else this.room?.typing.stop();
    });
    text.addEventListener("keydown", (event) => this.#key(event));
    text.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      on.files(files);
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    $("attach").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", () => {
      on.files([...$("files").files]);
      $("files").value = "";
    });
    $("reply-cancel").addEventListener("click", () => this.#unreply());
    this.#dropping($("conversation"));
  }

  open(room) {
    this.#keep();
    this.room = room;
    this.text.value = this.#drafts.get(room.roomId) ?? "";
    this.#fit();
    this.replying();
  }

  close() {
    this.#keep();
    this.room = null;
  }

  focus() {
    this.text.focus();
  }

  /** What is replied to stands above the text. */
  replying({ focus = false } = {}) {
    const { replyTo, session } = this.room ?? {};
    $("replying").hidden = !replyTo;
    $("replying-to").textContent = replyTo ? `Reply to ${session.people.name(replyTo.senderId)}: ${inWords(replyTo)}` : "";
    if (focus) this.focus();
  }

  #send() {
    const content = this.text.value.trim();
    if (!content || !this.room) return;
    this.text.value = "";
    this.suggestions.close();
    this.#fit();
    this.room.send(content, { mentions: mentioned(content, this.#people()).slice(0, MENTIONS) });
    this.replying({ focus: true });
  }

  #key(event) {
    if (this.suggestions.key(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("composer").requestSubmit();
    } else if (event.key === "Escape" && this.room?.replyTo) {
      this.#unreply();
    } else if (event.key === "ArrowUp" && !this.text.value) {
      event.preventDefault();
      this.on.editLast();
    }
  }

  #unreply() {
    if (this.room) this.room.replyTo = null;
    this.replying({ focus: true });
  }

  #people() {
    if (!this.room) return [];
    const { people, session } = this.room;
    const named = session.people.named.filter(({ userId }) => !session.own.has(userId));
    // Those who are in the room come first.
    return named.sort((a, b) => people.has(b.userId) - people.has(a.userId));
  }

  #keep() {
    if (!this.room) return;
    if (this.text.value) this.#drafts.set(this.room.roomId, this.text.value);
    else this.#drafts.delete(this.room.roomId);
  }

  #fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight + 2}px`;
  }

  #dropping(place) {
    const over = (on) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      place.classList.toggle("dropping", on);
    };
    place.addEventListener("dragover", over(true));
    place.addEventListener("dragleave", over(false));
    place.addEventListener("drop", (event) => {
      over(false)(event);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length) this.on.files(files);
    });
  }
}
