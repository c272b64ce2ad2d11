// Sends messages in order, one at a time, until each is known to be sent or refused for good. "Unknown" and "busy" are
// tried again under the same id, so that a message is posted once however often it is sent.

const TRY_TIMEOUT_MS = 10_000;
const LONGEST_PAUSE_MS = 30_000;

export class Outbox {
  #queue = [];
  #running = false;
  #ready = false;
  #wake = () => {};

  /**
   * @param {(message: object) => Promise<object>} post sends once and gives the server's ack, or throws
   * @param {(tempId: string, state: object) => void} tell `{status: "pending"|"sent"|"failed", note?, ack?}`
   */
  constructor(post, tell) {
    this.post = post;
    this.tell = tell;
  }

  /** Nothing is sent before this is true: connected, and in the room. */
  set ready(ready) {
    this.#ready = ready;
    this.#wake();
  }

  push(message) {
    this.#queue.push({ message, tries: 0 });
    if (!this.#running) this.#run();
  }

  /** The message was seen in the room: it is sent, whatever the ack may say. */
  confirm(tempId) {
    const found = this.#queue.find(({ message }) => message.tempId === tempId);
    if (found) {
      found.done = true;
      this.#wake();
    }
  }

  async #run() {
    this.#running = true;
    while (this.#queue.length) {
      const entry = this.#queue[0];
      if (!entry.done && !this.#ready) {
        await this.#pause(Infinity);
        continue;
      }
      if (entry.done || (await this.#attempt(entry))) this.#queue.shift();
    }
    this.#running = false;
  }

  /** True when there is nothing left to do for this message. */
  async #attempt(entry) {
    const { tempId } = entry.message;
    let ack;
    try {
      ack = await this.post(entry.message, TRY_TIMEOUT_MS);
    } catch {
      ack = { error: "UNKNOWN", retryable: true };
    }
    if (entry.done) return true;
    if (!ack?.error) {
      this.tell(tempId, { status: "sent", ack: ack ?? {} });
      return true;
    }
    if (!ack.retryable && ack.error !== "RATE_LIMIT_EXCEEDED") {
      this.tell(tempId, { status: "failed", note: ack.message ?? ack.error });
      return true;
    }
    entry.tries += 1;
    const slow = ack.error === "RATE_LIMIT_EXCEEDED";
    this.tell(tempId, { status: "pending", note: slow ? "waiting: too many messages" : "trying again…" });
    const pause = ack.retryAfter ? ack.retryAfter * 1000 : 500 * 2 ** Math.min(entry.tries, 6);
    await this.#pause(Math.min(pause, LONGEST_PAUSE_MS) * (0.9 + Math.random() / 5));
    return false;
  }

  #pause(ms) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (ms !== Infinity) setTimeout(resolve, ms);
    });
  }
}
