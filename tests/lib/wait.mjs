// Waiting for what is promised, never for a time to pass.
import { setTimeout as sleep } from "node:timers/promises";

export { sleep };

/**
 * Waits until `probe` returns (or resolves to) something true, and returns that.
 * A probe that throws has not succeeded yet; its last error is told when the time is up.
 */
export async function until(what, probe, { within = 10_000, every = 50 } = {}) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      throw new Error(`after ${within} ms still not: ${what}` + (last === undefined ? "" : ` (last: ${shown(last)})`));
    }
    await sleep(every);
  }
}

/** The first event of that name whose payload passes `match`. Begin to wait before you cause it. */
export function heard(socket, event, match = () => true, within = 10_000) {
  const waiting = new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.off(event, listen);
      reject(new Error(`no ${event} as expected within ${within} ms`));
    }, within);
    function listen(...args) {
      if (!match(...args)) return;
      clearTimeout(timer);
      socket.off(event, listen);
      resolve(args[0]);
    }
    socket.on(event, listen);
  });
  // Whoever waits for it still gets the error; a test that failed before that does not die of a second one.
  waiting.catch(() => {});
  return waiting;
}

const shown = (value) => (value instanceof Error ? value.message : JSON.stringify(value));
