// Direct rooms, groups and channels: who is in them, and what they are told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../lib/checker.mjs";
import { storedIds } from "../lib/cluster.mjs";
import { ask, connect, connectOn, done, history, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { rest } from "../lib/rest.mjs";
import { heard, until } from "../lib/wait.mjs";

async function person(t, name, gateway) {
  const user = newUser(name);
  return { user, socket: gateway ? await connectOn(t, gateway, user) : await connect(t, user) };
}
const directId = (a, b) => `direct_${[a.user.id, b.user.id].sort().map(encodeURIComponent).join("_")}`;

test("the first message to a partner makes the direct room, and both are in it", async (t) => {
  const [ann, ben] = [await person(t, "Ann", "gateway-1"), await person(t, "Ben", "gateway-2")];
  const roomId = directId(ann, ben);
  const received = heard(ben.socket, "message.received", (message) => message.roomId === roomId);
  const { messageId } = await send(ann.socket, roomId, "hello");
  assert.equal((await received).messageId, messageId);
  const answered = heard(ann.socket, "message.received", ({ content }) => content === "hello yourself");
  await send(ben.socket, roomId, "hello yourself");
  await answered;
  assert.deepEqual((await history(ben.socket, roomId)).map((m) => m.content), ["hello", "hello yourself"]);
});

test("two users who start the same direct room at once get one", async (t) => {
  const [ann, ben] = [await person(t, "Ann", "gateway-1"), await person(t, "Ben", "gateway-2")];
  const create = ({ socket }, partner) => done(socket, "room.create", { type: "direct", memberIds: [partner.user.id] });
  const [one, two] = await Promise.all([create(ann, ben), create(ben, ann)]);
  assert.equal(one.room.roomId, directId(ann, ben));
  assert.equal(two.room.roomId, one.room.roomId);
  assert.equal(one.room.type, "direct");
  assert.ok(!one.room.name);
  const device = new Device("Ben", ben.socket);
  const { messageId } = await send(ann.socket, one.room.roomId, "one room");
  await until("Ben has it", () => device.shows(messageId));
  assert.equal(device.shown(one.room.roomId).length, 1);
});

test("a new direct room names the other user to each of the two", async (t) => {
  const [ann, ben] = [await person(t, "Ann", "gateway-1"), await person(t, "Ben", "gateway-2")];
  const listener = await connect(t, ben.user, { auth: { vocabulary: "conversations" } });
  const roomId = directId(ann, ben);
  const told = [ann, ben].map(({ socket }) => heard(socket, "room.created", (room) => room.roomId === roomId));
  const shown = heard(listener, "conversation:updated", ({ action, conversationId }) => action === "created" && conversationId === roomId);
  await done(ann.socket, "room.create", { type: "direct", memberIds: [ben.user.id] });
  const [toAnn, toBen] = await Promise.all(told);
  assert.deepEqual([toAnn.partner.userId, toAnn.partner.userName], [ben.user.id, "Ben"]);
  assert.deepEqual([toBen.partner.userId, toBen.partner.userName], [ann.user.id, "Ann"]);
  const { participants } = (await shown).conversation;
  assert.deepEqual(participants.map(({ user_id, role }) => [user_id, role]).sort(), [[ann.user.id, "member"], [ben.user.id, "member"]].sort());
});

test("an id that a client computes of users' ids as they are is the pair's room, before and after it is made", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  ann.id = `${ann.id}_x`;
  const [a, b] = [await connectOn(t, "gateway-1", ann), await connectOn(t, "gateway-2", ben)];
  const roomId = `direct_${[ann.id, ben.id].toSorted().join("_")}`;
  const own = roomId.replace("_x", "%5Fx");
  const told = heard(b, "message.received", ({ content }) => content === "hello");
  await send(a, roomId, "hello");
  assert.equal((await told).roomId, own, "one room, of one id");
  const joined = await done(b, "room.join", { roomId });
  assert.equal(joined.room.roomId, own);
  const answered = heard(a, "message.received", ({ content }) => content === "hello yourself");
  await send(b, roomId, "hello yourself");
  assert.equal((await answered).roomId, own);
  for (const id of [roomId, own]) {
    assert.deepEqual((await history(a, id)).map(({ content }) => content), ["hello", "hello yourself"], id);
  }
});

