// Messages: what they carry, how they change, and how each vocabulary shows them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, connectOn, done, history, newChannel, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { storedIds, sql } from "../lib/cluster.mjs";
import { NGINX } from "../lib/place.mjs";
import { gentoken } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

async function two(t) {
  const people = [];
  for (const [name, gateway] of [["Ann", "gateway-1"], ["Ben", "gateway-2"]]) {
    const user = newUser(name);
    people.push({ user, socket: await connectOn(t, gateway, user) });
  }
  return people;
}

test("a send without an ack is answered by message.sent, and all hear it with its sender's name and picture", async (t) => {
  const ann = newUser("Ann");
  const picture = "https://example.com/ann.png";
  const socket = client(t, NGINX, { token: await gentoken(ann.id, ann.name, "--avatar", picture) });
  const ready = heard(socket, "connection.authenticated");
  socket.connect();
  await ready;
  const ben = { user: newUser("Ben") };
  ben.socket = await connect(t, ben.user);
  const roomId = await newGroup({ user: ann, socket }, [ben]);
  const tempId = randomUUID();
  const [answer, received] = [heard(socket, "message.sent"), heard(ben.socket, "message.received", ({ content }) => content === "look")];
  socket.emit("message.send", { roomId, content: "look", metadata: { n: 1 }, tempId });
  const { messageId, timestamp, seq, ...sent } = await answer;
  assert.deepEqual(sent, { tempId, roomId, status: "sent" });
  const { seq: place, tempId: own, ...message } = await received;
  assert.deepEqual(message, {
    messageId, roomId, senderId: ann.id, senderName: "Ann", senderAvatar: picture, content: "look", type: "text", metadata: { n: 1 }, timestamp,
  });
  assert.ok(Date.parse(timestamp) && typeof place === "number" && [undefined, place].includes(seq) && [undefined, tempId].includes(own));
  const { members } = await done(ben.socket, "room.members.list", { roomId });
  assert.equal(members.find(({ userId }) => userId === ann.id).userAvatar, picture);
  const edited = heard(ben.socket, "message.edited");
  await done(socket, "message.edit", { messageId, content: "look here" });
  await edited;
  const page = await history(ben.socket, roomId);
  assert.ok(Date.parse(page.at(-1).editedAt) >= Date.parse(timestamp), "what was edited says when");
});

test("an edit reaches everyone and history", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const { messageId } = await send(ann.socket, roomId, "helo");
  const told = [ann, ben].map(({ socket }) => heard(socket, "message.edited", (event) => event.messageId === messageId));
  const ack = await done(ann.socket, "message.edit", { messageId, content: "hello" });
  assert.equal(ack.roomId, roomId);
  for (const event of await Promise.all(told)) {
    assert.deepEqual({ ...event, seq: undefined }, { messageId, roomId, userId: ann.user.id, content: "hello", editedAt: ack.editedAt, seq: undefined });
    assert.equal(typeof event.seq, "number");
  }
  const isEdited = (messages) => {
    const message = messages.find((m) => m.messageId === messageId);
    assert.equal(message.content, "hello");
    assert.equal(message.editedAt, ack.editedAt);
  };
  // At once, from the cache; and later, from the store.
  isEdited(await history(ben.socket, roomId));
  await until("the edit is stored", async () => (await sql(`SELECT content FROM messages WHERE id = '${messageId}'`))[0]?.[0] === "hello");
  isEdited(await history(ben.socket, roomId));
});

test("a deletion reaches everyone, and the message is gone from history but kept with its mark", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  await send(ann.socket, roomId, "stays");
  const { messageId } = await send(ann.socket, roomId, "goes");
  const told = [ann, ben].map(({ socket }) => heard(socket, "message.deleted", (event) => event.messageId === messageId));
  await done(ann.socket, "message.delete", { messageId });
  for (const event of await Promise.all(told)) {
    assert.deepEqual(Object.keys(event).sort(), ["messageId", "roomId", "seq", "timestamp", "userId"]);
    assert.deepEqual([event.roomId, event.userId], [roomId, ann.user.id]);
    assert.ok(Date.parse(event.timestamp));
  }
  const texts = async () => (await history(ben.socket, roomId)).filter((m) => m.type !== "system").map((m) => m.content);
  assert.deepEqual(await texts(), ["stays"]);
  await until("the deletion is stored", async () =>
    (await sql(`SELECT 1 FROM messages WHERE id = '${messageId}' AND deleted_at IS NOT NULL`)).length);
  assert.deepEqual(await texts(), ["stays"]);
  assert.ok((await storedIds(roomId)).includes(messageId), "the row is kept");
});

test("only the author edits; a member may not delete what is another's", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const { messageId } = await send(ann.socket, roomId, "mine");
  assert.equal((await ask(ben.socket, "message.edit", { messageId, content: "yours" })).error, "forbidden");
  assert.equal((await ask(ben.socket, "message.delete", { messageId })).error, "forbidden");
  assert.equal((await history(ben.socket, roomId)).at(-1).content, "mine");
});

test("a room's admin deletes another's message, and does not edit it", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const { messageId } = await send(ben.socket, roomId, "of a member");
  assert.equal((await ask(ann.socket, "message.edit", { messageId, content: "mine" })).error, "forbidden");
  const told = heard(ben.socket, "message.deleted", (event) => event.messageId === messageId);
  await done(ann.socket, "message.delete", { messageId });
  assert.equal((await told).userId, ann.user.id);
});

