// Reactions, pins, mentions, quotes: live to everyone, in history at once and for good, and by the rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newGroup, newUser, send } from "../lib/clients.mjs";
import { heard, until } from "../lib/wait.mjs";

/** Ann (the maker), Ben and Cem in a group; nginx spreads them over the gateways. */
async function group(t) {
  const people = [];
  for (const name of ["Ann", "Ben", "Cem"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user) });
  }
  const roomId = await newGroup(people[0], people.slice(1));
  return { roomId, people, ann: people[0].socket, ben: people[1].socket, cem: people[2].socket, ids: people.map((p) => p.user.id) };
}

const newest = async (socket, roomId) => (await done(socket, "message.history", { roomId, limit: 10 })).messages;
const shown = (message) => (message.reactions ?? []).map(({ emoji, userIds, count }) => [emoji, userIds, count]);

test("a reaction reaches everyone and is in history at once, and taken back it is gone", async (t) => {
  const { roomId, ann, ben, cem, ids } = await group(t);
  const { messageId } = await send(ann, roomId, "hi");
  const emoji = "👩‍🚀";
  const told = [ann, ben, cem].map((socket) => heard(socket, "message.reaction", (event) => event.messageId === messageId));
  await done(ben, "message.react", { messageId, emoji });
  assert.deepEqual(shown((await newest(ben, roomId))[0]), [[emoji, [ids[1]], 1]], "who has just reacted reads it");
  for (const event of await Promise.all(told)) {
    assert.equal(event.emoji, emoji);
    assert.equal(event.userId, ids[1]);
    assert.equal(event.roomId, roomId);
  }
  await done(cem, "message.react", { messageId, roomId, emoji });
  await done(cem, "message.react", { messageId, emoji });
  await done(ann, "message.react", { messageId, emoji: "x" });
  const wanted = [[emoji, [ids[1], ids[2]], 2], ["x", [ids[0]], 1]];
  await until("everyone reads the same", async () => {
    for (const socket of [ann, ben, cem]) assert.deepEqual(shown((await newest(socket, roomId))[0]), wanted);
    return true;
  });
  const gone = heard(ann, "message.reaction", (event) => event.userId === ids[1] && event.action === "remove");
  await done(ben, "message.unreact", { messageId, emoji });
  await gone;
  assert.deepEqual(shown((await newest(ben, roomId))[0]), [[emoji, [ids[2]], 1], ["x", [ids[0]], 1]]);
});

test("what changes nothing is answered and told to nobody, and what changes something always is", async (t) => {
  const { roomId, ann, ben, cem, ids } = await group(t);
  const { messageId } = await send(ann, roomId, "hi");
  const told = [];
  cem.on("message.reaction", ({ action }) => told.push(action));
  for (const name of ["message.pinned", "message.unpinned"]) cem.on(name, () => told.push(name));
  /** What Cem hears of it: all that precedes a message which follows. */
  const hears = async (socket, event, more = {}) => {
    const before = told.length;
    const ack = await done(socket, event, { messageId, ...more });
    assert.equal(ack.messageId, messageId);
    const marker = `behind ${event} ${Math.random()}`;
    const heardIt = heard(cem, "message.received", ({ content }) => content === marker);
    await send(socket, roomId, marker);
    await heardIt;
    return told.slice(before);
  };
  const ways = [
    [ben, "message.react", { emoji: "x" }, "add"],
    [ben, "message.unreact", { emoji: "x" }, "remove"],
    [ann, "message.pin", {}, "message.pinned"],
    [ann, "message.unpin", {}, "message.unpinned"],
  ];
  for (const [socket, event, more, news] of ways) {
    assert.deepEqual(await hears(socket, event, more), [news], `${event} changes it`);
    await until(`${event} is known to change nothing`, async () => (await hears(socket, event, more)).length === 0);
  }
  // One behind the other, with no answer in between: each is a change, whatever is stored by then.
  const wanted = Array.from({ length: 21 }, (_, i) => (i % 2 === 0 ? "add" : "remove"));
  const before = told.length;
  const acks = wanted.map((action) => done(ben, action === "add" ? "message.react" : "message.unreact", { messageId, emoji: "y" }));
  await Promise.all(acks);
  await until("Cem has heard them", () => told.length - before >= wanted.length);
  assert.deepEqual(told.slice(before), wanted);
  const reactions = async () => shown((await done(cem, "message.history", { roomId, limit: 100 })).messages.find((m) => m.messageId === messageId));
  assert.deepEqual(await reactions(), [["y", [ids[1]], 1]]);
});

test("a message has at most fifty different reactions", async (t) => {
  const { roomId, ann, ben } = await group(t);
  const { messageId } = await send(ann, roomId, "popular");
  for (let i = 0; i < 50; i++) await done(ann, "message.react", { messageId, emoji: `e${i}` });
  const refused = await until("the store has them", async () => {
    const ack = await ask(ann, "message.react", { messageId, emoji: "another" });
    if (!ack.error) await done(ann, "message.unreact", { messageId, emoji: "another" });
    return ack.error && ack;
  });
  assert.equal(refused.error, "conflict");
  assert.equal(refused.retryable, false);
  await done(ben, "message.react", { messageId, emoji: "e7" });
});

