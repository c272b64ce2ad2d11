// Blocks, mutes, bans and reports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, history, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { extraGateway } from "../lib/process.mjs";
import { Listener, settled } from "../lib/returning.mjs";
import { heard, until } from "../lib/wait.mjs";

const person = async (t, name) => {
  const user = newUser(name);
  return { user, socket: await connect(t, user) };
};
const people = async (t, ...names) => Promise.all(names.map((name) => person(t, name)));
const directId = ({ user: a }, { user: b }) => `direct_${[a.id, b.id].toSorted().join("_")}`;
const error = async ({ socket }, event, payload) => (await ask(socket, event, payload)).error;

test("who is blocked is told forbidden within 5 s and reaches nobody, until the block is lifted", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = directId(ann, ben);
  const { messageId } = await send(ben.socket, roomId, "hello");
  const told = heard(ann.socket, "user.blocked", ({ userId, blocked }) => userId === ben.user.id && blocked);
  await done(ann.socket, "user.block", { userId: ben.user.id });
  await told;
  const heardAll = [];
  for (const event of ["message.received", "message.edited"]) ann.socket.on(event, ({ content }) => heardAll.push(content));
  // What is accepted before the block holds may be heard at any time later: each has a text of its own.
  let tries = 0;
  const stops = async () => (await error(ben, "message.send", { roomId, content: `still me ${++tries}` })) === "forbidden";
  await until("Ben is refused", stops, { within: 5_500, every: 100 });
  const refused = [`still me ${tries}`, "and again", "by another way"];
  assert.equal(await error(ben, "message.send", { roomId, content: "and again" }), "forbidden");
  assert.equal(await error(ben, "message.edit", { roomId, messageId, content: "by another way" }), "forbidden");
  await send(ann.socket, roomId, "I may still write");
  await until("Ann hears her own", () => heardAll.includes("I may still write"));
  assert.deepEqual(heardAll.filter((content) => refused.includes(content)), [], "nothing of what was refused");
  const { users } = await done(ann.socket, "user.blocks", {});
  assert.deepEqual(users.map(({ userId }) => userId), [ben.user.id]);
  await done(ann.socket, "user.unblock", { userId: ben.user.id });
  await until("Ben may write again", async () => !(await error(ben, "message.send", { roomId, content: "thanks" })), { within: 6_000 });
});

test("who is blocked begins no direct room and adds nobody to a group", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  await done(ann.socket, "user.block", { userId: ben.user.id });
  assert.equal(await error(ben, "message.send", { roomId: directId(ann, ben), content: "x" }), "forbidden");
  assert.equal(await error(ben, "room.create", { type: "direct", memberIds: [ann.user.id] }), "forbidden");
  const roomId = await newGroup(ben, [], "Ben's");
  assert.equal(await error(ben, "room.members.add", { roomId, memberIds: [ann.user.id] }), "forbidden");
  assert.equal(await error(ann, "user.block", { userId: ann.user.id }), "bad_request");
  assert.equal(await error(ann, "user.block", { userId: "nobody-at-all" }), "not_found");
});

test("a ban puts a member out, keeps them out, and ends when it is lifted or over", async (t) => {
  const [ann, ben, cem] = await people(t, "Ann", "Ben", "Cem");
  const roomId = await newGroup(ann, [ben, cem], "Public", { isPrivate: false });
  await send(ann.socket, roomId, "before");
  const told = heard(cem.socket, "room.banned", ({ userId }) => userId === ben.user.id);
  const out = heard(ben.socket, "room.left", (left) => left.roomId === roomId);
  await done(ann.socket, "room.ban", { roomId, userId: ben.user.id, reason: "spam" });
  await Promise.all([told, out]);
  assert.equal(await error(ben, "room.join", { roomId }), "banned");
  assert.equal(await error(ann, "room.members.add", { roomId, memberIds: [ben.user.id] }), "conflict");
  await until("Ben sends no more", async () => (await error(ben, "message.send", { roomId, content: "x" })) === "banned");
  const read = await until("and reads what was before", () => history(ben.socket, roomId));
  assert.ok(read.some(({ content }) => content === "before"));
  const { bans } = await done(ann.socket, "room.bans", { roomId });
  assert.equal(bans[0].userId ?? bans[0].user?.userId, ben.user.id);
  assert.equal(bans[0].reason, "spam");
  assert.equal(await error(cem, "room.bans", { roomId }), "forbidden");
  await done(ann.socket, "room.unban", { roomId, userId: ben.user.id });
  await done(ben.socket, "room.join", { roomId });
  // For a while only, in which the ban comes to be known everywhere.
  const toldAgain = heard(cem.socket, "room.banned", ({ userId }) => userId === ben.user.id);
  const outAgain = heard(ben.socket, "room.left", (left) => left.roomId === roomId);
  const until1 = new Date(Date.now() + 4_000).toISOString();
  await done(ann.socket, "room.ban", { roomId, userId: ben.user.id, until: until1 });
  await Promise.all([toldAgain, outAgain]);
  assert.equal(await error(ben, "room.join", { roomId }), "banned");
  await until("it is over", async () => !(await error(ben, "room.join", { roomId })), { within: 15_000 });
  assert.equal(await error(ann, "room.ban", { roomId, userId: cem.user.id, until: "2001-01-01T00:00:00Z" }), "bad_request");
});

