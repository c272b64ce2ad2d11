// Reads a room's messages into its timeline: the newest page, older ones on demand, what was missed after a break, and
// the surroundings of a message from long ago. What is here is always one unbroken stretch.

const PAGE = 50;
/** A room that is left open for days keeps so many at most; older ones come again on demand. */
const KEPT = 1_000;
const AROUND = 25;
/** A longer absence is not read through: the newest page begins anew. */
const CATCH_UP_PAGES = 10;

export class History {
  #older = null;
  /** Where newer messages go on; null: the stretch reaches to now. */
  #newer = null;
  #begun = false;
  #busy = null;

  /**
   * @param {import("./timeline.js").Timeline} timeline
   * @param {(payload: object) => Promise<{messages: object[], nextCursor?: string, hasMore: boolean}>} read
   * @param {(message: object) => object} form a message as the timeline keeps it
   */
  constructor(timeline, read, form) {
    Object.assign(this, { timeline, read, form });
  }

  /** The first message of all is here. */
  get complete() {
    return this.#begun && this.#older === null;
  }

  /** The newest messages are here: what comes live belongs to the stretch. */
  get live() {
    return this.#newer === null;
  }

  /** After entering, and after each break. */
  async catchUp() {
    if (!this.live) return;
    let after = this.timeline.newest?.messageId;
    // A long absence is read forward from what is here …
    for (let pages = 0; after && this.#begun; pages++) {
      if (pages === CATCH_UP_PAGES) {
        this.timeline.forget();
        this.#begun = false;
        break;
      }
      const page = await this.read({ cursor: after, limit: 100, direction: "after" });
      this.#take(page);
      after = page.hasMore ? page.nextCursor : null;
    }
    // … and the newest page shows what was edited or deleted meanwhile.
    const page = await this.read({ limit: PAGE, direction: "before" });
    this.timeline.reconcile(page.messages.map(this.form));
    if (!this.#begun) this.#older = page.hasMore ? page.nextCursor : null;
    this.#begun = true;
  }

  /** True: there is something new to show. One page at a time. */
  async loadOlder() {
    if (!this.#begun || this.#older === null) return false;
    return this.#once(async () => {
      const page = await this.read({ cursor: this.#older, limit: PAGE, direction: "before" });
      this.#older = page.hasMore ? page.nextCursor : null;
      this.#take(page);
    });
  }

  async loadNewer() {
    if (this.live) return false;
    return this.#once(async () => {
      const page = await this.read({ cursor: this.#newer, limit: PAGE, direction: "after" });
      this.#newer = page.hasMore ? page.nextCursor : null;
      this.#take(page);
    });
  }

  /** Goes to a message and what is around it. False: it is not there any more. */
  async goTo(messageId) {
    if (this.timeline.find(messageId)) return true;
    const before = await this.read({ cursor: messageId, limit: AROUND, direction: "before" });
    // Cursors are exclusive: the message itself is the first after the one before it.
    const start = before.messages[0]?.messageId;
    const after = await this.read({ ...(start ? { cursor: start } : {}), limit: AROUND, direction: "after" });
    if (!after.messages.some((message) => message.messageId === messageId)) return false;
    this.timeline.forget();
    this.#take(before);
    this.#take(after);
    this.#older = before.hasMore ? before.nextCursor : null;
    this.#newer = after.hasMore ? after.nextCursor : null;
    this.#begun = true;
    return true;
  }

  /** Nobody looks at what is old. */
  trim() {
    const sent = this.timeline.messages.filter(({ seq }) => seq != null);
    if (!this.live || sent.length <= KEPT) return;
    for (const { messageId } of sent.slice(0, sent.length - KEPT / 2)) this.timeline.remove(messageId);
    this.#older = String(sent.at(-KEPT / 2).seq);
  }

  /** Back to now. */
  async toNewest() {
    if (this.live) return;
    this.timeline.forget();
    this.#newer = null;
    this.#begun = false;
    await this.catchUp();
  }

  #take({ messages }) {
    for (const message of messages) this.timeline.put(this.form(message));
  }

  async #once(work) {
    if (this.#busy) return false;
    this.#busy = work();
    try {
      await this.#busy;
      return true;
    } finally {
      this.#busy = null;
    }
  }
}
