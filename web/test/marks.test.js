import assert from "node:assert/strict";
import { test } from "node:test";
import { Marks } from "../src/chat/marks.js";

test("who has read a message has read, and got, all before it", () => {
  const marks = new Marks();
  marks.move("ben", "delivered", 30);
  marks.move("ben", "read", 20);
  assert.equal(marks.of({ messageId: "a", seq: 10 }).status, "read");
  assert.equal(marks.of({ messageId: "b", seq: 20 }).status, "read");
  assert.equal(marks.of({ messageId: "c", seq: 30 }).status, "delivered");
  assert.equal(marks.of({ messageId: "d", seq: 40 }).status, "sent");
});

test("pointers never go back", () => {
  const marks = new Marks();
  assert.equal(marks.move("ben", "read", 20), true);
  assert.equal(marks.move("ben", "read", 10), false);
  assert.equal(marks.move("ben", "delivered", 20), false);
  assert.equal(marks.move("ben", "read", undefined), false);
  assert.equal(marks.of({ seq: 20 }).status, "read");
});

test("a group's message counts its readers one by one, a big room's by the server's number", () => {
  const marks = new Marks();
  for (const [who, seq] of [["ben", 10], ["cem", 20]]) marks.move(who, "read", seq);
  marks.move("dan", "delivered", 10);
  assert.deepEqual(marks.of({ messageId: "a", seq: 10 }), { status: "read", reached: 3, readers: 2 });
  marks.count("big", 412);
  assert.deepEqual(marks.of({ messageId: "big", seq: 30 }), { status: "read", reached: 412, readers: 412 });
});