test("who is banned from a channel is out of it at once, on every gateway, and counts no more", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.create", { type: "channel", name: roomId });
  const second = await connect(t, ben.user);
  for (const socket of [ann.socket, ben.socket, second]) await done(socket, "room.join", { roomId });
  const told = [ben.socket, second].map((socket) => heard(socket, "room.banned", ({ userId }) => userId === ben.user.id));
  await done(ann.socket, "room.ban", { roomId, userId: ben.user.id });
  await Promise.all(told);
  for (const socket of [ben.socket, second]) {
    for (const [event, more] of [["message.send", { content: "x" }], ["message.history", {}], ["room.join", {}]]) {
      assert.equal(await error({ socket }, event, { roomId, ...more }), "banned", event);
    }
    assert.equal(await error({ socket }, "typing.start", { roomId }), "banned");
  }
  await until("one is there", async () => (await done(ann.socket, "presence.room", { roomId })).userCount === 1);
  await done(ann.socket, "room.unban", { roomId, userId: ben.user.id });
  await until("Ben comes in again", async () => !(await error(ben, "room.join", { roomId })));
});

test("who is banned hears of it and then that they are out, in groups and channels alike, in every vocabulary", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const channelId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.create", { type: "channel", name: channelId });
  // Their inbox tells them while the group does, and either may be first: several show both orders.
  const groupIds = await Promise.all(Array.from({ length: 12 }, (_, i) => newGroup(ann, [ben], `Crew ${i}`)));
  const others = {};
  for (const vocabulary of ["snake", "conversations"]) others[vocabulary] = await connect(t, ben.user, { auth: { vocabulary } });
  await done(ben.socket, "room.join", { roomId: channelId });
  await ask(others.snake, "join_room", { roomId: channelId });
  await ask(others.conversations, "conversation:join", { conversationId: channelId });
  for (const roomId of [...groupIds, channelId]) {
    const heardBy = new Map();
    const note = (vocabulary, said) => heardBy.set(vocabulary, [...(heardBy.get(vocabulary) ?? []), said]);
    for (const name of ["room.banned", "room.left"]) ben.socket.on(name, (one) => one.roomId === roomId && one.userId === ben.user.id && note("dotted", name));
    for (const name of ["user_banned", "user_left"]) others.snake.on(name, (one) => one.roomId === roomId && one.userId === ben.user.id && note("snake", name));
    others.conversations.on("conversation:updated", (one) => one.conversationId === roomId && one.participantId === ben.user.id && note("conversations", one.action));
    // That somebody was removed is said to those who are left.
    ben.socket.on("message.received", (message) => message.roomId === roomId && message.type === "system" && message.content.startsWith("Ann removed") && note("dotted", message.content));
    const banned = heard(ben.socket, "room.banned", (one) => one.roomId === roomId);
    await done(ann.socket, "room.ban", { roomId, userId: ben.user.id });
    const { userId, userName, by } = await banned;
    assert.deepEqual([userId, userName, by], [ben.user.id, "Ben", ann.user.id]);
    const expected = { dotted: ["room.banned", "room.left"], snake: ["user_banned", "user_left"], conversations: ["banned", "participant_removed"] };
    for (const [vocabulary, said] of Object.entries(expected)) {
      await until(`${vocabulary} hears both of ${roomId}`, () => heardBy.get(vocabulary)?.length >= 2);
      assert.deepEqual(heardBy.get(vocabulary), said, `${vocabulary}: ${roomId}`);
    }
  }
});