test("a direct room needs an existing partner and is nobody else's", async (t) => {
  const [ann, ben, eve] = [await person(t, "Ann"), await person(t, "Ben"), await person(t, "Eve")];
  const nobody = { user: { id: "nobody-at-all" } };
  assert.equal((await ask(ann.socket, "message.send", { roomId: directId(ann, nobody), content: "x" })).error, "not_found");
  await send(ann.socket, directId(ann, ben), "x");
  for (const event of ["room.join", "message.history"]) {
    assert.equal((await ask(eve.socket, event, { roomId: directId(ann, ben) })).error, "not_found");
  }
});

test("a new group reaches its members' sockets on every gateway at once", async (t) => {
  const people = [];
  for (const n of [1, 2, 3]) people.push(await person(t, ["Ann", "Ben", "Cem"][n - 1], `gateway-${n}`));
  const [ann, ben, cem] = people;
  const invited = [ben, cem].map(({ socket }) => heard(socket, "room.created", ({ name }) => name === "Crew"));
  const memberIds = [ben.user.id, cem.user.id, ben.user.id, ann.user.id];
  const { room } = await done(ann.socket, "room.create", { name: "Crew", memberIds, description: "all of us", isPrivate: true });
  assert.match(room.roomId, /^group_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(room.type, "group");
  assert.equal(room.memberCount, 3, "each once");
  const roles = Object.fromEntries(room.members.map(({ userId, role }) => [userId, role]));
  assert.deepEqual(roles, { [ann.user.id]: "admin", [ben.user.id]: "member", [cem.user.id]: "member" });
  for (const told of await Promise.all(invited)) {
    assert.equal(told.roomId, room.roomId);
    assert.equal(told.isPrivate, true);
    assert.equal(told.description, "all of us");
  }
  const devices = people.map(({ user, socket }) => new Device(user.name, socket));
  const { messageId } = await send(cem.socket, room.roomId, "here we are");
  for (const device of devices) await until(`${device.name} has it`, () => device.shows(messageId));
  const first = (await history(ben.socket, room.roomId))[0];
  assert.equal(first.type, "system");
  assert.equal(first.content, "Ann created the group");
});

test("a group names only users who exist", async (t) => {
  const ann = await person(t, "Ann");
  const ack = await ask(ann.socket, "room.create", { name: "Crew", memberIds: ["nobody-at-all"] });
  assert.ok(["bad_request", "not_found"].includes(ack.error), JSON.stringify(ack));
});

test("after a reconnection a client is in its groups without joining, and in them on each of its sockets", async (t) => {
  const [ann, ben] = [await person(t, "Ann"), await person(t, "Ben")];
  const roomId = await newGroup(ann, [ben], "Known");
  const second = await connect(t, ben.user);
  const there = heard(ben.socket, "message.received", ({ content }) => content === "the latest");
  const latest = await send(ann.socket, roomId, "the latest");
  await there;
  await until("it is stored", async () => (await storedIds(roomId)).includes(latest.messageId));
  const back = heard(ben.socket, "connection.authenticated");
  ben.socket.io.engine.close();
  const { rooms } = await back;
  const known = rooms.find((room) => room.roomId === roomId);
  assert.equal(known.name, "Known");
  assert.equal(known.role, "member");
  assert.equal(known.memberCount, 2);
  const { messageId: last, senderName, content, timestamp } = known.lastMessage;
  assert.deepEqual([last, senderName, content, timestamp], [latest.messageId, "Ann", "the latest", latest.timestamp]);
  const devices = [new Device("first", ben.socket), new Device("second", second)];
  const { messageId } = await send(ann.socket, roomId, "to both");
  for (const device of devices) await until(`Ben's ${device.name} socket has it`, () => device.shows(messageId));
});

test("anyone joins a public group, and the members are told", async (t) => {
  const [ann, eve] = [await person(t, "Ann"), await person(t, "Eve")];
  const roomId = await newGroup(ann, [], "Open", { isPrivate: false });
  const told = heard(ann.socket, "room.joined", ({ userId }) => userId === eve.user.id);
  const { room } = await done(eve.socket, "room.join", { roomId });
  assert.equal(room.roomId, roomId);
  assert.equal((await told).userName, "Eve");
  const received = heard(ann.socket, "message.received", ({ content }) => content === "hi");
  await send(eve.socket, roomId, "hi");
  await received;
});

test("who has left a group can no longer send, hears nothing more, and reads up to the leaving", async (t) => {
  const [ann, ben] = [await person(t, "Ann", "gateway-1"), await person(t, "Ben", "gateway-2")];
  const roomId = await newGroup(ann, [ben]);
  await send(ann.socket, roomId, "before");
  const told = heard(ann.socket, "room.left", ({ userId }) => userId === ben.user.id);
  await done(ben.socket, "room.leave", { roomId });
  await told;
  const device = new Device("Ben", ben.socket);
  const { messageId } = await send(ann.socket, roomId, "after");
  await until("refused at last", async () => {
    const ack = await ask(ben.socket, "message.send", { roomId, content: "still me" });
    return ack.error === "not_found" || Promise.reject(new Error(JSON.stringify(ack)));
  });
  // Up to where in the order that was is known once the leaving is stored.
  const all = await until("Ben may read what was before", () => history(ben.socket, roomId));
  const read = all.filter((m) => m.type !== "system");
  assert.deepEqual(read.map((m) => m.content), ["before"]);
  await until("Ann reads what came after", async () => (await history(ann.socket, roomId)).some((m) => m.messageId === messageId));
  assert.equal(device.shows(messageId), false);
});

test("a channel is made on join, counts its users, and tells who comes and goes", async (t) => {
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  const [ann, ben] = [await person(t, "Ann", "gateway-1"), await person(t, "Ben", "gateway-2")];
  const joined = await done(ann.socket, "room.join", { roomId });
  assert.equal(joined.room.type, "channel");
  assert.equal(joined.userCount, 1);
  const came = heard(ann.socket, "room.joined", ({ userId }) => userId === ben.user.id);
  assert.equal((await done(ben.socket, "room.join", { roomId })).userCount, 2);
  assert.equal((await came).userCount, 2);
  // A second tab of the same user changes nothing.
  const tab = await connectOn(t, "gateway-3", ben.user);
  assert.equal((await done(tab, "room.join", { roomId })).userCount, 2);
  tab.close();
  const received = heard(ann.socket, "message.received", ({ content }) => content === "hi");
  await send(ben.socket, roomId, "hi");
  await received;
  const went = heard(ann.socket, "room.left", ({ userId }) => userId === ben.user.id);
  ben.socket.close();
  assert.equal((await went).userCount, 1);
});

test("who is not in a channel neither reads nor sends there", async (t) => {
  const [ann, eve] = [await person(t, "Ann"), await person(t, "Eve")];
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.join", { roomId });
  assert.equal((await ask(eve.socket, "message.send", { roomId, content: "x" })).error, "not_found");
  assert.equal((await ask(eve.socket, "message.history", { roomId })).error, "not_found");
  assert.equal((await ask(eve.socket, "typing.start", { roomId })).error, "not_found");
});

test("a channel that exists is not made twice", async (t) => {
  const ann = await person(t, "Ann");
  const name = `channel-${randomUUID().slice(0, 8)}`;
  const { room } = await done(ann.socket, "room.create", { type: "channel", name });
  assert.equal(room.roomId, name);
  const again = await ask(ann.socket, "room.create", { type: "channel", name });
  assert.deepEqual([again.error, again.field, again.retryable], ["conflict", "roomId", false]);
  const { status, body } = await rest(ann, "POST", "/api/rooms", { type: "channel", name });
  assert.deepEqual([status, body.error, body.field], [409, "conflict", "roomId"]);
});
