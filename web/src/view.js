// The messages as they are shown. What users write becomes text nodes, never markup.

const SAME_BREATH_MS = 5 * 60_000;
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** An element with properties, and with children that are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child != null));
  return made;
}

/** One hue for one person, on every screen. */
export function hue(id) {
  let hash = 0;
  for (const char of String(id)) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

export function avatar(id, name) {
  const made = element("span", { className: "avatar", ariaHidden: "true" }, Array.from(name.trim())[0]?.toUpperCase() ?? "?");
  made.style.setProperty("--hue", hue(id));
  return made;
}

export class MessageList {
  #rows = new Map();
  #editing = null;

  /** @param {{edit: Function, delete: Function, retry: Function, discard: Function}} act */
  constructor(list, act) {
    this.list = list;
    this.act = act;
  }

  clear() {
    this.#rows.clear();
    this.#editing = null;
    this.list.replaceChildren();
  }

  /** Shows exactly these, moving and making as little as possible. */
  show(messages) {
    const wanted = [];
    const shown = new Set();
    let previous = null;
    for (const message of messages) {
      const at = message.timestamp ? new Date(message.timestamp) : new Date();
      const newDay = !previous || at.toDateString() !== previous.at.toDateString();
      const first =
        newDay || previous.message.senderId !== message.senderId || at - previous.at > SAME_BREATH_MS || message.type === "system";
      if (newDay) wanted.push(this.#day(at, shown));
      wanted.push(this.#row(message, at, first, shown));
      previous = { message, at };
    }
    for (const [key, { node }] of this.#rows) {
      if (!shown.has(key)) {
        node.remove();
        this.#rows.delete(key);
      }
    }
    wanted.forEach((node, place) => {
      if (this.list.children[place] !== node) this.list.insertBefore(node, this.list.children[place] ?? null);
    });
  }

  #day(at, shown) {
    const key = `day ${at.toDateString()}`;
    shown.add(key);
    if (!this.#rows.has(key)) {
      this.#rows.set(key, { node: element("li", { className: "day" }, element("span", {}, day.format(at))) });
    }
    return this.#rows.get(key).node;
  }

  #row(message, at, first, shown) {
    shown.add(message.key);
    const state = [message.content, message.editedAt, message.status, message.note, message.mine, first, message.timestamp, this.#editing === message.key].join("\u0000");
    let row = this.#rows.get(message.key);
    if (!row) {
      row = { node: element("li") };
      this.#rows.set(message.key, row);
    }
    if (row.state !== state) {
      row.state = state;
      this.#fill(row.node, message, at, first);
    }
    return row.node;
  }

  #fill(node, message, at, first) {
    const name = message.senderName ?? message.senderId ?? "";
    node.className = ["message", message.type === "system" ? "system" : message.status, first && "first", message.mine && "own"].filter(Boolean).join(" ");
    const time = element("time", { dateTime: at.toISOString(), title: at.toLocaleString() }, clock.format(at));
    const byline = element("p", { className: "byline" }, element("strong", {}, name), time);
    const editing = this.#editing === message.key;
    const bubble = element("div", { className: "bubble" });
    if (editing) bubble.append(this.#editor(message));
    else bubble.append(element("p", { title: at.toLocaleString() }, message.content, this.#note(message)));
    node.replaceChildren(avatar(message.senderId, name), byline, bubble);
    if (message.mine && !editing && message.type !== "system") node.append(this.#actions(message));
  }

  #note(message) {
    const texts = { pending: message.note ?? "sending…", failed: `not sent: ${message.note}` };
    const text = texts[message.status] ?? (message.editedAt ? "edited" : null);
    return text && element("span", { className: "note" }, text);
  }

  #actions(message) {
    const button = (label, act) => element("button", { type: "button", className: "link", onclick: act }, label);
    const all =
      message.status === "failed"
        ? [button("Try again", () => this.act.retry(message)), button("Discard", () => this.act.discard(message))]
        : message.messageId
          ? [button("Edit", () => this.#edit(message)), button("Delete", () => this.act.delete(message))]
          : [];
    return element("div", { className: "actions" }, ...all);
  }

  #edit(message) {
    this.#editing = message.key;
    this.act.redraw();
    const field = this.#rows.get(message.key)?.node.querySelector("textarea");
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  #editor(message) {
    const field = element("textarea", { value: message.content, rows: 2, ariaLabel: "Edit message", maxLength: 4000 });
    const end = () => {
      this.#editing = null;
      this.act.redraw();
      document.getElementById("text").focus();
    };
    const save = () => {
      const content = field.value.trim();
      end();
      if (content && content !== message.content) this.act.edit(message, content);
    };
    field.onkeydown = (event) => {
      if (event.key === "Escape") end();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        save();
      }
    };
    return element("div", { className: "edit" }, field,
      element("button", { type: "button", className: "link", onclick: save }, "Save"),
      element("button", { type: "button", className: "link", onclick: end }, "Cancel"));
  }
}