test("who is banned from a channel while away comes back out of it, and is told", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.create", { type: "channel", name: roomId });
  for (const { socket } of [ann, ben]) await done(socket, "room.join", { roomId });
  // A session that may go on: its place is known to the client.
  await settled(new Listener(ben.socket));
  const told = heard(ben.socket, "room.banned", ({ userId }) => userId === ben.user.id, 20_000).then(() => true, () => false);
  let left = false;
  ben.socket.on("room.left", (one) => (left ||= one.roomId === roomId && one.userId === ben.user.id));
  ben.socket.io.engine.close();
  await done(ann.socket, "room.ban", { roomId, userId: ben.user.id });
  await until("Ben is back", () => ben.socket.connected);
  const recovered = ben.socket.recovered;
  await until("and out of it", async () => (await error(ben, "typing.start", { roomId })) === "banned");
  assert.equal(await error(ben, "message.send", { roomId, content: "x" }), "banned");
  if (recovered) assert.equal(await told, true);
  if (recovered) await until("and that they are out of it", () => left);
});

test("a muted room is so on every device of its member, and only theirs", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = await newGroup(ann, [ben], "Loud");
  const second = await connect(t, ben.user);
  const told = heard(second, "room.muted", (mute) => mute.roomId === roomId && mute.muted === true);
  await done(ben.socket, "room.mute", { roomId });
  await told;
  const muted = async (socket) => (await done(socket, "room.list", {})).rooms.find((room) => room.roomId === roomId).muted;
  assert.equal(await muted(second), true);
  assert.equal(await muted(ann.socket), false);
  await done(second, "room.unmute", { roomId });
  assert.equal(await muted(ben.socket), false);
  assert.equal(await error(ben, "room.mute", { roomId: "group_00000000-0000-4000-8000-000000000000" }), "not_found");
});

test("what one sees one may report, and nothing else", async (t) => {
  const [ann, ben, eve] = await people(t, "Ann", "Ben", "Eve");
  const roomId = await newGroup(ann, [ben], "Private");
  const { messageId } = await send(ann.socket, roomId, "not nice");
  const { reportId } = await done(ben.socket, "report", { messageId, reason: "rude" });
  assert.match(reportId, /^[0-9a-f-]{36}$/);
  await done(ben.socket, "report", { userId: ann.user.id, reason: "rude" });
  await done(ben.socket, "report", { roomId, reason: "rude" });
  assert.equal(await error(eve, "report", { messageId, reason: "curious" }), "not_found");
  assert.equal(await error(eve, "report", { roomId, reason: "curious" }), "not_found");
  assert.equal(await error(ben, "report", { userId: "nobody-at-all", reason: "x" }), "not_found");
  assert.equal(await error(ben, "report", { reason: "of nothing" }), "bad_request");
  assert.equal(await error(ben, "report", { userId: ann.user.id }), "bad_request");
});

test("changes of rooms have a limit of their own, over all gateways together", async (t) => {
  const settings = ["limits.room_change=3/60s"];
  const [one, two] = [await extraGateway(t, "changes-1", ...settings), await extraGateway(t, "changes-2", ...settings)];
  const ann = newUser("Ann");
  const sockets = [await connect(t, ann, { url: one }), await connect(t, ann, { url: two })];
  const roomId = await newGroup({ user: ann, socket: sockets[0] }, [], "Busy");
  for (let i = 0; i < 3; i++) await done(sockets[i % 2], "room.update", { roomId, name: `Busy ${i}` });
  for (const socket of sockets) {
    const refusal = await ask(socket, "room.update", { roomId, name: "Too busy" });
    assert.equal(refusal.error, "RATE_LIMIT_EXCEEDED");
    assert.equal(refusal.limit, 3);
    assert.ok(refusal.retryAfter >= 1 && refusal.retryAfter <= 60);
  }
  // The last change was the other gateway's.
  const named = async (name) => (await done(sockets[1], "room.get", { roomId })).room.name === name;
  await until("what was allowed is done, and what was refused is not", () => named("Busy 2"));
});
