// A stock client that comes back gets what it missed, in order, with no code of its own (DESIGN.md §4).
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, connectOn, done, gatewayOf, newChannel, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { redis } from "../lib/cluster.mjs";
import { NGINX, gatewayUrl } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { RawClient } from "../lib/raw.mjs";
import { Listener, comeBack, goAway, settled } from "../lib/returning.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const names = (count, prefix = "m") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Sends all of these, in order, and waits for the acks. */
async function sendAll(socket, roomId, contents) {
  const acks = [];
  for (const content of contents) acks.push(send(socket, roomId, content, {}, 30_000));
  return Promise.all(acks);
}

/** Ann and Ben in a group; Ben's socket is listened to. */
async function pair(t, { isPrivate = true, ...options } = {}) {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connect(t, ben, options);
  const listener = new Listener(b);
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }], "Test", { isPrivate });
  return { ann, ben, a, b, listener, roomId };
}

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  test(`who was cut off gets every message, edit, delete and join that it missed, in order, over ${transports.join(" and ")}`, async (t) => {
    const { a, b, listener, roomId } = await pair(t, { transports, isPrivate: false });
    const [first] = await sendAll(a, roomId, ["seen", "seen too"]);
    await until("Ben has both", () => listener.contents(roomId).length === 2);
    await settled(listener);
    const pid = b._pid;
    await goAway(b);

    const missed = await sendAll(a, roomId, names(5));
    await done(a, "message.edit", { messageId: missed[1].messageId, content: "m1, better" });
    await done(a, "message.delete", { messageId: first.messageId });
    const cem = newUser("Cem");
    const c = await connect(t, cem);
    await done(c, "room.join", { roomId });
    await send(a, roomId, "last");

    assert.equal(await comeBack(b), true);
    assert.equal(b._pid, pid);
    await until("Ben has the last", () => listener.contents(roomId).includes("last"));
    // Receipts of others come when they come.
    const got = listener.of(roomId, "message.received", "message.edited", "message.deleted", "room.joined");
    const seqs = got.map(({ seq }) => seq);
    assert.deepEqual(seqs, [...seqs].sort((x, y) => x - y), "in order");
    assert.equal(new Set(seqs).size, seqs.length, "each once");
    const spoken = got.filter(({ type }) => type !== "system");
    const expected = [
      ...missed.map(({ messageId }) => ["message.received", messageId]),
      ["message.edited", missed[1].messageId],
      ["message.deleted", first.messageId],
      ["room.joined", undefined],
    ];
    assert.deepEqual(spoken.slice(0, -1).map(({ name, messageId }) => [name, messageId]), expected);
    const told = await until("Ben is told how his rooms stand", () => listener.heard.find(({ name }) => name === "connection.authenticated"));
    assert.ok(told.rooms.some((room) => room.roomId === roomId));

    // And it is live, with a place that it can come back to once more.
    await send(a, roomId, "live");
    await until("Ben hears it", () => listener.contents(roomId).includes("live"));
    await settled(listener);
    await goAway(b);
    await send(a, roomId, "again");
    assert.equal(await comeBack(b), true);
    await until("Ben has it", () => listener.contents(roomId).includes("again"));
    assert.deepEqual(listener.contents(roomId), ["again"]);
  });
}

test("a stock client whose transport breaks comes back by itself, to any gateway, and has missed nothing", async (t) => {
  const { a, b, listener, roomId } = await pair(t);
  await settled(listener);
  const gateways = new Set();
  const { id } = b;
  for (let round = 0; round < 6; round++) {
    const back = heard(b, "connect");
    b.io.engine.transport.ws.terminate();
    await send(a, roomId, `away ${round}`);
    await back;
    assert.equal(b.recovered, true);
    assert.equal(b.id, id, "the socket's id is the same");
    gateways.add(gatewayOf(b));
    await until("Ben has it", () => listener.all.some(({ content }) => content === `away ${round}`));
    await settled(listener);
  }
  const all = listener.all.filter(({ roomId: room, type }) => room === roomId && type === "text");
  assert.deepEqual(all.map(({ content }) => content), names(6, "away "));
  t.diagnostic(`it came back to ${[...gateways].sort().join(", ")}`);
});

test("who missed nothing hears nothing again", async (t) => {
  const { a, b, listener, roomId } = await pair(t);
  await sendAll(a, roomId, names(3));
  await until("Ben has them", () => listener.contents(roomId).length === 3);
  await settled(listener);
  await goAway(b);
  assert.equal(await comeBack(b), true);
  await send(a, roomId, "next");
  await until("Ben has the next", () => listener.contents(roomId).length > 0);
  assert.deepEqual(listener.of(roomId, "message.received").map(({ content }) => content), ["next"]);
});

