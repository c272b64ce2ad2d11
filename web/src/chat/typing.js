// Who types in a room: the others, each until they stop or are silent for too long; and oneself, told sparingly.

const STILL_MS = 4_000;
const ENDS_MS = 5_000;

export class Typing {
  #others = new Map();
  #since = 0;
  #timer = 0;

  /**
   * @param {(event: "typing.start"|"typing.stop") => void} tell
   * @param {() => void} changed
   */
  constructor(tell, changed) {
    this.tell = tell;
    this.changed = changed;
  }

  get names() {
    return [...this.#others.values()].map(({ name }) => name);
  }

  /** A key was pressed, and the text is not empty. */
  press(now = Date.now()) {
    if (now - this.#since > STILL_MS) {
      this.#since = now;
      this.tell("typing.start");
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.stop(), ENDS_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    if (this.#since) this.tell("typing.stop");
    this.#since = 0;
  }

  heard({ userId, userName, isTyping }) {
    this.#drop(userId);
    if (isTyping !== false) {
      const timer = setTimeout(() => this.ended(userId), ENDS_MS + 1_000);
      this.#others.set(userId, { name: userName ?? userId, timer });
    }
    this.changed();
  }

  /** They have sent what they typed, or gone. */
  ended(userId) {
    if (this.#drop(userId)) this.changed();
  }

  #drop(userId) {
    clearTimeout(this.#others.get(userId)?.timer);
    return this.#others.delete(userId);
  }
}
