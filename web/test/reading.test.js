import assert from "node:assert/strict";
import { test } from "node:test";
import { Reading } from "../src/chat/reading.js";
import { Refused } from "../src/chat/refused.js";

const pause = () => new Promise((resolve) => setTimeout(resolve, 350));

test("many messages read at once are told as one, by the newest", async () => {
  const told = [];
  const reading = new Reading(async (messageId) => told.push(messageId));
  for (const [messageId, seq] of [["a", 1], ["c", 3], ["b", 2]]) reading.seen({ messageId, seq });
  await pause();
  reading.seen({ messageId: "b", seq: 2 });
  await pause();
  assert.deepEqual(told, ["c"]);
});

test("what the server could not take now is told again, what it refused is not", async () => {
  const told = [];
  const errors = [{ error: "busy", retryable: true }, { error: "unknown_event", retryable: false }];
  const reading = new Reading(async (messageId) => {
    told.push(messageId);
    throw new Refused(errors.shift());
  });
  for (let looks = 0; looks < 3; looks++) {
    reading.seen({ messageId: "a", seq: 1 });
    await pause();
  }
  assert.deepEqual(told, ["a", "a"]);
});
