import assert from "node:assert/strict";
import { test } from "node:test";
import { mine, reacted } from "../src/chat/reactions.js";

const ann = { emoji: "👍", userId: "ann", on: true };

test("a reaction counts each person once, however often it is told", () => {
  const once = reacted(undefined, ann);
  assert.deepEqual(once, [{ emoji: "👍", userIds: ["ann"], count: 1 }]);
  assert.equal(reacted(once, ann), once);
  assert.deepEqual(reacted(once, { ...ann, userId: "ben" })[0].count, 2);
});

test("an emoji that everybody has taken back is gone, the others stay in their order", () => {
  let list = ["👍", "🎉", "❤️"].reduce((before, emoji) => reacted(before, { ...ann, emoji }), []);
  list = reacted(list, { ...ann, emoji: "🎉", on: false });
  assert.deepEqual(list.map(({ emoji }) => emoji), ["👍", "❤️"]);
  assert.equal(reacted(list, { ...ann, emoji: "🎉", on: false }), list);
});

test("one's own reactions are told apart, under any id that this page has had", () => {
  const list = reacted([], ann);
  assert.equal(mine(list, "👍", new Set(["guest-1", "ann"])), true);
  assert.equal(mine(list, "👍", new Set(["ben"])), false);
  assert.equal(mine(undefined, "👍", new Set(["ann"])), false);
});
