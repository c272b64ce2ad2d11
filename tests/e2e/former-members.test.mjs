// Who is not a member any more, and who never had an account: what they may not do, by whichever way they come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, history, newGroup, newUser, send } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { expecting, request } from "../lib/rest.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

test("guests with a token make no rooms where guests may not, over a socket or by request", async (t) => {
  const url = await solo(t, "rooms.guests_create=false");
  const { body } = await expecting(201, url, "POST", "/api/auth/guest", { body: { name: "Gus" } });
  const partner = newUser("Ann");
  await connect(t, partner, { url });
  const refused = await request(url, "POST", "/api/rooms", { token: body.token, body: { name: "Mine", memberIds: [partner.id] } });
  assert.deepEqual([refused.status, refused.body.error], [403, "forbidden"]);
  const socket = client(t, url, { token: body.token });
  const welcome = heard(socket, "connection.authenticated");
  socket.connect();
  await welcome;
  assert.equal((await ask(socket, "room.create", { name: "Mine", memberIds: [partner.id] })).error, "forbidden");
});

test("who has left sees nothing of what was done to messages afterwards", async (t) => {
  const url = await solo(t);
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, { url }) });
  }
  const [ann, ben] = people;
  const roomId = await newGroup(ann, [ben]);
  const { messageId } = await send(ann.socket, roomId, "as it was");
  const reply = await send(ann.socket, roomId, "as it was", { replyToId: messageId });
  await done(ben.socket, "room.leave", { roomId });
  const ways = {
    history: async (socket) => history(socket, roomId),
    thread: async (socket) => (await done(socket, "message.thread", { messageId, roomId })).messages,
    "catch-up": async (socket) => (await done(socket, "message.sync", { roomId, after: "0" })).events.map(({ data }) => data),
  };
  // From the moment of the edit on, stored or not, whichever way he reads.
  let watching = true;
  const seen = (async () => {
    while (watching) {
      for (const [way, read] of Object.entries(ways)) {
        const shown = JSON.stringify(await read(ben.socket).catch(() => []));
        assert.ok(!/a secret|👍/.test(shown), `${way}: ${shown}`);
      }
      await sleep(40);
    }
  })();
  for (const id of [messageId, reply.messageId]) {
    await done(ann.socket, "message.edit", { messageId: id, roomId, content: "a secret" });
    await done(ann.socket, "message.react", { messageId: id, roomId, emoji: "👍" });
  }
  const shown = async (socket) => (await history(socket, roomId)).find((message) => message.messageId === messageId);
  await until("the edit is stored", async () => (await shown(ann.socket)).content === "a secret");
  await sleep(500);
  watching = false;
  await seen;
  const left = await shown(ben.socket);
  assert.deepEqual([left.content, left.reactions], ["", undefined]);
  assert.equal((await ask(ben.socket, "message.search", { query: "secret", roomId })).error, "not_found");
  assert.deepEqual((await done(ben.socket, "message.search", { query: "secret" })).messages, []);
});

test("what was taken back is told to nobody who asks later, as a message or as a quote", async (t) => {
  const url = await solo(t);
  const people = [];
  for (const name of ["Ann", "Ben", "Cem"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, { url }) });
  }
  const [ann, ben, cem] = people;
  const roomId = await newGroup(ann, [ben]);
  const { messageId } = await send(ann.socket, roomId, "a secret");
  const reply = await send(ann.socket, roomId, "an answer", { replyToId: messageId });
  await done(ben.socket, "room.leave", { roomId });
  await done(ann.socket, "message.delete", { messageId, roomId });
  await done(ann.socket, "room.members.add", { roomId, memberIds: [cem.user.id] });
  const asks = {
    history: (socket) => history(socket, roomId),
    "catch-up": async (socket) => (await done(socket, "message.sync", { roomId, after: "0" })).events.map(({ data }) => data),
  };
  for (const [way, read] of Object.entries(asks)) {
    for (const { user, socket } of people) {
      const shown = await until(`${user.name} may read`, () => read(socket));
      assert.ok(!JSON.stringify(shown).includes("a secret"), `${way}, ${user.name}: ${JSON.stringify(shown)}`);
      const answer = shown.find((message) => message.messageId === reply.messageId && message.content === "an answer");
      assert.deepEqual(answer.replyTo, { messageId }, `${way}, ${user.name}`);
    }
  }
});
