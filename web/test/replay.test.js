import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused } from "../src/chat/refused.js";
import { Replay } from "../src/chat/replay.js";

/** A room with events at these places, asked for two at a time. */
function scene(places) {
  const asked = [];
  const replay = new Replay(async ({ after }) => {
    asked.push(after);
    const all = places.filter((seq) => seq > Number(after));
    const page = all.slice(0, 2);
    return { events: page.map((seq) => ({ name: "message.edited", data: { seq } })), nextCursor: String(page.at(-1) ?? after), hasMore: all.length > 2 };
  });
  const heard = [];
  return { replay, asked, heard, run: () => replay.run((_, { seq }) => heard.push(seq)) };
}

test("all that happened since the last event is told once, in order, page by page", async () => {
  const { replay, asked, heard, run } = scene([10, 20, 30, 40, 50]);
  replay.passed("message.received", { seq: 20 });
  replay.passed("message.edited", { seq: 10 });
  assert.equal(await run(), true);
  assert.deepEqual(heard, [30, 40, 50]);
  assert.equal(await run(), true);
  assert.deepEqual([heard.length, asked.at(-1)], [3, "50"]);
});

test("a receipt's place is none: it may be ahead of what was heard", async () => {
  const { replay, heard, run } = scene([10, 20]);
  replay.passed("message.received", { seq: 10 });
  replay.passed("message.read", { seq: 20 });
  await run();
  assert.deepEqual(heard, [20]);
});

test("where nothing was heard yet, too much has happened or the server cannot say, it is left to the history", async () => {
  const { run } = scene([10]);
  assert.equal(await run(), false);
  const long = scene(Array.from({ length: 100 }, (_, i) => i + 1));
  long.replay.passed("message.received", { seq: 1 });
  assert.equal(await long.run(), false);
  const refusing = new Replay(async () => { throw new Refused({ error: "unknown_event" }); });
  refusing.passed("message.received", { seq: 1 });
  assert.equal(await refusing.run(() => {}), false);
  const busy = new Replay(async () => { throw new Refused({ error: "busy", retryable: true }); });
  busy.passed("message.received", { seq: 1 });
  await assert.rejects(busy.run(() => {}), { code: "busy" });
});
