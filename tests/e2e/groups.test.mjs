// Groups change: members come and go, roles, settings, deletion; and everybody concerned knows it, on every gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { ask, client, connect, done, history, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { answered } from "../lib/rest.mjs";
import { Listener, settled } from "../lib/returning.mjs";
import { heard, until } from "../lib/wait.mjs";

const person = async (t, name) => {
  const user = newUser(name);
  return { user, socket: await connect(t, user) };
};
const people = async (t, ...names) => Promise.all(names.map((name) => person(t, name)));
const members = async ({ socket }, roomId) => {
  const { members } = await done(socket, "room.members.list", { roomId });
  return Object.fromEntries(members.map(({ userName, role }) => [userName, role]));
};
const said = async ({ socket }, roomId) =>
  (await history(socket, roomId)).filter(({ type }) => type === "system").map(({ content }) => content);
const refused = async ({ socket }, event, payload, error) =>
  assert.equal((await ask(socket, event, payload)).error, error, `${event} ${JSON.stringify(payload)}`);

test("members are added and removed, hear it at once, and the group says so", async (t) => {
  const [ann, ben, cem, dea] = await people(t, "Ann", "Ben", "Cem", "Dea");
  const roomId = await newGroup(ann, [ben], "Crew");
  // Told together or one after the other, by whom and when.
  const changes = ({ socket }, event) => {
    const told = [];
    socket.on(event, (change) => told.push(change));
    return async (...whom) => {
      const ids = () => told.flatMap(({ memberIds }) => memberIds).sort();
      await until(`${event} tells of all`, () => ids().length >= whom.length);
      assert.deepEqual(ids(), whom.map(({ user }) => user.id).sort());
      for (const { memberIds, timestamp, seq, ...change } of told) {
        assert.deepEqual(change, { roomId, userId: ann.user.id });
        assert.ok(Date.parse(timestamp) && ["number", "undefined"].includes(typeof seq), `${timestamp} ${seq}`);
      }
    };
  };
  const told = heard(ben.socket, "room.joined", ({ userId }) => userId === cem.user.id);
  const own = [cem, dea].map(({ socket }) => heard(socket, "room.created", (room) => room.roomId === roomId));
  const added = changes(ben, "room.members.add");
  const memberIds = [cem.user.id, dea.user.id, ben.user.id, cem.user.id];
  const { room } = await done(ann.socket, "room.members.add", { roomId, memberIds });
  assert.equal(room.memberCount, 4, "who is there already stays, each once");
  assert.equal((await told).userName, "Cem");
  await added(cem, dea);
  await Promise.all(own);
  const received = heard(ben.socket, "message.received", ({ content }) => content === "here");
  await send(cem.socket, roomId, "here");
  await received;

  const gone = heard(cem.socket, "room.left", (left) => left.roomId === roomId && left.userId === cem.user.id);
  const removed = [ben, cem].map((person) => changes(person, "room.members.remove"));
  await done(ann.socket, "room.members.remove", { roomId, memberIds: [cem.user.id] });
  await gone;
  for (const told of removed) await told(cem);
  await until("Cem sends no more", async () => (await ask(cem.socket, "message.send", { roomId, content: "x" })).error === "not_found", {
    within: 5_000,
  });
  await send(ann.socket, roomId, "after Cem");
  const read = await until("what Cem may read is known", () => history(cem.socket, roomId));
  assert.deepEqual(read.filter(({ type }) => type !== "system").map(({ content }) => content), ["here"]);
  assert.deepEqual(await members(ann, roomId), { Ann: "admin", Ben: "member", Dea: "member" });
  await until("all is stored", async () => (await said(ann, roomId)).length === 3);
  assert.deepEqual(await said(ann, roomId), ["Ann created the group", "Ann added Cem and Dea", "Ann removed Cem"]);
  await refused(ann, "room.members.add", { roomId, memberIds: ["nobody-at-all"] }, "not_found");
  await refused(ann, "room.members.remove", { roomId, memberIds: ["nobody-at-all"] }, "not_found");
});