test("type, metadata, reply and text come back as they were sent", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const texts = ["<script>alert(1)</script>", "'; DROP TABLE messages; --", "‮right to left", "a\u200bb", "line\nline", "👩‍👩‍👧‍👦", "  spaces  "];
  for (const text of texts) {
    const received = heard(ben.socket, "message.received", (message) => message.roomId === roomId && message.type !== "system");
    await send(ann.socket, roomId, text);
    assert.equal((await received).content, text);
  }
  const metadata = { fileName: "a.png", fileSize: 12, mimeType: "image/png", dimensions: { width: 1, height: 2 }, big: 1.5 };
  for (const type of ["text", "image", "file", "audio", "video", "voice"]) {
    const received = heard(ben.socket, "message.received", (message) => message.roomId === roomId && message.type !== "system");
    await send(ann.socket, roomId, type === "text" ? "words" : "", { type, metadata });
    const message = await received;
    assert.equal(message.type, type);
    assert.deepEqual(message.metadata, metadata);
  }
  const stored = (await history(ben.socket, roomId)).filter((m) => m.type !== "system");
  assert.deepEqual(stored.slice(0, texts.length).map((m) => m.content), texts);
  const first = stored[0];
  const received = heard(ann.socket, "message.received", (message) => message.replyTo);
  await send(ben.socket, roomId, "an answer", { replyToId: first.messageId });
  assert.deepEqual((await received).replyTo, { messageId: first.messageId, content: texts[0], senderId: ann.user.id });
});

test("a reply right after the original's ack quotes it, each time", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  for (let round = 0; round < 20; round += 1) {
    const received = heard(ben.socket, "message.received", (message) => message.content === `answer ${round}`);
    const { messageId } = await send(ann.socket, roomId, `question ${round}`);
    await send(ann.socket, roomId, `answer ${round}`, { replyToId: messageId });
    assert.deepEqual((await received).replyTo, { messageId, content: `question ${round}`, senderId: ann.user.id });
  }
});

test("what was just acked is in the list of rooms, and what was just taken back is not, nor in a search", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const word = `word${randomUUID().slice(0, 8)}`;
  const { messageId: first } = await send(ann.socket, roomId, `${word} first`);
  const search = async () => (await done(ann.socket, "message.search", { query: word })).messages;
  await until("it is found", async () => (await search()).length === 1);
  for (let round = 0; round < 10; round += 1) {
    const received = heard(ann.socket, "message.received", (message) => message.content === `round ${round}`);
    const { messageId } = await send(ben.socket, roomId, `round ${round}`);
    await received;
    const { rooms } = await done(ann.socket, "room.list", { limit: 10 });
    const { lastMessage } = rooms.find((room) => room.roomId === roomId);
    assert.deepEqual([lastMessage.messageId, lastMessage.content], [messageId, `round ${round}`]);
    const { room } = await done(ann.socket, "room.get", { roomId });
    assert.equal(room.lastMessage.messageId, messageId);
  }
  await done(ann.socket, "message.delete", { roomId, messageId: first });
  assert.deepEqual(await search(), []);
});

test("who somebody is comes from the token, whatever the payload says", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const received = heard(ben.socket, "message.received", (message) => message.roomId === roomId && message.type !== "system");
  await send(ann.socket, roomId, "it is me", { userId: "root", userName: "Root", senderId: "root", username: "Root" });
  const message = await received;
  assert.equal(message.senderId, ann.user.id);
  assert.equal(message.senderName, "Ann");
});

test("a message, its edit and its deletion reach the other vocabulary in that one's form", async (t) => {
  const ann = newUser("Ann");
  const dotted = await connect(t, ann);
  const ben = newUser("Ben");
  const snake = await connect(t, ben, { auth: { vocabulary: "snake" } });
  const roomId = await newChannel(dotted);
  const seen = heard(dotted, "room.joined", ({ userId }) => userId === ben.id);
  await done(snake, "join_room", { roomId });
  await seen;

  const inSnake = heard(snake, "message");
  const { messageId, timestamp } = await send(dotted, roomId, "from dotted", { type: "voice", tempId: "t1" });
  const { seq, ...message } = await inSnake;
  assert.deepEqual(message, { id: messageId, roomId, userId: ann.id, username: "Ann", content: "from dotted", type: "file", timestamp, tempId: "t1" });
  assert.equal(typeof seq, "number");
  const edited = heard(snake, "message_edited");
  await done(dotted, "message.edit", { messageId, content: "better" });
  assert.equal((await edited).content, "better");

  const inDotted = heard(dotted, "message.received", ({ senderId }) => senderId === ben.id);
  const ack = await done(snake, "send_message", { roomId, content: "from snake", type: "text" });
  assert.deepEqual(Object.keys(ack).filter((key) => key !== "seq").sort(), ["id", "roomId", "timestamp"]);
  assert.equal((await inDotted).messageId, ack.id);
  const deleted = heard(dotted, "message.deleted", (event) => event.messageId === ack.id);
  await done(snake, "delete_message", { messageId: ack.id });
  await deleted;
  const typing = heard(snake, "typing");
  await done(dotted, "typing.start", { roomId });
  assert.deepEqual(await typing, { roomId, userId: ann.id, username: "Ann" });
});

test("a socket whose first event is snake hears snake, the events since its connection included", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  // Connects without naming a vocabulary, and says nothing yet.
  const silent = await connect(t, ben.user);
  const guessed = heard(silent, "message.received", ({ content }) => content === "to whom it may concern");
  const { messageId } = await send(ann.socket, roomId, "to whom it may concern");
  await guessed;
  const again = heard(silent, "message", ({ id }) => id === messageId);
  await done(silent, "join_room", { roomId });
  await again;
  const later = heard(silent, "message", ({ content }) => content === "and on");
  let dotted = 0;
  silent.on("message.received", () => dotted++);
  await send(ann.socket, roomId, "and on");
  await later;
  assert.equal(dotted, 0, "no event in the vocabulary it does not speak");
});
