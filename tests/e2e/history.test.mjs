// History: pages in both directions, from any cursor, that repeat and skip nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newChannel, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const COUNT = 130;
const ids = (messages) => messages.map((message) => message.messageId);

async function full(t) {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  const acks = await Promise.all(Array.from({ length: COUNT }, (_, i) => send(socket, roomId, `m${i}`)));
  const read = (more) => done(socket, "message.history", { roomId, ...more });
  const all = [];
  for (let page = { nextCursor: null, hasMore: true }; page.hasMore; ) {
    page = await read({ cursor: page.nextCursor, direction: "after", limit: 100 });
    all.push(...page.messages);
  }
  assert.deepEqual(new Set(ids(all)), new Set(ids(acks)));
  assert.deepEqual(all.map((m) => m.content), Array.from({ length: COUNT }, (_, i) => `m${i}`), "in the order of sending");
  return { socket, roomId, read, all };
}

test("a page has 50 messages by default, newest first, and at most 100", async (t) => {
  const { read, all } = await full(t);
  const newest = all.toReversed();
  const page = await read({});
  assert.deepEqual(ids(page.messages), ids(newest.slice(0, 50)));
  assert.equal(page.hasMore, true);
  assert.equal(typeof page.nextCursor, "string");
  assert.equal(typeof page.prevCursor, "string");
  assert.deepEqual(await read({ cursor: null, limit: 50, direction: "before" }), page, "null is the same as nothing");
  assert.deepEqual(ids((await read({ limit: 5_000 })).messages), ids(newest.slice(0, 100)));
  assert.deepEqual(ids((await read({ limit: 1 })).messages), ids(newest.slice(0, 1)));
});

test("paging back and forth repeats and skips nothing, and hasMore is exact", async (t) => {
  const { read, all } = await full(t);
  for (const direction of ["before", "after"]) {
    const wanted = direction === "before" ? all.toReversed() : all;
    // 65 twice is 130: the last page is full, and yet nothing lies beyond it.
    for (const limit of [7, 65, 100]) {
      const seen = [];
      let page = { nextCursor: null, hasMore: true };
      while (page.hasMore) {
        page = await read({ cursor: page.nextCursor, direction, limit });
        seen.push(...page.messages);
        assert.equal(page.hasMore, seen.length < COUNT);
      }
      assert.deepEqual(ids(seen), ids(wanted), `${direction} by ${limit}`);
      assert.equal(page.nextCursor, null);
    }
  }
  const middle = await read({ cursor: all[60].messageId, direction: "before", limit: 10 });
  const back = await read({ cursor: middle.prevCursor, direction: "after", limit: 3 });
  assert.deepEqual(ids(back.messages), ids(all.slice(60, 63)));
});

test("a cursor is a message's id, a seq, a time, or a page's own", async (t) => {
  const { read, all } = await full(t);
  const at = all[40];
  for (const cursor of [at.messageId, at.seq, String(at.seq)]) {
    assert.deepEqual(ids((await read({ cursor, direction: "after", limit: 5 })).messages), ids(all.slice(41, 46)), `after ${cursor}`);
    assert.deepEqual(ids((await read({ cursor, direction: "before", limit: 5 })).messages), ids(all.slice(35, 40).toReversed()), `before ${cursor}`);
  }
  const since = await read({ cursor: at.timestamp, direction: "after", limit: 100 });
  const firstOfThatTime = all.findIndex((message) => message.timestamp === at.timestamp);
  assert.deepEqual(ids(since.messages), ids(all.slice(firstOfThatTime, firstOfThatTime + 100)));
  assert.deepEqual((await read({ cursor: "2001-01-01T00:00:00Z", direction: "before" })).messages, []);
  assert.deepEqual((await read({ cursor: "2101-01-01T00:00:00Z", direction: "after" })).messages, []);
});

test("without an ack history comes as message.history.response", async (t) => {
  const { socket, roomId, read } = await full(t);
  const response = heard(socket, "message.history.response");
  socket.emit("message.history", { roomId, limit: 3 });
  assert.deepEqual(await response, await read({ limit: 3 }));
});

test("a sender finds its message in history at once", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  for (let i = 0; i < 30; i++) {
    const { messageId } = await send(socket, roomId, `m${i}`);
    const { messages } = await done(socket, "message.history", { roomId, limit: 1 });
    assert.equal(messages[0]?.messageId, messageId, `message ${i}`);
  }
  // An id that no message has: `busy` while the store lags behind the log and nobody can know, then refused for good.
  const strange = async () => (await ask(socket, "message.history", { roomId, cursor: "00000000-0000-7000-8000-000000000000" })).error;
  let answer = await strange();
  for (const until = Date.now() + 10_000; answer === "busy" && Date.now() < until; answer = await strange());
  assert.equal(answer, "bad_request");
});

test("nothing of a room's history comes by itself at connect, and all of it when it is asked for", async (t) => {
  const url = await solo(t);
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url });
  const device = await connect(t, ben, { url });
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: device }]);
  const there = heard(device, "message.received", ({ content }) => content === "m29");
  for (let i = 0; i < 30; i++) await send(a, roomId, `m${i}`);
  await there;
  const { messages: [{ messageId }] } = await done(a, "message.history", { roomId, limit: 1 });
  await until("Ben has them", async () => (await done(a, "message.receipts", { messageId })).deliveredCount === 1, { within: 15_000 });
  const another = client(t, url, { token: await tokenOf(ben), vocabulary: "dotted" });
  const told = [];
  another.onAny((event, payload) => told.push([event, payload]));
  const ready = heard(another, "connection.authenticated");
  another.connect();
  await ready;
  await sleep(3_000);
  const names = told.map(([event]) => event);
  assert.ok(names.every((event) => !event.startsWith("message.")), names.join());
  const page = await done(another, "message.history", { roomId, limit: 30 });
  assert.deepEqual(page.messages.map(({ content }) => content), Array.from({ length: 30 }, (_, i) => `m${29 - i}`));
});
