import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../src/chat/outbox.js";

/** An outbox whose server answers with these, one after the other; `undefined` is no answer. */
function outbox(answers) {
  const posted = [];
  const told = [];
  const made = new Outbox(
    async (message) => {
      posted.push(message.tempId);
      const answer = answers.shift();
      if (!answer) throw new Error("timeout");
      return answer;
    },
    (tempId, state) => told.push([tempId, state.status]),
  );
  return { made, posted, told };
}

const settle = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

test("nothing is sent before the room is entered, then all in order", async () => {
  const { made, posted, told } = outbox([{ messageId: "1" }, { messageId: "2" }]);
  made.push({ tempId: "a" });
  made.push({ tempId: "b" });
  await settle();
  assert.deepEqual(posted, []);
  made.ready = true;
  await settle(10);
  assert.deepEqual(posted, ["a", "b"]);
  assert.deepEqual(told, [["a", "sent"], ["b", "sent"]]);
});

test("unknown and busy are tried again under the same id, before what comes after", async () => {
  const busy = { error: "busy", retryable: true, retryAfter: 0.01 };
  const { made, posted } = outbox([busy, { error: "UNKNOWN", retryable: true, retryAfter: 0.01 }, { messageId: "1" }, { messageId: "2" }]);
  made.ready = true;
  made.push({ tempId: "a" });
  made.push({ tempId: "b" });
  await settle(100);
  assert.deepEqual(posted, ["a", "a", "a", "b"]);
});

test("a definite refusal fails and does not hold up the next", async () => {
  const { made, told } = outbox([{ error: "content_too_long", retryable: false, message: "too long" }, { messageId: "2" }]);
  made.ready = true;
  made.push({ tempId: "a" });
  made.push({ tempId: "b" });
  await settle(10);
  assert.deepEqual(told, [["a", "failed"], ["b", "sent"]]);
});

test("a message that the room has shown is not sent again", async () => {
  const { made, posted } = outbox([undefined]);
  made.ready = true;
  made.push({ tempId: "a" });
  await settle(10);
  made.confirm("a");
  await settle(10);
  assert.deepEqual(posted, ["a"]);
});