test("nobody edits what the group says by itself, and only admins and moderators take it back", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = await newGroup(ann, [], "Crew", { isPrivate: false });
  const received = heard(ann.socket, "message.received", ({ content }) => content === "Ben joined the group");
  await done(ben.socket, "room.join", { roomId });
  const { messageId, type, senderId } = await received;
  assert.deepEqual([type, senderId], ["system", ben.user.id]);
  const path = `/api/rooms/${roomId}/messages/${messageId}`;
  for (const somebody of [ben, ann]) {
    await refused(somebody, "message.edit", { roomId, messageId, content: "Ben is the admin" }, "forbidden");
    const body = await answered(403, somebody.user, "PATCH", path, { content: "Ben is the admin" });
    assert.equal(body.error, "forbidden");
  }
  await refused(ben, "message.delete", { roomId, messageId }, "forbidden");
  await answered(403, ben.user, "DELETE", path);
  assert.ok((await said(ann, roomId)).includes("Ben joined the group"));
  await done(ann.socket, "message.delete", { roomId, messageId });
  assert.ok(!(await said(ann, roomId)).includes("Ben joined the group"));
});

test("who has just left reads on at once", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  for (let round = 0; round < 5; round += 1) {
    const roomId = await newGroup(ann, [ben], `Crew ${round}`);
    await send(ann.socket, roomId, "here");
    await done(ben.socket, "room.leave", { roomId });
    const { messages } = await done(ben.socket, "message.history", { roomId });
    assert.ok(messages.some(({ content }) => content === "here"), `round ${round}`);
    await refused(ben, "message.send", { roomId, content: "x" }, "not_found");
  }
});

test("twenty members are added, listed in pages and removed by one command each", async (t) => {
  const ann = await person(t, "Ann");
  const crowd = Array.from({ length: 20 }, (_, i) => newUser(`M${i}`));
  // Users exist once they have been seen.
  for (const user of crowd) (await connect(t, user)).close();
  const roomId = await newGroup(ann, [], "Crowd");
  const memberIds = crowd.map(({ id }) => id);
  assert.equal((await done(ann.socket, "room.members.add", { roomId, memberIds })).room.memberCount, 21);
  const first = await done(ann.socket, "room.members.list", { roomId, limit: 15 });
  const rest = await done(ann.socket, "room.members.list", { roomId, limit: 15, cursor: first.nextCursor });
  assert.equal(first.members.length + rest.members.length, 21);
  assert.equal(rest.nextCursor, null);
  assert.equal((await done(ann.socket, "room.members.remove", { roomId, memberIds })).room.memberCount, 1);
});

test("roles are given by admins, and each may do what it may", async (t) => {
  const [ann, ben, cem, dea] = await people(t, "Ann", "Ben", "Cem", "Dea");
  const roomId = await newGroup(ann, [ben, cem], "Ranks");
  await refused(ben, "room.members.role", { roomId, userId: ben.user.id, role: "admin" }, "forbidden");
  await refused(ben, "room.members.add", { roomId, memberIds: [dea.user.id] }, "forbidden");
  const told = heard(cem.socket, "room.members.role", ({ userId }) => userId === ben.user.id);
  await done(ann.socket, "room.members.role", { roomId, userId: ben.user.id, role: "moderator" });
  assert.equal((await told).role, "moderator");
  await until("Ben adds", async () => !(await ask(ben.socket, "room.members.add", { roomId, memberIds: [dea.user.id] })).error);
  await refused(ben, "room.members.remove", { roomId, memberIds: [ann.user.id] }, "forbidden");
  await refused(ben, "room.update", { roomId, name: "Mine" }, "forbidden");
  await refused(ben, "room.delete", { roomId }, "forbidden");
  const { messageId } = await send(cem.socket, roomId, "not nice");
  await done(ben.socket, "message.delete", { messageId, roomId });
  await done(ben.socket, "room.members.remove", { roomId, memberIds: [dea.user.id] });
  await refused(ann, "room.members.role", { roomId, userId: ann.user.id, role: "member" }, "conflict");
  assert.deepEqual(await members(ann, roomId), { Ann: "admin", Ben: "moderator", Cem: "member" });
});

test("the last admin who leaves is followed by the longest-standing moderator, then member", async (t) => {
  const [ann, ben, cem] = await people(t, "Ann", "Ben", "Cem");
  const roomId = await newGroup(ann, [ben, cem], "Legacy");
  await done(ann.socket, "room.members.role", { roomId, userId: cem.user.id, role: "moderator" });
  await done(ann.socket, "room.leave", { roomId });
  assert.deepEqual(await members(ben, roomId), { Ben: "member", Cem: "admin" });
  await until("it is said", async () => (await said(ben, roomId)).includes("Cem is now an admin"));
  await done(cem.socket, "room.leave", { roomId });
  assert.deepEqual(await members(ben, roomId), { Ben: "admin" });
  await send(ben.socket, roomId, "alone");
  await done(ben.socket, "room.leave", { roomId });
  const read = await until("who was in it still reads it", () => history(ben.socket, roomId));
  assert.ok(read.some(({ content }) => content === "alone"));
  await refused(ben, "message.send", { roomId, content: "x" }, "not_found");
});