test("who is in 200 rooms gets what was said in each of them", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connect(t, ben);
  const listener = new Listener(b);
  const rooms = [];
  for (let i = 0; i < 200; i += 20) {
    const some = Array.from({ length: 20 }, (_, n) =>
      done(a, "room.create", { type: "group", name: `Group ${i + n}`, memberIds: [ben.id], isPrivate: true }));
    rooms.push(...(await Promise.all(some)).map(({ room }) => room.roomId));
  }
  const told = () => new Set(listener.all.filter(({ name }) => name === "room.created").map(({ roomId }) => roomId)).size;
  await until("Ben is in all of them", () => told() === 200 || Promise.reject(new Error(`${told()} rooms`)));
  await Promise.all(rooms.map((roomId) => send(a, roomId, "seen")));
  await until("Ben has seen all", () => rooms.every((roomId) => listener.contents(roomId).includes("seen")), { within: 20_000 });
  await settled(listener);
  await goAway(b);
  for (const round of names(3)) await Promise.all(rooms.map((roomId) => send(a, roomId, round)));
  assert.equal(await comeBack(b), true);
  const sent = send(a, rooms[77], "live");
  await until("Ben has all", () => rooms.every((roomId) => listener.contents(roomId).length >= 3), { within: 20_000 });
  await sent;
  await until("Ben has the last", () => listener.contents(rooms[77]).length === 4);
  for (const roomId of rooms) {
    assert.deepEqual(listener.contents(roomId), roomId === rooms[77] ? [...names(3), "live"] : names(3));
  }
});

test("rooms that were joined, left and entered while the client was away are as they are now", async (t) => {
  const { ann, ben, a, b, listener, roomId: left } = await pair(t);
  const stays = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }], "Stays");
  await settled(listener);
  await goAway(b);
  const other = await connect(t, ben);
  const { room } = await done(a, "room.create", { type: "group", name: "New", memberIds: [ben.id], isPrivate: true });
  await sendAll(a, room.roomId, names(3, "new "));
  await sendAll(a, left, names(2, "before "));
  await done(other, "room.leave", { roomId: left });
  await sendAll(a, left, names(2, "after "));
  await sendAll(a, stays, ["here"]);
  assert.equal(await comeBack(b), true);
  await until("Ben has heard of all", () => listener.contents(room.roomId).length === 3 && listener.contents(stays).length === 1);
  await until("and that he left", () => listener.of(left, "room.left").length === 1);
  const ofLeft = listener.of(left, "message.received", "room.left");
  assert.deepEqual(ofLeft.map(({ name, content }) => content ?? name), [...names(2, "before "), "room.left"]);
  assert.deepEqual(listener.contents(room.roomId).filter((content) => /^new/.test(content)), names(3, "new "));
  assert.equal(listener.of(room.roomId)[0].name, "room.created", "the room comes before what was said in it");
  await sendAll(a, left, ["not for Ben"]);
  await sendAll(a, room.roomId, ["live"]);
  await until("Ben is live in the new room", () => listener.contents(room.roomId).includes("live"));
  assert.deepEqual(listener.contents(left), names(2, "before "));
});

test("what was said and taken back while clients were away is told to none of them, nor in catching up", async (t) => {
  const { ann, ben, a, b, listener, roomId: own } = await pair(t);
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }], "Theirs");
  await settled(listener);
  await goAway(b);
  for (const room of [own, roomId]) {
    const [secret] = await sendAll(a, room, ["a secret", "no secret"]);
    // Of one room he is out when it is taken back: that comes behind what he may read.
    if (room === roomId) await done(a, "room.members.remove", { roomId, memberIds: [ben.id] });
    const gone = heard(a, "message.deleted", ({ messageId }) => messageId === secret.messageId);
    await done(a, "message.delete", { messageId: secret.messageId, roomId: room });
    await gone;
  }
  assert.equal(await comeBack(b), true);
  await until("Ben hears the end of both", () => listener.of(own, "message.deleted").length === 1 && listener.of(roomId, "room.left").length === 1);
  for (const room of [own, roomId]) assert.deepEqual(listener.contents(room), ["no secret"]);
  for (const [socket, room] of [[a, own], [a, roomId], [b, own], [b, roomId]]) {
    const events = [];
    for (let after = "0", more = true; more; ) {
      const page = await until("it may be read", () => done(socket, "message.sync", { roomId: room, after, limit: 2 }));
      events.push(...page.events);
      [after, more] = [page.nextCursor, page.hasMore];
    }
    const contents = events.map(({ data }) => data.content).filter((content) => /secret/.test(content));
    assert.deepEqual(contents, ["no secret"]);
  }
});

