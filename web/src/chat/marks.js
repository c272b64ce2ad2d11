// How far one's own messages have got. Everybody has two pointers into a room, delivered and read, that only move on:
// who has read a message has read all before it.

export class Marks {
  #pointers = new Map();
  /** In a big room: `messageId` → how many have read it, as the server counts. */
  #counts = new Map();

  /** Somebody has (at least) got, or read, what stands there. True: that is news. */
  move(userId, kind, seq) {
    if (seq == null) return false;
    const pointers = this.#pointers.get(userId) ?? { delivered: 0, read: 0 };
    this.#pointers.set(userId, pointers);
    const before = pointers[kind];
    pointers[kind] = Math.max(before, Number(seq));
    if (kind === "read") pointers.delivered = Math.max(pointers.delivered, pointers.read);
    return pointers[kind] > before;
  }

  count(messageId, readers) {
    this.#counts.set(messageId, readers);
  }

  /** `{status: "sent"|"delivered"|"read", reached, readers}` of an own message that the server has. */
  of({ messageId, seq }) {
    const place = Number(seq);
    let [reached, readers] = [0, 0];
    for (const { delivered, read } of this.#pointers.values()) {
      if (delivered >= place) reached += 1;
      if (read >= place) readers += 1;
    }
    readers = Math.max(readers, this.#counts.get(messageId) ?? 0);
    return { status: readers ? "read" : reached ? "delivered" : "sent", reached: Math.max(reached, readers), readers };
  }
}