test("settings change for everybody, and a renaming is said", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = await newGroup(ann, [ben], "Before");
  const told = heard(ben.socket, "room.updated", (room) => room.roomId === roomId);
  const patch = { name: "After", description: "what for", avatar: "https://example.com/a.png", isPrivate: true };
  const { room } = await done(ann.socket, "room.update", { roomId, ...patch });
  const shown = ({ name, description, avatar, isPrivate }) => ({ name, description, avatar, isPrivate });
  assert.deepEqual(shown(room), patch);
  assert.deepEqual(shown(await told), patch);
  const got = await done(ben.socket, "room.get", { roomId });
  assert.deepEqual(shown(got.room), patch);
  await until("it is said", async () => (await said(ben, roomId)).at(-1) === "Ann renamed the group to After");
  await refused(ben, "room.update", { roomId, name: "Mine" }, "forbidden");
  await refused(ann, "room.update", { roomId, avatar: "javascript:alert(1)" }, "bad_request");
  await refused(ann, "room.update", { roomId, name: "x".repeat(256) }, "bad_request");
});

test("a deleted group is gone for all of them", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = await newGroup(ann, [ben], "Short");
  await send(ben.socket, roomId, "last words");
  const told = heard(ben.socket, "room.deleted", (room) => room.roomId === roomId);
  await refused(ben, "room.delete", { roomId }, "forbidden");
  await done(ann.socket, "room.delete", { roomId });
  await told;
  for (const { socket } of [ann, ben]) {
    for (const [event, more] of [["message.send", { content: "x" }], ["message.history", {}], ["room.join", {}], ["room.get", {}]]) {
      await until(`${event} finds nothing`, async () => (await ask(socket, event, { roomId, ...more })).error === "not_found", {
        within: 5_000,
      });
    }
    const { rooms } = await done(socket, "room.list", {});
    assert.ok(rooms.every((room) => room.roomId !== roomId));
  }
});

test("a member who was away when it happened comes back to a group that is deleted, or without them", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const [gone, out] = [await newGroup(ann, [ben], "Gone"), await newGroup(ann, [ben], "Out")];
  // A session that may go on: its place is known to the client.
  await settled(new Listener(ben.socket));
  const deleted = heard(ben.socket, "room.deleted", ({ roomId }) => roomId === gone, 20_000);
  const left = heard(ben.socket, "room.left", ({ roomId }) => roomId === out, 20_000);
  const told = [deleted, left].map((event) => event.then(() => true, () => false));
  ben.socket.io.engine.close();
  await done(ann.socket, "room.delete", { roomId: gone });
  await done(ann.socket, "room.members.remove", { roomId: out, memberIds: [ben.user.id] });
  await until("Ben is back", () => ben.socket.connected);
  const recovered = ben.socket.recovered;
  for (const roomId of [gone, out]) {
    await until("and not in it", async () => (await ask(ben.socket, "message.send", { roomId, content: "x" })).error === "not_found");
    await refused(ben, "typing.start", { roomId }, "not_found");
  }
  if (recovered) assert.deepEqual(await Promise.all(told), [true, true], "told of what he missed");
});

test("the list of rooms has unread counts, the last message and pages", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const ids = [];
  for (const name of ["One", "Two", "Three"]) ids.push(await newGroup(ann, [ben], name));
  for (const roomId of [ids[2], ids[0], ids[1]]) await send(ann.socket, roomId, `hello ${roomId}`);
  const list = (limit, offset) => done(ben.socket, "room.list", { limit, offset });
  const all = await until("all is delivered", async () => {
    const page = await list(10, 0);
    return page.rooms.every(({ lastMessage }) => lastMessage?.content.startsWith("hello")) && page;
  });
  assert.equal(all.total, 3);
  assert.deepEqual(all.rooms.map(({ roomId }) => roomId), [ids[1], ids[0], ids[2]], "the latest message first");
  assert.ok(all.rooms.every(({ unreadCount }) => unreadCount >= 1));
  // What lies on which page is the store's to say.
  const pages = await until("all is stored", async () => {
    const pages = [await list(2, 0), await list(2, 2)];
    const there = pages.flatMap(({ rooms }) => rooms.map(({ roomId }) => roomId));
    return isDeepStrictEqual(there, [ids[1], ids[0], ids[2]]) && pages;
  });
  assert.ok(pages.every(({ total }) => total === 3));
});

