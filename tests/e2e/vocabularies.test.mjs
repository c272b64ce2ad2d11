// One member in each vocabulary: whatever any of them does reaches the other three in their own words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, connectOn, done, newUser, randomUUID, tokenOf } from "../lib/clients.mjs";
import { GATEWAYS, NGINX } from "../lib/place.mjs";
import { Listener, settled } from "../lib/returning.mjs";
import { hears, says } from "../lib/speech.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const VOCABULARIES = ["dotted", "snake", "cafe", "conversations"];

/** One user in each vocabulary, on gateways in turn. */
async function four(t) {
  const people = [];
  for (const [i, vocabulary] of VOCABULARIES.entries()) {
    const user = newUser({ dotted: "Dot", snake: "Sna", cafe: "Caf", conversations: "Con" }[vocabulary]);
    const socket = await connectOn(t, GATEWAYS[i % GATEWAYS.length], user, { auth: { vocabulary } });
    people.push({ user, socket, vocabulary });
  }
  // Users exist from their first connection on: whoever names them needs them in the store.
  return people;
}

/** The four in a private group that the first of them has made. */
async function group(people) {
  const [maker, ...others] = people;
  const payload = { name: "Babel", memberIds: others.map(({ user }) => user.id), isPrivate: true };
  const told = [heard(others[0].socket, "user_joined"), heard(others[1].socket, "cafe:joined"), heard(others[2].socket, "conversation:updated")];
  const { room } = await until("the users are known", () => done(maker.socket, "room.create", payload));
  await Promise.all(told);
  // Told of a room is not yet live in it: what is told and forgotten would pass them by.
  const live = [
    heard(others[0].socket, "message", ({ content }) => content === "all here?"),
    heard(others[1].socket, "message:new", ({ message: { content } }) => content === "all here?"),
    heard(others[2].socket, "chat:message_received", ({ content }) => content === "all here?"),
  ];
  await done(maker.socket, "message.send", { roomId: room.roomId, content: "all here?" });
  await Promise.all(live);
  return room.roomId;
}

/** A new channel with the four in it. */
async function channel(people) {
  const room = `channel-${randomUUID().slice(0, 8)}`;
  for (const person of people) await say(person, "join", room);
  return room;
}

/** Says it in the person's vocabulary. The ack must be no refusal. */
async function say({ socket, vocabulary }, what, ...args) {
  const [event, payload] = says[vocabulary][what](...args);
  const ack = await ask(socket, event, payload);
  assert.ok(ack && !ack.error && ack.success !== false, `${event}: ${JSON.stringify(ack)}`);
  return ack;
}

/** Everybody but `actor` hears it, each in their own words. Begin to wait before it is done. */
function others(people, actor, what, it, within) {
  const waits = people.filter((person) => person !== actor).map(({ socket, vocabulary }) => {
    const [event, tells] = hears[vocabulary][what];
    return heard(socket, event, (payload) => tells(payload, it()), within);
  });
  return Promise.all(waits);
}

const about = (room, { user }, more = {}) => ({ room, user: user.id, name: user.name, ...more });

/** Does `what` as each of the four in turn; the other three must hear `told` of it. */
async function each(people, what, told, room, prepare = async () => ({})) {
  for (const actor of people) {
    const { args = [], ...more } = await prepare(actor);
    const it = about(room, actor, more);
    const all = others(people, actor, told, () => it);
    const ack = await say(actor, what, ...args);
    if (what === "send") it.message = says[actor.vocabulary].of(ack);
    await all;
  }
}

/** A message by that person, and its id. */
async function message(actor, room, content = "Hello") {
  return says[actor.vocabulary].of(await say(actor, "send", room, content));
}

test("a message sent in any vocabulary reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  for (const actor of people) {
    const content = `Hello from ${actor.vocabulary} — "é" 😀`;
    const seen = people.filter((person) => person !== actor).map(async ({ socket, vocabulary }) => {
      const [event, tells] = hears[vocabulary].sent;
      const got = [];
      socket.on(event, (payload) => got.push(payload));
      return async (it) => until(`${vocabulary} hears it`, () => got.some((payload) => tells(payload, it)));
    });
    const waits = await Promise.all(seen);
    const ack = await say(actor, "send", room, content);
    const it = about(room, actor, { content, message: says[actor.vocabulary].of(ack) });
    await Promise.all(waits.map((wait) => wait(it)));
  }
});

