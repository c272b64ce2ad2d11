import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../src/chat/history.js";
import { Timeline } from "../src/chat/timeline.js";

/** A server that holds so many messages, `m1` the oldest, and pages as Parlor does: cursors are exclusive. */
function scene(count) {
  const server = Array.from({ length: count }, (_, i) => ({ messageId: `m${i + 1}`, seq: i + 1, content: `line ${i + 1}` }));
  const asked = [];
  const read = async ({ cursor, limit, direction }) => {
    asked.push(direction);
    const at = cursor == null ? null : server.findIndex(({ messageId, seq }) => messageId === cursor || String(seq) === String(cursor));
    const all = direction === "before" ? server.slice(0, at ?? server.length).reverse() : server.slice(at == null ? 0 : at + 1);
    const messages = all.slice(0, limit);
    const hasMore = all.length > messages.length;
    return { messages, hasMore, nextCursor: hasMore ? String(messages.at(-1).seq) : null };
  };
  const timeline = new Timeline();
  const history = new History(timeline, read, (message) => ({ ...message }));
  const shown = () => timeline.messages.map(({ seq }) => seq);
  return { server, history, timeline, shown, asked };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("a room begins with its newest page, and older ones come until the first message", async () => {
  const { history, shown } = scene(120);
  await history.catchUp();
  assert.deepEqual(shown(), range(71, 120));
  assert.equal(history.complete, false);
  assert.equal(await history.loadOlder(), true);
  assert.equal(await history.loadOlder(), true);
  assert.deepEqual(shown(), range(1, 120));
  assert.equal(history.complete, true);
  assert.equal(await history.loadOlder(), false);
});

test("two scrolls at once load one page", async () => {
  const { history, asked } = scene(200);
  await history.catchUp();
  assert.deepEqual(await Promise.all([history.loadOlder(), history.loadOlder()]), [true, false]);
  assert.equal(asked.length, 2);
});

test("after a break all that was missed is there, and what was deleted lately is not", async () => {
  const { server, history, shown } = scene(60);
  await history.catchUp();
  for (const seq of range(61, 180)) server.push({ messageId: `m${seq}`, seq });
  await history.catchUp();
  assert.deepEqual(shown(), range(11, 180));
  server.splice(159, 1);
  await history.catchUp();
  assert.deepEqual(shown(), range(11, 180).filter((seq) => seq !== 160));
});

test("a very long absence begins anew with the newest page, and can still be scrolled", async () => {
  const { server, history, shown } = scene(60);
  await history.catchUp();
  for (const seq of range(61, 3000)) server.push({ messageId: `m${seq}`, seq });
  await history.catchUp();
  assert.deepEqual(shown(), range(2951, 3000));
  await history.loadOlder();
  assert.deepEqual(shown(), range(2901, 3000));
});

test("a message from long ago is shown with what is around it, both ways from there, and back to now", async () => {
  const { history, timeline, shown } = scene(500);
  await history.catchUp();
  timeline.put({ tempId: "t", content: "unsent" });
  assert.equal(await history.goTo("m100"), true);
  assert.equal(history.live, false);
  assert.deepEqual(shown().slice(0, -1), range(75, 124));
  assert.equal(timeline.messages.at(-1).content, "unsent");
  await history.loadOlder();
  await history.loadNewer();
  assert.deepEqual(shown().slice(0, -1), range(25, 174));
  await history.toNewest();
  assert.equal(history.live, true);
  assert.deepEqual(shown().slice(0, -1), range(451, 500));
});

test("the first message of a room and the last can be gone to", async () => {
  const { history, shown } = scene(500);
  await history.catchUp();
  assert.equal(await history.goTo("m1"), true);
  assert.deepEqual(shown(), range(1, 25));
  assert.equal(history.complete, true);
  assert.equal(await history.goTo("m500"), true);
  assert.equal(history.live, true);
});

test("a message that is there no more is not gone to, and what is here stays", async () => {
  const { history, shown } = scene(80);
  await history.catchUp();
  assert.equal(await history.goTo("gone"), false);
  assert.deepEqual(shown(), range(31, 80));
});

test("a room that nobody scrolls keeps a bounded number of messages, and the rest can be had again", async () => {
  const { server, history, timeline, shown } = scene(60);
  await history.catchUp();
  for (const seq of range(61, 1_200)) {
    const message = { messageId: `m${seq}`, seq };
    server.push(message);
    timeline.put(message);
    history.trim();
  }
  assert.ok(shown().length <= 1_000, `${shown().length} messages`);
  assert.equal(shown().at(-1), 1_200);
  const first = shown()[0];
  await history.loadOlder();
  assert.deepEqual(shown().slice(0, 51), range(first - 50, first));
});
