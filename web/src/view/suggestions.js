// Names to mention, offered while one types `@` and a beginning.

import { element } from "./dom.js";

const MOST = 6;
const BEGUN = /(^|\s)@([\p{L}\p{N}_.-]{0,30})$/u;

export class Suggestions {
  #chosen = 0;
  #offered = [];

  /** @param {() => {userId: string, name: string}[]} people whom one may mention */
  constructor(text, list, people) {
    Object.assign(this, { text, list, people });
    text.addEventListener("blur", () => this.close());
  }

  update() {
    const begun = this.text.value.slice(0, this.text.selectionStart).match(BEGUN)?.[2].toLowerCase();
    const fits = ({ name }) => name.toLowerCase().startsWith(begun);
    this.#offered = begun === undefined ? [] : this.people().filter(fits).slice(0, MOST);
    this.#chosen = 0;
    this.#show();
  }

  close() {
    this.#offered = [];
    this.#show();
  }

  /** True: the key was for the list. */
  key(event) {
    if (!this.#offered.length || event.isComposing) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#chosen = (this.#chosen + step + this.#offered.length) % this.#offered.length;
    else if (event.key === "Enter" || event.key === "Tab") return this.#take(this.#offered[this.#chosen]);
    else if (event.key === "Escape") this.#offered = [];
    else return false;
    this.#show();
    return true;
  }

  #take({ name }) {
    const { text } = this;
    const at = text.selectionStart;
    const before = text.value.slice(0, at).replace(/@[^@]*$/, `@${name} `);
    text.value = before + text.value.slice(at);
    text.setSelectionRange(before.length, before.length);
    this.close();
    return true;
  }

  #show() {
    this.list.hidden = !this.#offered.length;
    this.list.replaceChildren(...this.#offered.map((one, place) => {
      const made = element("li", { id: `suggestion-${place}`, role: "option", ariaSelected: String(place === this.#chosen) }, one.name);
      made.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.#take(one);
      });
      return made;
    }));
    if (this.#offered.length) this.text.setAttribute("aria-activedescendant", `suggestion-${this.#chosen}`);
    else this.text.removeAttribute("aria-activedescendant");
  }
}
