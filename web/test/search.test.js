import assert from "node:assert/strict";
import { test } from "node:test";
import { Search } from "../src/chat/search.js";

test("the last question's answer counts, however late an earlier one comes", async () => {
  const answers = new Map();
  const search = new Search(({ query }) => new Promise((resolve) => answers.set(query, resolve)), () => {});
  const first = search.find("he");
  const second = search.find("hello");
  answers.get("hello")({ messages: [{ messageId: "2" }] });
  answers.get("he")({ messages: [{ messageId: "1" }] });
  await Promise.all([first, second]);
  assert.deepEqual(search.results.map(({ messageId }) => messageId), ["2"]);
});

test("more results follow on demand, until there are none", async () => {
  const asked = [];
  const pages = [{ messages: [{ messageId: "1" }], nextCursor: "c" }, { messages: [{ messageId: "2" }], nextCursor: null }];
  const search = new Search(async (payload) => (asked.push(payload), pages.shift()), () => {});
  await search.find(" words ", "room");
  assert.equal(search.more, true);
  await search.further();
  await search.further();
  assert.deepEqual(asked, [{ query: "words", roomId: "room" }, { query: "words", roomId: "room", cursor: "c" }]);
  assert.deepEqual([search.results.length, search.more, search.state], [2, false, "done"]);
});

test("nothing is asked for nothing, and a refusal is told", async () => {
  const search = new Search(async () => Promise.reject(new Error("Too many searches")), () => {});
  await search.find("  ");
  assert.equal(search.state, "idle");
  await search.find("words");
  assert.deepEqual([search.state, search.error], ["failed", "Too many searches"]);
});