test("moderators pin in a group, both in a direct room, the maker in a channel; others are refused", async (t) => {
  const { roomId, ann, ben, cem, people } = await group(t);
  const [first, second] = [await send(ben, roomId, "first"), await send(ben, roomId, "second")];
  assert.equal((await ask(ben, "message.pin", { messageId: first.messageId })).error, "forbidden");
  const told = heard(cem, "message.pinned", (event) => event.messageId === second.messageId);
  await done(ann, "message.pin", { messageId: first.messageId });
  await done(ann, "message.pin", { messageId: second.messageId });
  const pins = async (socket) => (await done(socket, "message.pins", { roomId })).messages.map((m) => m.content);
  assert.deepEqual(await pins(ann), ["second", "first"], "the last pinned first, at once");
  await told;
  assert.deepEqual(await pins(cem), ["second", "first"]);
  assert.deepEqual((await newest(cem, roomId)).slice(0, 2).map((m) => m.pinned), [true, true]);
  await done(ann, "message.unpin", { messageId: second.messageId });
  await done(ben, "message.delete", { messageId: first.messageId });
  await until("neither is pinned", async () => (await pins(ben)).length === 0);

  const direct = await done(ann, "room.create", { type: "direct", memberIds: [people[1].user.id] });
  const note = await send(ann, direct.room.roomId, "note");
  await until("Ben may", async () => done(ben, "message.pin", { messageId: note.messageId }));

  const channel = await newChannel(ann, ben);
  const word = await send(ben, channel, "word");
  assert.equal((await ask(ben, "message.pin", { messageId: word.messageId })).error, "forbidden");
  await done(ann, "message.pin", { messageId: word.messageId });
});

test("strangers learn nothing of a message by reacting to it or pinning it", async (t) => {
  const { roomId, ann } = await group(t);
  const { messageId } = await send(ann, roomId, "ours");
  const stranger = await connect(t, newUser("Eve"));
  for (const [event, more] of [["message.react", { emoji: "x" }], ["message.pin", {}], ["message.thread", {}]]) {
    assert.equal((await ask(stranger, event, { messageId, ...more })).error, "not_found", event);
  }
  assert.equal((await ask(stranger, "message.pins", { roomId })).error, "not_found");
  assert.equal((await ask(stranger, "message.sync", { roomId, after: 0 })).error, "not_found");
  assert.equal((await ask(stranger, "message.page", { roomId })).error, "not_found");
});

test("a reply quotes the original as it is now, a deleted one by its id alone; a thread reads its replies", async (t) => {
  const { roomId, ann, ben, cem, ids } = await group(t);
  const original = await send(ann, roomId, "original");
  const replies = [];
  const reply = async (socket, content, more = {}) => {
    const told = heard(cem, "message.received", (message) => message.content === content);
    replies.push(await send(socket, roomId, content, { replyToId: original.messageId, ...more }));
    return (await told).replyTo;
  };
  const { messageId } = original;
  assert.deepEqual(await reply(ben, "one"), { messageId, content: "original", senderId: ids[0] });
  const edited = heard(ben, "message.edited", (event) => event.messageId === messageId);
  await done(ann, "message.edit", { messageId, content: "edited" });
  await edited;
  assert.deepEqual(await reply(ben, "two"), { messageId, content: "edited", senderId: ids[0] });
  await send(ben, roomId, "not in the thread");
  const thread = async (socket, more) => done(socket, "message.thread", { messageId, ...more });
  assert.deepEqual((await thread(ben)).messages.map((m) => m.content), ["one", "two"]);
  const page = await thread(ben, { limit: 1 });
  assert.equal(page.hasMore, true);
  assert.deepEqual((await thread(ben, { limit: 1, cursor: page.nextCursor })).messages.map((m) => m.content), ["two"]);
  const deleted = heard(ben, "message.deleted", (event) => event.messageId === messageId);
  await done(ann, "message.delete", { messageId });
  await deleted;
  assert.deepEqual(await reply(ben, "three"), { messageId });
  assert.deepEqual((await thread(ben)).messages.map((m) => m.content), ["one", "two", "three"], "what answered it is still there");
});

test("mentions and ciphertext come back as they were sent, live and from the store", async (t) => {
  const { roomId, ann, ben, ids } = await group(t);
  const told = heard(ben, "message.received", (message) => message.encrypted === true);
  const mentions = [ids[1], "somebody else"];
  await send(ann, roomId, "q83vEjRWeJA=", { mentions, encrypted: true });
  const live = await told;
  assert.deepEqual([live.content, live.mentions, live.encrypted], ["q83vEjRWeJA=", mentions, true]);
  const stored = (await newest(ben, roomId))[0];
  assert.deepEqual([stored.content, stored.mentions, stored.encrypted], ["q83vEjRWeJA=", mentions, true]);
  const many = Array.from({ length: 51 }, (_, i) => `u${i}`);
  assert.equal((await ask(ann, "message.send", { roomId, content: "all", mentions: many })).error, "bad_request");
});
