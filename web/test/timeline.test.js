import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../src/chat/ids.js";
import { Timeline } from "../src/chat/timeline.js";

const contents = (timeline) => timeline.messages.map((message) => message.content);

test("messages stand in the room's order whatever order they came in, unsent ones last", () => {
  const timeline = new Timeline();
  timeline.put({ tempId: "t1", content: "mine" });
  timeline.put({ messageId: "b", seq: 20, content: "second" });
  timeline.put({ messageId: "a", seq: 10, content: "first" });
  assert.deepEqual(contents(timeline), ["first", "second", "mine"]);
});

test("a message is shown once, be it from the composer, the room or history", () => {
  const timeline = new Timeline();
  assert.equal(timeline.put({ tempId: "t1", content: "hi", status: "pending" }), true);
  assert.equal(timeline.put({ tempId: "t1", messageId: "a", seq: 1, content: "hi", status: "sent" }), false);
  assert.equal(timeline.put({ messageId: "a", seq: 1, content: "hi" }), false);
  assert.equal(timeline.messages.length, 1);
  assert.equal(timeline.newest.messageId, "a");
});

test("what a page of history lacks between its ends was deleted", () => {
  const timeline = new Timeline();
  for (const [messageId, seq] of [["a", 1], ["b", 2], ["c", 3], ["d", 4]]) timeline.put({ messageId, seq, content: messageId });
  timeline.put({ tempId: "t", content: "unsent" });
  timeline.reconcile([{ messageId: "d", seq: 4, content: "d" }, { messageId: "b", seq: 2, content: "b, edited" }]);
  assert.deepEqual(contents(timeline), ["a", "b, edited", "d", "unsent"]);
});

test("ids are UUIDs of version 7 that rise with time", () => {
  const [one, other] = [newId(1_700_000_000_000), newId(1_700_000_000_001)];
  assert.match(one, /^018bcfe5-6800-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(one < other);
});
