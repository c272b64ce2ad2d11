// What happened in a room while the line was down, told in order by the very events of the live wire: messages, and also
// what was edited, deleted, reacted to or pinned long ago in the history.

const PAGE = 100;
/** Beyond so many pages it is quicker to begin anew. */
const MOST = 10;

/** The events that have a place in the room's order. */
const ORDERED = new Set([
  "message.received", "message.edited", "message.deleted", "message.reaction", "message.pinned", "message.unpinned",
  "room.joined", "room.left", "room.updated", "room.members.role",
]);

export class Replay {
  #place = null;

  /** @param {(payload: object) => Promise<{events: {name: string, data: object}[], nextCursor: string, hasMore: boolean}>} ask */
  constructor(ask) {
    this.ask = ask;
  }

  /** An event came, live or from a page of history. */
  passed(event, { seq } = {}) {
    if (seq != null && ORDERED.has(event)) this.#place = Math.max(this.#place ?? 0, Number(seq));
  }

  /** Hands over all that happened since. False: it cannot be had in this way. */
  async run(heed) {
    if (this.#place === null) return false;
    let after = String(this.#place);
    for (let pages = 0; pages < MOST; pages++) {
      let page;
      try {
        page = await this.ask({ after, limit: PAGE });
      } catch (error) {
        if (error.retryable) throw error;
        return false;
      }
      for (const { name, data } of page.events) heed(name, data);
      after = page.nextCursor;
      if (!page.hasMore) {
        this.#place = Math.max(this.#place, Number(after));
        return true;
      }
    }
    this.#place = null;
    return false;
  }
}