test("a client that is cut off right after it was told of a room is in it when it is back", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connect(t, ben);
  const listener = new Listener(b);
  await settled(listener);
  const cut = () => b.io.engine.transport.ws.terminate();
  for (let round = 0; round < 10; round++) {
    b.once("room.created", cut);
    const back = heard(b, "connect");
    const { room } = await done(a, "room.create", { type: "group", name: `G${round}`, memberIds: [ben.id], isPrivate: true });
    await back;
    assert.equal(b.recovered, true);
    await send(a, room.roomId, "are you there?");
    await until("Ben hears it", () => listener.contents(room.roomId).includes("are you there?"));
  }
});

test("rooms entered since the client was last told its snapshot are remembered", async (t) => {
  const { ann, ben, a, b, listener, roomId } = await pair(t);
  await settled(listener);
  // Within ten seconds of the first snapshot: these are named in the offset alone.
  const group = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }], "Second");
  const channel = await newChannel(a, b);
  await settled(listener);
  await goAway(b);
  for (const room of [roomId, group, channel]) await send(a, room, "missed");
  assert.equal(await comeBack(b), true);
  await until("Ben has all three", () => [roomId, group, channel].every((room) => listener.contents(room).length === 1));
  await send(a, channel, "live");
  await until("Ben is in the channel", () => listener.contents(channel).includes("live"));
});

test("who comes back to a channel was never gone from it", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connect(t, ben);
  const listener = new Listener(b);
  const channel = await newChannel(a, b);
  await settled(listener);
  const told = [];
  a.on("room.left", (event) => told.push(event));
  // Its gateway does not know yet that it is gone.
  const raw = b.io.engine.transport.ws;
  raw.pause();
  const copy = client(t, NGINX, { token: await tokenOf(ben) });
  Object.assign(copy, { _pid: b._pid, _lastOffset: b._lastOffset });
  const second = new Listener(copy);
  assert.equal(await comeBack(copy), true);
  const closed = heard(b, "disconnect", () => true, 15_000);
  b.io.reconnection(false);
  raw.resume();
  await closed;
  await send(a, channel, "still here?");
  await until("the one that came back hears it", () => second.contents(channel).includes("still here?"));
  assert.deepEqual(told.filter(({ userId }) => userId === ben.id), []);
});

