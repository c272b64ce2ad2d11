// What is known of a room's messages: each once, in the room's order, own unsent ones last.

export class Timeline {
  #byKey = new Map();
  #order = [];
  #count = 0;

  /** In order. A message has `key`, and `messageId` once the server has it. */
  get messages() {
    return this.#order;
  }

  /** The newest message that the server has: where to go on reading after a break. */
  get newest() {
    return this.#order.findLast((message) => message.messageId);
  }

  /** Takes a message from history, from the room or from the composer. True: it was not known before. */
  put(message) {
    const known = this.find(message.messageId) ?? this.find(message.tempId);
    if (known) {
      Object.assign(known, message);
      if (message.messageId) this.#byKey.set(message.messageId, known);
      this.#sort();
      return false;
    }
    const fresh = { ...message, key: message.tempId ?? message.messageId, arrived: ++this.#count };
    for (const id of [message.messageId, message.tempId]) if (id) this.#byKey.set(id, fresh);
    this.#order.push(fresh);
    this.#sort();
    return true;
  }

  find(id) {
    return id ? this.#byKey.get(id) : undefined;
  }

  change(id, fields) {
    const message = this.find(id);
    if (message) Object.assign(message, fields);
  }

  remove(id) {
    const message = this.find(id);
    if (!message) return;
    this.#order = this.#order.filter((other) => other !== message);
    for (const own of [message.messageId, message.tempId]) this.#byKey.delete(own);
  }

  /** Only what was not sent yet stays: another stretch of the room comes. */
  forget() {
    this.#order = this.#order.filter((message) => !message.messageId);
    this.#byKey = new Map(this.#order.map((message) => [message.tempId, message]));
  }

  /**
   * Takes a page of consecutive messages, in any order. What lies between its ends and is not in it was deleted while
   * nobody told us.
   */
  reconcile(page) {
    if (!page.length) return;
    const there = new Set(page.map((message) => message.messageId));
    for (const message of page) this.put(message);
    const places = this.#order.map((message) => there.has(message.messageId));
    const [first, last] = [places.indexOf(true), places.lastIndexOf(true)];
    const gone = this.#order.slice(first, last + 1).filter((m) => m.messageId && !there.has(m.messageId));
    for (const message of gone) this.remove(message.messageId);
  }

  #sort() {
    // The room's order is `seq`; a message that has none yet was sent from here and comes last.
    const place = (message) => (message.seq == null ? Infinity : Number(message.seq));
    this.#order.sort((a, b) => {
      const [x, y] = [place(a), place(b)];
      return x === y ? a.arrived - b.arrived : x - y;
    });
  }
}
