// The search box, and what it found in place of the rooms.

import { highlighted } from "../chat/highlight.js";
import { inWords } from "../chat/media.js";
import { title } from "../chat/rooms.js";
import { Search } from "../chat/search.js";
import { $, element } from "./dom.js";
import { brief } from "./times.js";

const PAUSE_MS = 300;

export class SearchPanel {
  #timer = 0;

  /** @param {(roomId: string, messageId: string) => void} go */
  constructor(go) {
    this.go = go;
    $("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find();
    });
    $("query").addEventListener("input", () => {
      // A channel is searched from inside alone: whoever is in one and begins to search means it.
      if ($("found").hidden) $("search-here-box").checked = this.session?.current?.summary.type === "channel";
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#find(), $("query").value.trim() ? PAUSE_MS : 0);
    });
    $("query").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.clear();
    });
    $("search-here-box").addEventListener("change", () => this.#find());
    $("found-more").addEventListener("click", () => this.search?.further());
  }

  begin(session) {
    this.session = session;
    this.search = new Search((question) => session.ask("message.search", question), () => this.#show());
    this.clear();
  }

  clear() {
    clearTimeout(this.#timer);
    $("query").value = "";
    this.#find();
  }

  #find() {
    clearTimeout(this.#timer);
    const here = $("search-here-box").checked ? this.session?.current?.roomId : undefined;
    this.search?.find($("query").value, here);
  }

  #show() {
    const { state, results, error, more } = this.search;
    const open = state !== "idle";
    $("found").hidden = !open;
    $("rooms").hidden = open;
    $("search-here").hidden = !open || !this.session.current;
    const nothing = $("search-here-box").checked ? "Nothing found here" : "Nothing found in direct rooms and groups";
    const found = results.length ? `${results.length}${more ? " or more" : ""} found` : nothing;
    const words = { asking: "Searching…", failed: error, done: found };
    $("found-state").textContent = words[state] ?? "";
    $("found-more").hidden = !more || state === "asking";
    $("found-list").replaceChildren(...results.map((hit) => this.#hit(hit)));
  }

  #hit(hit) {
    const { roomId, messageId, senderId, senderName, timestamp, highlight } = hit;
    const room = this.session.list.get(roomId);
    const shown = (highlight ? highlighted(highlight) : [{ text: inWords(hit) }]).map(({ text, marked }) => (marked ? element("mark", {}, text) : text));
    return element("li", {}, element(
      "button", { type: "button", className: "hit", onclick: () => this.go(roomId, messageId) },
      element("span", { className: "name" }, senderName ?? senderId),
      element("span", { className: "when" }, `${room ? title(room) : roomId}, ${brief(timestamp)}`),
      element("span", { className: "preview" }, shown),
    ));
  }
}