test("an edit in any vocabulary reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  await each(people, "edit", "edited", room, async (actor) => {
    const id = await message(actor, room);
    return { message: id, content: "Edited", args: [id, "Edited"] };
  });
});

test("a deletion in any vocabulary reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  await each(people, "delete", "deleted", room, async (actor) => {
    const id = await message(actor, room);
    return { message: id, args: [id] };
  });
});

test("a reaction in any vocabulary, and its taking back, reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  const id = await message(people[0], room);
  const emoji = "👍🏽";
  await each(people, "react", "reacted", room, async () => ({ message: id, emoji, args: [id, emoji] }));
  await each(people, "unreact", "unreacted", room, async () => ({ message: id, emoji, args: [id, emoji] }));
});

test("reading in any vocabulary reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  for (const actor of people) {
    const sender = people.find((person) => person !== actor);
    const id = await message(sender, room, `for ${actor.vocabulary}`);
    const it = about(room, actor, { message: id });
    const all = others(people, actor, "read", () => it);
    await say(actor, "read", id, room);
    await all;
  }
});

test("typing in any vocabulary reaches the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await group(people);
  await each(people, "type", "typing", room, async () => ({ args: [room, true] }));
});

test("joining and leaving in any vocabulary reach the other three in their own words", async (t) => {
  const people = await four(t);
  const room = await channel(people);
  for (const actor of people) {
    const it = about(room, actor);
    const left = others(people, actor, "left", () => it);
    await say(actor, "leave", room);
    await left;
    const joined = others(people, actor, "joined", () => it);
    await say(actor, "join", room);
    await joined;
  }
});

test("who goes away is told in each vocabulary's own words, away and busy as online where it knows two", async (t) => {
  const people = await four(t);
  await group(people);
  for (const actor of people.filter(({ vocabulary }) => says[vocabulary].away)) {
    const it = about(undefined, actor);
    const all = others(people, actor, "away", () => it);
    await say(actor, "away");
    await all;
  }
  // And who is gone.
  const gone = people[3];
  const it = about(undefined, gone);
  const all = others(people, gone, "offline", () => it, 30_000);
  gone.socket.close();
  await all;
});

test("ciphertext is carried untouched between vocabularies and marked as what it is", async (t) => {
  const people = await four(t);
  const room = await group(people);
  const [dotted, snake, cafe, conversations] = people.map(({ socket }) => socket);
  const secret = "c2VjcmV0IPCfmIA=";
  const told = [
    heard(dotted, "message.received", (m) => m.content === secret && m.encrypted === true),
    heard(snake, "message", (m) => m.content === secret && m.encrypted === true),
    heard(cafe, "message:new", ({ message: m }) => m.content === secret && m.encrypted === true),
    heard(conversations, "chat:message_received", (m) => m.content_encrypted === secret && m.is_encrypted === true && !("content" in m)),
  ];
  const ack = await ask(conversations, "chat:message_send", { conversationId: room, contentEncrypted: secret });
  assert.equal(ack.success, true, JSON.stringify(ack));
  await Promise.all(told);
});

test("a refusal has each vocabulary's own form, by ack and without one", async (t) => {
  const people = await four(t);
  const nowhere = "group_nowhere";
  for (const { socket, vocabulary } of people) {
    const [event, payload] = says[vocabulary].send(nowhere, "x");
    const ack = await ask(socket, event, payload);
    assert.equal(ack.error, "not_found", vocabulary);
    assert.ok(ack.message);
    if (vocabulary === "snake" || vocabulary === "cafe") assert.equal(ack.code, "not_found");
    if (vocabulary === "conversations") assert.equal(ack.success, false);
    const name = { dotted: "message.sent", snake: "error", cafe: "error", conversations: "chat:error" }[vocabulary];
    const error = heard(socket, name);
    socket.emit(event, payload);
    const told = await error;
    const code = { dotted: "error", snake: "code", cafe: "code", conversations: "error" }[vocabulary];
    assert.equal(told[code], "not_found", vocabulary);
    assert.ok(told.message);
  }
});