test("a channel has a maker, moderators by their word, settings, and shows who is there", async (t) => {
  const [ann, ben, cem] = await people(t, "Ann", "Ben", "Cem");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.create", { type: "channel", name: roomId });
  for (const { socket } of [ann, ben, cem]) await done(socket, "room.join", { roomId });
  const { userCount, users } = await done(cem.socket, "presence.room", { roomId });
  assert.equal(userCount, 3);
  assert.deepEqual(users.map(({ userName }) => userName).toSorted(), ["Ann", "Ben", "Cem"]);
  await refused(ben, "room.update", { roomId, description: "mine" }, "forbidden");
  await done(ann.socket, "room.members.role", { roomId, userId: ben.user.id, role: "moderator" });
  const told = heard(cem.socket, "room.updated", (room) => room.roomId === roomId);
  await done(ben.socket, "room.update", { roomId, description: "ours" });
  assert.equal((await told).description, "ours");
  const { messageId } = await send(cem.socket, roomId, "not nice");
  await done(ben.socket, "message.delete", { messageId, roomId });
  await refused(ann, "room.members.add", { roomId, memberIds: [cem.user.id] }, "forbidden");
  const { rooms } = await done(ann.socket, "room.list", {});
  assert.ok(rooms.every((room) => room.roomId !== roomId), "a channel is in nobody's list");
  await done(ann.socket, "room.delete", { roomId });
  await until("it is gone", async () => (await ask(cem.socket, "message.send", { roomId, content: "x" })).error === "not_found");
  await refused(cem, "room.join", { roomId }, "not_found");
});

test("a channel hears that a moderator who said nothing has gone", async (t) => {
  const [ann, ben] = await people(t, "Ann", "Ben");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann.socket, "room.create", { type: "channel", name: roomId });
  for (const { socket } of [ann, ben]) await done(socket, "room.join", { roomId });
  const made = heard(ben.socket, "room.members.role", (change) => change.roomId === roomId);
  await done(ann.socket, "room.members.role", { roomId, userId: ben.user.id, role: "moderator" });
  await made;
  const gone = heard(ann.socket, "room.left", (left) => left.roomId === roomId && left.userId === ben.user.id);
  ben.socket.disconnect();
  assert.equal((await gone).userCount, 1);
});

test("a room holds as many members, and a gateway as many of its connections, as the settings say", async (t) => {
  const url = await solo(t, "limits.message=off", "rooms.member_limit=2", "rooms.connections_per_room=1");
  const users = ["Ann", "Ben", "Cem"].map(newUser);
  const [ann, ben, cem] = await Promise.all(users.map((user) => connect(t, user, { url })));
  const ids = users.map(({ id }) => id);
  assert.equal((await ask(ann, "room.create", { name: "Three", memberIds: ids })).error, "ROOM_FULL");
  const { room } = await done(ann, "room.create", { name: "Two", memberIds: [ids[1]] });
  assert.equal((await ask(ann, "room.members.add", { roomId: room.roomId, memberIds: [ids[2]] })).error, "ROOM_FULL");
  assert.equal((await ask(cem, "room.join", { roomId: room.roomId })).error, "ROOM_FULL");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ben, "room.join", { roomId });
  assert.equal((await ask(cem, "room.join", { roomId })).error, "ROOM_FULL");
  await done(ben, "room.leave", { roomId });
  await done(cem, "room.join", { roomId });
});

test("where guests may not make rooms, they are in public ones alone", async (t) => {
  const url = await solo(t, "limits.message=off", "rooms.guests_create=false", "auth.guests=true");
  const user = newUser("Ann");
  const ann = await connect(t, user, { url });
  const guest = client(t, url, { name: "Guest" });
  const ready = heard(guest, "connection.authenticated");
  guest.connect();
  const { userId } = await ready;
  for (const room of [{ name: "Mine", memberIds: [] }, { type: "direct", memberIds: [user.id] }, { type: "channel", name: "mine" }]) {
    assert.equal((await ask(guest, "room.create", room)).error, "forbidden", JSON.stringify(room));
  }
  const direct = `direct_${[userId, user.id].map((id) => id.replaceAll("_", "%5F")).toSorted().join("_")}`;
  assert.equal((await ask(guest, "message.send", { roomId: direct, content: "x" })).error, "forbidden");
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  await done(ann, "room.join", { roomId });
  await done(guest, "room.join", { roomId });
  await send(guest, roomId, "hello");
});
