// Whether memory comes back after an attack.
import assert from "node:assert/strict";
import { rssOf } from "./echo.mjs";
import { until } from "./wait.mjs";

const MEBIBYTE = 1024 * 1024;

/**
 * Runs `attack` against a process, which must live and, once it is over, have at most 50 MB more than before.
 * That is what an allocator may keep for itself.
 */
export async function memoryReturns(t, pid, attack) {
  const before = await rssOf(pid);
  let highest = before;
  const watch = setInterval(async () => (highest = Math.max(highest, await rssOf(pid).catch(() => 0))), 100);
  try {
    await attack();
  } finally {
    clearInterval(watch);
  }
  let now = before;
  await until("memory is back", async () => (now = await rssOf(pid)) - before < 50 * MEBIBYTE, { within: 20_000, every: 250 });
  const shown = (bytes) => (bytes / MEBIBYTE).toFixed(1);
  t.diagnostic(`${shown(before)} MiB before, ${shown(highest)} at most, ${shown(now)} after`);
  return { before, highest };
}

/** As above, and it has not had 50 MB more at any time. */
export async function memoryStaysFlat(t, pid, attack) {
  const { before, highest } = await memoryReturns(t, pid, attack);
  assert.ok(highest - before < 50 * MEBIBYTE, `${Math.round((highest - before) / MEBIBYTE)} MiB more`);
}
