// A steady stream of messages, for tests that break something meanwhile.
import { randomUUID } from "node:crypto";
import { until } from "./wait.mjs";

/**
 * Each device sends to each room in turn, one message every `every` ms, until `stop`. A device that is not connected, or
 * still catches up, sends nothing.
 */
export class Traffic {
  #timers = [];
  #running = new Set();

  constructor(ledger, devices, rooms, { every = 25, within = 15_000 } = {}) {
    this.ledger = ledger;
    for (const device of devices) {
      let count = 0;
      let ready = true;
      device.socket.on("disconnect", () => (ready = false));
      // The device's own listener, which begins to catch up, came before this one.
      device.socket.on("connect", () => (device.caughtUp ?? Promise.resolve()).then(() => (ready = true), () => {}));
      const tick = () => {
        if (!ready || !device.socket.connected) return;
        const roomId = rooms[count % rooms.length];
        const sending = ledger.send(device.socket, roomId, `${device.name} ${count++}`, { tempId: randomUUID(), within });
        this.#running.add(sending);
        sending.finally(() => this.#running.delete(sending));
      };
      this.#timers.push(setInterval(tick, every));
    }
  }

  /** Waits until so many more messages were acked. */
  async flows(count, within = 30_000) {
    const sent = () => this.ledger.sends.filter((entry) => entry.outcome === "sent").length;
    const goal = sent() + count;
    await until(`${count} more messages are acked`, () => sent() >= goal, { within });
  }

  /** Sends no more, and waits for the answers. */
  async stop() {
    this.#timers.forEach(clearInterval);
    await Promise.all(this.#running);
  }
}

/** Sends again, under the same tempId, whatever was not answered `sent`, until it is. */
export async function resendUnsettled(ledger, within = 40_000) {
  const unsettled = ledger.sends.filter((entry) => entry.outcome !== "sent");
  const settle = (entry) =>
    until(`"${entry.content}" is sent`, async () => {
      await ledger.resend(entry, { within: 12_000 });
      return entry.outcome === "sent" || Promise.reject(new Error(JSON.stringify(entry.ack)));
    }, { within, every: 250 });
  await Promise.all(unsettled.map(settle));
  return unsettled.length;
}