test("another user's session, a forged one and an expired one are not recovered, and begin as usual", async (t) => {
  const { ann, ben, a, b, listener, roomId } = await pair(t);
  await settled(listener);
  const [pid, offset] = [b._pid, b._lastOffset];
  await goAway(b);
  const delivered = heard(a, "message.received", ({ content }) => content === "missed");
  await send(a, roomId, "missed");
  await delivered;

  const begin = async (user, presents) => {
    const socket = client(t, NGINX, { token: await tokenOf(user) });
    Object.assign(socket, presents);
    const heardOf = new Listener(socket);
    assert.equal(await comeBack(socket), false);
    await until("it begins as usual", () => heardOf.heard.some(({ name }) => name === "connection.authenticated"));
    assert.notEqual(socket._pid, pid);
    assert.deepEqual(heardOf.contents(roomId), []);
    socket.close();
  };
  await begin(ann, { _pid: pid, _lastOffset: offset });
  await begin(ben, { _pid: `${pid.slice(0, -3)}xxx`, _lastOffset: offset });
  await begin(ben, { _pid: pid, _lastOffset: offset.replace(/.$/, (last) => (last === "A" ? "B" : "A")) });
  await begin(ben, { _pid: pid, _lastOffset: "something else" });
  await begin(ben, { _pid: "x".repeat(10_000), _lastOffset: "1.2.3.4" });
  await begin(ben, { _pid: pid });

  const key = (await redis("--scan", "--pattern", `*s:${pid}`)).trim();
  assert.ok(Number(await redis("pttl", key)) <= 70 * 60_000 && Number(await redis("pttl", key)) > 59 * 60_000);
  // What an hour does.
  await redis("pexpire", key, "1");
  assert.equal(await comeBack(b), false);
  await until("Ben begins as usual", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  await settled(listener);

  // The session that has just begun can be come back to.
  await goAway(b);
  await send(a, roomId, "missed again");
  assert.equal(await comeBack(b), true);
  await until("Ben has it", () => listener.contents(roomId).length === 1);
});

test("an offset left over from another session is ignored", async (t) => {
  const { a, b, listener, roomId } = await pair(t);
  await settled(listener);
  const left = b._lastOffset;
  const key = (await redis("--scan", "--pattern", `*s:${b._pid}`)).trim();
  await goAway(b);
  await redis("del", key);
  assert.equal(await comeBack(b), false);
  await settled(listener);
  const [pid, offset] = [b._pid, b._lastOffset];
  assert.notEqual(offset, left);
  await goAway(b);
  // As if it had been cut off before its new session said anything.
  b._lastOffset = left;
  assert.equal(await comeBack(b), false, "there is nothing to go on from");
  await settled(listener);
  await goAway(b);
  Object.assign(b, { _pid: pid, _lastOffset: offset });
  await send(a, roomId, "missed");
  assert.equal(await comeBack(b), true, "but nobody was punished for it");
  await until("Ben has it", () => listener.contents(roomId).length === 1);
});

test("a thousand missed events come in pages, one more is a new beginning", async (t) => {
  const { a, b, listener, roomId } = await pair(t);
  await sendAll(a, roomId, ["seen"]);
  await until("Ben has seen it", () => listener.contents(roomId).length === 1);
  await settled(listener);
  const filler = "x".repeat(1_000);
  const many = async (count) => {
    for (let i = 0; i < count; i += 100) {
      const contents = names(Math.min(100, count - i), `${filler} ${i / 100} `);
      // An ack comes before the room's head has moved.
      const delivered = heard(a, "message.received", ({ content }) => content === contents.at(-1));
      await sendAll(a, roomId, contents);
      await delivered;
    }
  };
  await goAway(b);
  await many(1_000);
  assert.equal(await comeBack(b), true);
  await until("Ben has a thousand", () => listener.contents(roomId).length >= 1_000, { within: 30_000 });
  await send(a, roomId, "live");
  await until("and is live", () => listener.contents(roomId).includes("live"));
  assert.equal(listener.contents(roomId).length, 1_001);
  const seqs = listener.of(roomId, "message.received").map(({ seq }) => seq);
  assert.ok(seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]), "in order, each once");
  await settled(listener);

  await goAway(b);
  await many(1_001);
  assert.equal(await comeBack(b), false);
  await until("Ben begins as usual", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  assert.deepEqual(listener.contents(roomId), []);
  const { rooms } = listener.heard.find(({ name }) => name === "connection.authenticated");
  assert.ok(rooms.find((room) => room.roomId === roomId).unreadCount >= 1_001);
  await send(a, roomId, "live again");
  await until("and is live", () => listener.contents(roomId).includes("live again"));
});

test("messages go on coming while a client catches up, and it gets each of them once", async (t) => {
  const { a, b, listener, roomId } = await pair(t);
  await settled(listener);
  let sent = 0;
  const acks = [];
  const flood = setInterval(() => acks.push(send(a, roomId, `m${sent++}`, {}, 20_000)), 3);
  t.after(() => clearInterval(flood));
  for (let round = 0; round < 8; round++) {
    const goal = sent + 40;
    await until("more was said", () => sent >= goal);
    await goAway(b);
    await until("and more", () => sent >= goal + 60);
    assert.equal(await comeBack(b), true);
  }
  clearInterval(flood);
  await Promise.all(acks);
  await until("Ben has the last", () => listener.contents(roomId).includes(`m${sent - 1}`), { within: 20_000 });
  const all = listener.all.filter(({ roomId: room, type }) => room === roomId && type === "text");
  const seen = new Set();
  const fresh = all.filter(({ messageId }) => !seen.has(messageId) && seen.add(messageId));
  assert.deepEqual(fresh.map(({ content }) => content), names(sent), "none is missing, none is out of order");
  t.diagnostic(`${sent} messages, ${all.length - fresh.length} of them came again after a cut`);
  // At most what was written between a message and its offset comes again.
  assert.ok(all.length - fresh.length <= 8 * 20);
});

test("a resume closes the connection that the session had before, on whichever gateway", async (t) => {
  const ben = newUser("Ben");
  const raw = await RawClient.connect(t, ben, { url: gatewayUrl("gateway-1") });
  const offset = await until("it was told its place", () => raw.events.findLast(([name]) => name === "parlor.offset")?.[1]);
  const pid = raw.pid;
  let before;
  for (const gateway of ["gateway-1", "gateway-2"]) {
    const next = client(t, gatewayUrl(gateway), { token: await tokenOf(ben) });
    Object.assign(next, { _pid: pid, _lastOffset: offset });
    const listener = new Listener(next);
    assert.equal(await comeBack(next), true);
    if (gateway === "gateway-1") await raw.closed;
    else await until("the one before is gone", () => !before.connected);
    next.io.reconnection(false);
    await settled(listener);
    before = next;
  }
});

