// A search as it is typed: the last question's answer alone counts, and more of it comes on demand.

export class Search {
  results = [];
  /** `idle`, `asking`, `done` or `failed`. */
  state = "idle";
  error = null;
  #question = null;
  #next = null;

  /** @param {(payload: object) => Promise<{messages: object[], nextCursor?: string}>} ask */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
  }

  get more() {
    return this.#next != null;
  }

  async find(query, roomId) {
    const question = { query: query.trim(), ...(roomId ? { roomId } : {}) };
    this.#question = question;
    this.results = [];
    this.#next = null;
    if (question.query) await this.#page(question);
    else this.#become("idle");
  }

  async further() {
    if (this.#next != null && this.state !== "asking") await this.#page(this.#question, this.#next);
  }

  async #page(question, cursor) {
    this.#become("asking");
    try {
      const answer = await this.ask(cursor == null ? question : { ...question, cursor });
      if (this.#question !== question) return;
      this.results = [...this.results, ...answer.messages];
      this.#next = answer.nextCursor ?? null;
      this.#become("done");
    } catch (error) {
      if (this.#question !== question) return;
      this.error = error.message;
      this.#become("failed");
    }
  }

  #become(state) {
    this.state = state;
    this.changed();
  }
}
