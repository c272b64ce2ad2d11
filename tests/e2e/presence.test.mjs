// Typing and presence: best effort, told to those who share a room, over by themselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, connectOn, done, newChannel, newGroup, newUser, send } from "../lib/clients.mjs";
import { metrics } from "../lib/metrics.mjs";
import { extraGateway } from "../lib/process.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

async function group(t, count = 2) {
  const people = [];
  for (let n = 0; n < count; n++) {
    const user = newUser(["Ann", "Ben", "Cem"][n]);
    people.push({ user, socket: await connectOn(t, `gateway-${n + 1}`, user) });
  }
  return { people, roomId: await newGroup(people[0], people.slice(1)) };
}

function record(socket, event) {
  const events = [];
  socket.on(event, (payload) => events.push(payload));
  return events;
}

test("typing is told to the others with its name, and never to the typist", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  // Told of a room, a socket enters it; typing is for those who are there.
  const there = heard(ben.socket, "message.received", ({ content }) => content === "first");
  await send(ann.socket, roomId, "first");
  await there;
  const own = record(ann.socket, "typing.user");
  const begin = heard(ben.socket, "typing.user", ({ isTyping }) => isTyping);
  await done(ann.socket, "typing.start", { roomId, userId: "ignored", userName: "Ignored" });
  assert.deepEqual(await begin, { roomId, userId: ann.user.id, userName: "Ann", isTyping: true });
  const end = heard(ben.socket, "typing.user", ({ isTyping }) => !isTyping);
  await done(ann.socket, "typing.stop", { roomId });
  assert.deepEqual(await end, { roomId, userId: ann.user.id, userName: "Ann", isTyping: false });
  assert.deepEqual(own, []);
});

test("typing ends by itself after 5 s, and at once with a message or a lost connection", async (t) => {
  const { people, roomId } = await group(t, 3);
  const [ann, ben, cem] = people;
  const ends = (user) => heard(ben.socket, "typing.user", (event) => event.userId === user.id && !event.isTyping);
  const begun = Date.now();
  const byItself = ends(ann.user);
  await done(ann.socket, "typing.start", { roomId });
  await byItself;
  const after = Date.now() - begun;
  assert.ok(after > 4_500 && after < 8_000, `ended after ${after} ms`);

  const withMessage = ends(ann.user);
  await done(ann.socket, "typing.start", { roomId });
  await send(ann.socket, roomId, "said");
  await withMessage;

  const withConnection = ends(cem.user);
  const typing = heard(ben.socket, "typing.user", ({ userId, isTyping }) => userId === cem.user.id && isTyping);
  await done(cem.socket, "typing.start", { roomId });
  await typing;
  cem.socket.close();
  await withConnection;
});

test("typing is passed on at most once in 2 s", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const seen = record(ben.socket, "typing.user");
  const begun = Date.now();
  while (Date.now() - begun < 3_000) {
    await done(ann.socket, "typing.start", { roomId });
    await sleep(100);
  }
  await until("the first is seen", () => seen.length);
  assert.ok(seen.every(({ isTyping }) => isTyping));
  assert.ok(seen.length <= 2, `${seen.length} signals in 3 s`);
});

test("who shares a room is told that a user came online and, 10 s after the last socket, went offline", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const updates = record(ann.socket, "presence.status.update");
  const tab = await connect(t, ben.user);
  ben.socket.close();
  // One socket is left: nothing changes.
  await done(ann.socket, "message.history", { roomId });
  // The grace of the one that went first is over before that of the last.
  await sleep(4_000);
  const offline = heard(ann.socket, "presence.offline", ({ userId }) => userId === ben.user.id, 20_000);
  const closed = Date.now();
  tab.close();
  const { lastSeen } = await offline;
  const after = Date.now() - closed;
  assert.ok(after > 9_000, `offline after ${after} ms, within the grace`);
  assert.ok(Math.abs(Date.parse(lastSeen) - closed) < 3_000, `last seen ${lastSeen}, closed ${new Date(closed).toISOString()}`);
  assert.deepEqual(updates.filter(({ userId }) => userId === ben.user.id).map(({ status }) => status), ["offline"]);

  const online = heard(ann.socket, "presence.online", ({ userId }) => userId === ben.user.id);
  await connect(t, ben.user);
  const event = await online;
  assert.equal(event.status, "online");
  assert.ok(!Number.isNaN(Date.parse(event.timestamp)));
});

test("a client that is back within the grace was never away", async (t) => {
  const { people } = await group(t);
  const [ann, ben] = people;
  const changes = record(ann.socket, "presence.status.update");
  const back = heard(ben.socket, "connection.authenticated");
  ben.socket.io.engine.close();
  await back;
  // Longer than the grace: an absence that was noticed would be told by then.
  await sleep(11_500);
  assert.deepEqual(changes.filter(({ userId }) => userId === ben.user.id), []);
});

test("snake hears presence_update and a heartbeat every 15 s", async (t) => {
  const dotted = await connect(t, newUser("Ann"));
  const roomId = await newChannel(dotted);
  const snake = await connect(t, newUser("Ben"), { auth: { vocabulary: "snake" } });
  await done(snake, "join_room", { roomId });
  const beats = [];
  snake.on("heartbeat", () => beats.push(Date.now()));
  const third = newUser("Cem");
  const update = heard(snake, "presence_update", ({ userId }) => userId === third.id);
  const socket = await connect(t, third);
  await done(socket, "room.join", { roomId });
  assert.deepEqual(await update, { userId: third.id, status: "online" });
  assert.deepEqual(await ask(snake, "heartbeat"), {});
  await until("two of them came", () => beats.length >= 2, { within: 40_000 });
  const every = beats[1] - beats[0];
  assert.ok(every > 13_000 && every < 20_000, `the next came after ${every} ms`);
});

test("a change of presence is told to rooms and not to users: it costs as much in a room of two as in one of twelve", async (t) => {
  const url = await extraGateway(t, "presence-rooms");
  const published = async () => (await metrics(url))("parlor_redis_command_seconds_count", 'operation="publish"') ?? 0;
  const ann = { user: newUser("Ann") };
  ann.socket = await connect(t, ann.user);
  const costs = [];
  for (const others of [0, 10]) {
    // Alone on a gateway of their own, so that what it publishes is theirs.
    const ben = { user: newUser("Ben") };
    ben.socket = await connect(t, ben.user, { url });
    const crowd = [];
    for (let n = 0; n < others; n++) {
      const user = newUser(`Cem${n}`);
      crowd.push({ user, socket: await connect(t, user) });
    }
    await newGroup(ann, [ben, ...crowd]);
    // What was said of the making is delivered and confirmed.
    await sleep(5_000);
    const before = await published();
    for (const status of ["away", "busy", "away", "busy", "away"]) {
      const told = [ann, ...crowd].map(({ socket }) =>
        heard(socket, "presence.status.update", (update) => update.userId === ben.user.id && update.status === status));
      await done(ben.socket, "presence.status.update", { status });
      await Promise.all(told);
    }
    // A publication is counted when Redis has answered: others may have heard it before.
    await until("each is counted", async () => (await published()) - before >= 5);
    costs.push((await published()) - before);
    ben.socket.close();
    await sleep(500);
  }
  // One for each change; and a receipt or two that came late.
  assert.ok(costs.every((cost) => cost < 15), `${costs} published`);
});
