// What was promised to whom: every send with its outcome, every device with what it showed. `faults` compares them.
import { history } from "./clients.mjs";
import { until } from "./wait.mjs";

/** Every send of a test, and what became of it. */
export class Ledger {
  sends = [];

  /** Notes a send and its outcome: `sent` with the id, `refused`, or `unknown` (no ack, or one that says so). */
  async send(socket, roomId, content, { tempId, within = 10_000, ...more } = {}) {
    const entry = { socket, roomId, content, tempId, at: Date.now(), outcome: "unknown" };
    this.sends.push(entry);
    await this.#try(entry, more, within);
    return entry;
  }

  /** Sends an entry's message once more, as its client does if it was not told `sent`. */
  async resend(entry, { within = 10_000 } = {}) {
    await this.#try(entry, {}, within);
    return entry;
  }

  async #try(entry, more, within) {
    const { socket, roomId, content, tempId } = entry;
    try {
      const payload = { roomId, content, ...(tempId && { tempId }), ...more };
      entry.ack = await socket.timeout(within).emitWithAck("message.send", payload);
    } catch (error) {
      entry.ack = { error: "no ack", message: error.message };
      return;
    } finally {
      entry.answered = Date.now();
    }
    if (entry.ack.status === "sent") Object.assign(entry, { outcome: "sent", id: entry.ack.messageId });
    else if (entry.outcome !== "sent") entry.outcome = ["UNKNOWN", "internal"].includes(entry.ack.error) ? "unknown" : "refused";
  }

  sent(roomId) {
    return this.sends.filter((entry) => entry.outcome === "sent" && entry.roomId === roomId);
  }
}

/** A message of a user; those of the server ("Ann created the group") were sent by no client. */
const spoken = (message) => message.type !== "system";

/**
 * A device: a stock client that shows each message once, in the order of `seq`, as docs/vocabularies/dotted.md tells
 * clients to. `runs` keeps what came over each connection as it came, to be judged for order and repetition.
 */
export class Device {
  runs = [];
  pages = [];
  #shown = new Map();

  constructor(name, socket) {
    this.name = name;
    this.socket = socket;
    this.#newRun();
    socket.on("message.received", (message) => {
      this.runs.at(-1).push(message);
      this.#show(message);
    });
    socket.on("connect", () => this.#newRun());
  }

  #newRun() {
    this.runs.push([]);
  }

  #show(message) {
    if (!this.#shown.has(message.messageId)) this.#shown.set(message.messageId, message);
  }

  /** What it shows of a room, in order, without what the server itself says there. */
  shown(roomId) {
    const here = [...this.#shown.values()].filter((message) => message.roomId === roomId && spoken(message));
    return here.sort((a, b) => a.seq - b.seq);
  }

  shows(id) {
    return this.#shown.has(id);
  }

  /**
   * From now on it does what a client does until a resume exists: after each reconnection it joins these rooms again
   * and reads on from the last message it has until `hasMore` is false.
   */
  catchesUp(...rooms) {
    this.caughtUp = Promise.resolve();
    this.reconnections = 0;
    this.socket.on("connect", () => {
      this.reconnections++;
      // Taken before anything comes over the new connection: what comes live lies beyond what was missed.
      const cursors = rooms.map((roomId) => [roomId, this.shown(roomId).at(-1)?.messageId ?? null]);
      this.caughtUp = this.#catchUp(cursors);
      // Whoever waits for it gets the error.
      this.caughtUp.catch(() => {});
    });
  }

  async #catchUp(cursors) {
    for (const [roomId, cursor] of cursors) {
      await until(`${this.name} is back in ${roomId}`, async () => {
        const joined = await this.socket.timeout(5_000).emitWithAck("room.join", { roomId });
        return !joined.error || Promise.reject(new Error(JSON.stringify(joined)));
      });
      const page = await history(this.socket, roomId, { cursor });
      this.pages.push(page);
      page.forEach((message) => this.#show(message));
    }
  }
}

/**
 * Everything that is wrong with a room, in words; nothing if all is well.
 * `stored` is the room's history, `expectAll: false` leaves out that each device shows all of it.
 */
export function faults({ roomId, ledger, devices, stored: everything, expectAll = true }) {
  const wrong = [];
  const stored = everything.filter(spoken);
  const known = new Set(stored.map((message) => message.messageId));
  const rising = (messages) => messages.every((message, i) => i === 0 || messages[i - 1].seq < message.seq);
  const twice = (ids) => ids.filter((id, i) => ids.indexOf(id) !== i);

  const repeated = twice(stored.map((message) => message.messageId));
  if (repeated.length) wrong.push(`history has ${repeated.length} messages twice: ${repeated.slice(0, 3)}`);
  if (!rising(stored)) wrong.push("history is not in the order of seq");

  const lost = ledger.sent(roomId).filter((entry) => !known.has(entry.id));
  if (lost.length) wrong.push(`${lost.length} acked messages are not in history: ${lost.slice(0, 3).map((e) => e.content)}`);
  const ackedTwice = twice(ledger.sent(roomId).map((entry) => entry.id));
  if (ackedTwice.length) wrong.push(`${ackedTwice.length} sends share an id`);

  const contents = new Map();
  for (const entry of ledger.sends) if (entry.roomId === roomId) contents.set(entry.content, entry);
  for (const message of stored) {
    const entry = contents.get(message.content);
    if (!entry) wrong.push(`nobody sent "${message.content}"`);
    else if (entry.seen) wrong.push(`"${message.content}" is there twice`);
    else entry.seen = true;
  }
  for (const entry of contents.values()) delete entry.seen;

  const order = stored.map((message) => message.messageId).join();
  for (const device of devices) {
    for (const run of [...device.runs, ...device.pages]) {
      const here = run.filter((message) => message.roomId === roomId && spoken(message));
      const again = twice(here.map((message) => message.messageId));
      if (again.length) wrong.push(`${device.name} was given ${again.length} messages twice on one connection`);
      if (!rising(here)) wrong.push(`${device.name} was given messages out of order`);
    }
    const shown = device.shown(roomId);
    const missing = stored.length - shown.filter((message) => known.has(message.messageId)).length;
    if (missing && expectAll) wrong.push(`${device.name} lacks ${missing} of ${stored.length} messages`);
    const phantom = shown.filter((message) => !known.has(message.messageId));
    if (phantom.length) wrong.push(`${device.name} shows ${phantom.length} messages that history does not have`);
    if (!missing && !phantom.length && shown.map((message) => message.messageId).join() !== order) {
      wrong.push(`${device.name} shows another order than history`);
    }
  }
  return wrong;
}

/** Waits until each device shows every message of these rooms that is acked by now. */
export async function untilShown(devices, ledger, rooms, within = 30_000) {
  const acked = rooms.map((roomId) => [roomId, ledger.sent(roomId).map((entry) => entry.id)]);
  const none = () => {
    const lacking = devices.flatMap((device) =>
      acked.flatMap(([roomId, ids]) => {
        const missing = ids.filter((id) => !device.shows(id)).length;
        return missing ? [`${device.name} lacks ${missing} of ${ids.length} in ${roomId}`] : [];
      }),
    );
    if (lacking.length) throw new Error(lacking.slice(0, 4).join("; "));
    return true;
  };
  await until("every device shows every acked message", none, { within, every: 100 });
}