test("who authenticates by event gets what it missed then, and a guest needs no token", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = client(t, NGINX, { vocabulary: "dotted" });
  const listener = new Listener(b);
  const token = await tokenOf(ben);
  b.on("connect", () => b.emit("connection.authenticate", { token }));
  b.connect();
  await until("Ben is authenticated", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  await settled(listener);
  await goAway(b);
  await send(a, roomId, "missed");
  assert.equal(await comeBack(b), true);
  await until("Ben has it", () => listener.contents(roomId).length === 1);
  await until("and his answer", () => listener.heard.some(({ name }) => name === "connection.authenticated"));

  const guest = client(t, NGINX, { name: "Gus", vocabulary: "dotted" });
  const heardOf = new Listener(guest);
  guest.connect();
  await until("the guest is somebody", () => heardOf.heard.some(({ name }) => name === "connection.authenticated"));
  const channel = await newChannel(a, guest);
  await settled(heardOf);
  await goAway(guest);
  await send(a, channel, "missed");
  guest.auth = {};
  assert.equal(await comeBack(guest), true);
  await until("the guest has it", () => heardOf.contents(channel).length === 1);
  await send(guest, channel, "thanks");
  await until("under the same name", () => heardOf.of(channel, "message.received").some(({ senderName }) => senderName === "Gus"));
});

test("who said goodbye is not recovered", async (t) => {
  const { b, listener } = await pair(t);
  await settled(listener);
  const pid = b._pid;
  b.disconnect();
  await until("the session is over", async () => (await redis("--scan", "--pattern", `*s:${pid}`)).trim() === "");
  assert.equal(await comeBack(b), false);
});

test("one process by itself lets its clients come back too", async (t) => {
  const url = await solo(t);
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url });
  const b = await connect(t, ben, { url });
  const listener = new Listener(b);
  const group = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  const channel = await newChannel(a, b);
  await settled(listener);
  await goAway(b);
  for (const roomId of [group, channel]) await sendAll(a, roomId, names(120));
  assert.equal(await comeBack(b), true);
  await until("Ben has all", () => [group, channel].every((roomId) => listener.contents(roomId).length === 120));
  for (const roomId of [group, channel]) assert.deepEqual(listener.contents(roomId), names(120));
});

test("the place is kept across a change of gateway in a snake client, whose vocabulary is remembered", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connectOn(t, "gateway-2", ben, { auth: { vocabulary: "snake" } });
  const listener = new Listener(b);
  const channel = await newChannel(a);
  assert.ok(!(await b.timeout(5_000).emitWithAck("join_room", { roomId: channel })).error);
  await settled(listener);
  await goAway(b);
  b.auth = { token: await tokenOf(ben) };
  await send(a, channel, "missed");
  assert.equal(await comeBack(b), true);
  await until("Ben has it in his words", () => listener.heard.some(({ name, content }) => name === "message" && content === "missed"));
  assert.ok(!listener.heard.some(({ name }) => name === "message.received"));
});

test("a session is only for who authenticates anew, and one that is over begins with rooms, unread counts and what waited", async (t) => {
  const url = await solo(t, "auth.guests=false", "gateway.resume_within=2s");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url });
  const b = client(t, url, { token: await tokenOf(ben), vocabulary: "dotted" });
  const listener = new Listener(b);
  b.connect();
  await until("Ben is in", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  await settled(listener);
  const session = { _pid: b._pid, _lastOffset: b._lastOffset };
  await goAway(b);
  await send(a, roomId, "missed");

  const nobody = Object.assign(client(t, url, { vocabulary: "dotted" }), session);
  const heardOf = new Listener(nobody);
  nobody.connect();
  await until("it is asked for a token", () => heardOf.heard.length > 0);
  assert.equal((await ask(nobody, "message.send", { roomId, content: "mine" })).error, "unauthorized");
  assert.deepEqual(heardOf.contents(roomId), [], "it is told nothing of the session's rooms");
  nobody.close();
  const forger = Object.assign(client(t, url, { token: "not.a.token", vocabulary: "dotted" }), session);
  const refused = heard(forger, "connect_error");
  forger.connect();
  assert.equal((await refused).message, "Invalid token");
  forger.close();

  // The setting, and the second in which the server saw it last.
  await sleep(4_000);
  assert.equal(await comeBack(b), false);
  const welcome = await until("Ben begins as usual", () => listener.heard.find(({ name }) => name === "connection.authenticated"));
  const room = welcome.rooms.find((room) => room.roomId === roomId);
  assert.ok(room.unreadCount >= 1, JSON.stringify(room));
  await until("what waited is there", () => listener.contents(roomId).includes("missed"));
});
