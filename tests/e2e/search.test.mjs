// Search, and paging by offset: over one's own rooms alone, newest first, with the words marked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { until } from "../lib/wait.mjs";

/** A word that nobody else says. */
const word = () => `w${randomUUID().replaceAll("-", "")}`;
const find = (socket, query, more = {}) => done(socket, "message.search", { query, ...more });
const texts = (page) => page.messages.map((m) => m.content);

test("a search finds messages of one's own rooms alone, newest first, in pages, with the words marked", async (t) => {
  const [ann, ben] = [{ user: newUser("Ann") }, { user: newUser("Ben") }];
  for (const person of [ann, ben]) person.socket = await connect(t, person.user);
  const eve = await connect(t, newUser("Eve"));
  const [roomId, other] = [await newGroup(ann, [ben], "One"), await newGroup(ann, [], "Two")];
  const w = word();
  const said = [`<b>${w}</b> & "black coffee"`, `${w.toUpperCase()} coffee, black`, `${w}s`, `not this`];
  for (const content of said) await send(ann.socket, roomId, content);
  await send(ann.socket, other, `${w} elsewhere`);
  await send(ann.socket, roomId, `${w} hidden`, { encrypted: true });
  await until("all is stored", async () => (await find(ann.socket, w)).messages.length === 3);

  const mine = await find(ann.socket, w);
  assert.deepEqual(texts(mine), [`${w} elsewhere`, said[1], said[0]]);
  assert.equal(mine.hasMore, false);
  assert.equal(mine.messages[2].highlight, `&lt;b&gt;<mark>${w}</mark>&lt;/b&gt; &amp; &quot;black coffee&quot;`);
  assert.deepEqual(texts(await find(ben.socket, w)), [said[1], said[0]], "Ben is in one of the rooms");
  assert.deepEqual(texts(await find(eve, w)), []);
  assert.deepEqual(texts(await find(ben.socket, `${w} "black coffee"`)), [said[0]]);
  assert.deepEqual(texts(await find(ann.socket, w, { roomId: other })), [`${w} elsewhere`]);
  assert.equal((await ask(ben.socket, "message.search", { query: w, roomId: other })).error, "not_found");

  const seen = [];
  for (let page = { nextCursor: null, hasMore: true }; page.hasMore; ) {
    page = await find(ann.socket, w, { limit: 2, cursor: page.nextCursor });
    seen.push(...texts(page));
  }
  assert.deepEqual(seen, texts(mine));

  await done(ben.socket, "room.leave", { roomId });
  await send(ann.socket, roomId, `${w} afterwards`);
  await until("Ann finds it", async () => texts(await find(ann.socket, w))[0] === `${w} afterwards`);
  assert.deepEqual(texts(await find(ben.socket, w)), [], "Ben is in none of the rooms any more");
});

test("a channel is searched by who is in it, and edits and deletions change what is found", async (t) => {
  const [ann, ben] = [await connect(t, newUser("Ann")), await connect(t, newUser("Ben"))];
  const roomId = await newChannel(ann);
  const w = word();
  const { messageId } = await send(ann, roomId, `${w} here`);
  await until("it is found", async () => (await find(ann, w, { roomId })).messages.length === 1);
  assert.equal((await ask(ben, "message.search", { query: w, roomId })).error, "not_found");
  await done(ben, "room.join", { roomId });
  assert.deepEqual(texts(await find(ben, w, { roomId })), [`${w} here`]);
  assert.deepEqual(texts(await find(ben, w)), [], "who is no member by row names the channel");
  const other = word();
  await done(ann, "message.edit", { messageId, content: `${other} now` });
  await until("the edit is found", async () => (await find(ann, other, { roomId })).messages.length === 1);
  assert.deepEqual(texts(await find(ann, w, { roomId })), []);
  await done(ann, "message.delete", { messageId });
  await until("it is gone", async () => (await find(ann, other, { roomId })).messages.length === 0);
});

test("a query is bounded and says what is wrong with it", async (t) => {
  const ann = await connect(t, newUser("Ann"));
  for (const query of ["", "!?", "x".repeat(201), "a b c d e f g h i j k"]) {
    const refused = await ask(ann, "message.search", { query });
    assert.deepEqual([refused.error, refused.field], ["bad_request", "query"], JSON.stringify(query));
  }
  assert.equal((await ask(ann, "message.search", { query: "tea", cursor: "nonsense" })).field, "cursor");
});

test("paging by offset counts from the newest, with a total, and sees a message that was just sent", async (t) => {
  const ann = await connect(t, newUser("Ann"));
  const roomId = await newChannel(ann);
  const sent = [];
  for (let i = 0; i < 7; i++) sent.push(await send(ann, roomId, `m${i}`));
  const page = (limit, offset) => done(ann, "message.page", { roomId, limit, offset });
  const first = await page(3, 0);
  assert.deepEqual([texts(first), first.total, first.limit, first.offset], [["m6", "m5", "m4"], 7, 3, 0]);
  assert.deepEqual(texts(await page(3, 6)), ["m0"]);
  assert.deepEqual(texts(await page(3, 7)), []);
  await done(ann, "message.delete", { messageId: sent[5].messageId });
  const after = await page(3, 1);
  assert.deepEqual([texts(after), after.total], [["m4", "m3", "m2"], 6], "a deleted one is neither shown nor counted");
  for (let i = 7; i < 12; i++) {
    await send(ann, roomId, `m${i}`);
    assert.equal((await page(1, 0)).messages[0].content, `m${i}`);
  }
  assert.equal((await ask(ann, "message.page", { roomId, limit: 1, offset: 100_001 })).field, "offset");
});
