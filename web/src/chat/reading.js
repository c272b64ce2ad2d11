// Tells the server how far one has read: the newest message alone says it for all before, and not more than every so often.

const COALESCE_MS = 300;

export class Reading {
  #told = 0;
  #waiting = null;
  #timer = 0;

  /** @param {(messageId: string) => Promise<unknown>} tell */
  constructor(tell) {
    this.tell = tell;
  }

  /** A message is on the screen, before somebody's eyes. */
  seen({ messageId, seq }) {
    if (!messageId || seq == null || Number(seq) <= Math.max(this.#told, this.#waiting?.seq ?? 0)) return;
    this.#waiting = { messageId, seq: Number(seq) };
    this.#timer ||= setTimeout(() => this.#flush(), COALESCE_MS);
  }

  async #flush() {
    this.#timer = 0;
    const { messageId, seq } = this.#waiting;
    this.#waiting = null;
    const before = this.#told;
    this.#told = seq;
    try {
      await this.tell(messageId);
    } catch (error) {
      // The next message, or the next look at this one, tries again.
      if (error.retryable && this.#told === seq) this.#told = before;
    }
  }
}