test("a café's newcomer is told the last 50 messages, newest first, and who is there", async (t) => {
  const [dot, caf] = [newUser("Dot"), newUser("Caf")];
  const socket = await connect(t, dot);
  const room = `cafe-${randomUUID().slice(0, 8)}`;
  await done(socket, "room.join", { roomId: room });
  for (let i = 0; i < 53; i++) await done(socket, "message.send", { roomId: room, content: `${i}` });
  // No vocabulary named: its first event decides.
  const guest = client(t, NGINX, { token: await tokenOf(caf) });
  const connected = heard(guest, "connected");
  guest.connect();
  assert.equal((await connected).userId, caf.id);
  const page = heard(guest, "message:history");
  const ack = await ask(guest, "join:cafe", { cafeId: room });
  assert.equal(ack.cafeId, room);
  assert.equal(ack.userCount, 2);
  const { messages } = await page;
  assert.deepEqual(messages.map(({ content }) => content), Array.from({ length: 50 }, (_, i) => `${52 - i}`));
  for (const message of messages) {
    assert.deepEqual([message.cafeId, message.userId, message.username, message.deleted], [room, dot.id, dot.name, false]);
    assert.ok(message.id && !Number.isNaN(Date.parse(message.createdAt)));
  }
});

test("a café takes 500 characters and no more, and the text is not lost on the way", async (t) => {
  const [caf] = [newUser("Caf")];
  const socket = await connect(t, caf, { auth: { vocabulary: "cafe" } });
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  await ask(socket, "join:cafe", { cafeId });
  const content = "é".repeat(500);
  const back = heard(socket, "message:new", ({ message }) => message.content === content);
  assert.ok((await ask(socket, "message:send", { cafeId, content })).id);
  await back;
  assert.equal((await ask(socket, "message:send", { cafeId, content: `${content}x` })).code, "content_too_long");
});

test("nobody in a café is told of their own coming and typing", async (t) => {
  const caf = newUser("Caf");
  const socket = await connect(t, caf, { auth: { vocabulary: "cafe" } });
  const other = await connect(t, newUser("Eve"), { auth: { vocabulary: "cafe" } });
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  await ask(other, "join:cafe", { cafeId });
  const own = [];
  socket.on("users:update", (e) => e.user?.id === caf.id && own.push(e));
  socket.on("typing:indicator", (e) => e.userId === caf.id && own.push(e));
  const typing = heard(other, "typing:indicator", (e) => e.userId === caf.id);
  await ask(socket, "join:cafe", { cafeId });
  await ask(socket, "typing:start", { cafeId });
  await typing;
  await sleep(500);
  assert.deepEqual(own, []);
});

test("a conversations client that comes back hears reconnect, and what it missed", async (t) => {
  const people = await four(t);
  const room = await group(people);
  const { socket } = people[3];
  // There is a place to come back to once it was told.
  await settled(new Listener(socket));
  const again = heard(socket, "reconnect", () => true, 20_000);
  const missed = heard(socket, "chat:message_received", (m) => m.content === "meanwhile", 20_000);
  socket.io.engine.close();
  const id = await message(people[0], room, "meanwhile");
  const argument = await again;
  assert.deepEqual(argument, {});
  assert.equal(socket.recovered, true);
  assert.equal((await missed).id, id);
  // It goes on in its own vocabulary.
  const next = heard(socket, "chat:message_received", (m) => m.content === "after");
  await message(people[1], room, "after");
  await next;
});

for (const vocabulary of VOCABULARIES) {
  test(`${vocabulary} can be named at connect, and a socket keeps to it`, async (t) => {
    const socket = await connect(t, newUser("Ann"), { auth: { vocabulary } });
    const other = VOCABULARIES.find((name) => name !== vocabulary);
    const [event, payload] = says[other].join("somewhere");
    const ack = await ask(socket, event, payload);
    assert.equal(ack.error, "unknown_event");
    assert.match(ack.message, new RegExp(`is ${other}; this socket speaks ${vocabulary}$`));
  });

  test(`a socket speaks ${vocabulary} from its first event on`, async (t) => {
    const socket = await connect(t, newUser("Ann"));
    const [event, payload] = says[vocabulary].join(`channel-${randomUUID().slice(0, 8)}`);
    const ack = await ask(socket, event, payload);
    assert.ok(!ack.error, JSON.stringify(ack));
    const other = VOCABULARIES.find((name) => name !== vocabulary);
    const [strange, said] = says[other].join("somewhere");
    assert.equal((await ask(socket, strange, said)).error, "unknown_event");
  });
}
