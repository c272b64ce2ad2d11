// The flows of the conversations document: a message from the click to the check marks, and who is typing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newUser, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { answered, expecting, rest } from "../lib/rest.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const CONVERSATIONS = { auth: { vocabulary: "conversations" } };

/** Two people and their conversation. */
async function pair(t) {
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, CONVERSATIONS) });
  }
  const [ann, ben] = people;
  const { id } = await answered(201, ann.user, "POST", "/api/conversations/direct", { user_id: ben.user.id });
  return { ann, ben, id };
}

/** Whoever has heard something in the conversation is in it: what is told and forgotten no longer passes them by. */
async function bothThere({ ann, ben, id }) {
  const here = heard(ben.socket, "chat:message_received", (message) => message.conversation_id === id);
  await ask(ann.socket, "chat:message_send", { conversationId: id, content: "here?" });
  await here;
}

test("conversations: a message by request is heard by all, moves the conversation up, and gets its check marks", async (t) => {
  const { ann, ben, id } = await pair(t);
  const other = await answered(201, ann.user, "POST", "/api/conversations/group", { title: "Later", participant_ids: [ben.user.id] });
  const received = heard(ben.socket, "chat:message_received", (message) => message.conversation_id === id);
  const echoed = heard(ann.socket, "chat:message_received", (message) => message.conversation_id === id);
  const delivered = heard(ann.socket, "chat:message_status_updated", ({ status }) => status === "delivered");
  const read = heard(ann.socket, "chat:message_status_updated", ({ status }) => status === "read");
  const sent = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content_encrypted: "c2VjcmV0" });
  for (const told of [await received, await echoed]) {
    assert.deepEqual([told.id, told.sender_id, told.content_encrypted], [sent.id, ann.user.id, "c2VjcmV0"]);
  }
  assert.equal((await ask(ben.socket, "chat:message_delivered", { messageId: sent.id })).success, true);
  assert.equal((await delivered).deliveredBy, ben.user.id);
  assert.equal((await ask(ben.socket, "chat:message_read", { messageId: sent.id })).success, true);
  assert.equal((await read).readBy, ben.user.id);
  const list = await until("the list is in order", async () => {
    const { conversations } = await answered(200, ann.user, "GET", "/api/conversations");
    return conversations[0].id === id && conversations;
  });
  assert.deepEqual(list.map((conversation) => conversation.id).sort(), [id, other.id].sort(), "the caller's own and no other");
});

test("conversations: a message is taken although nobody is there, and a stranger's is not", async (t) => {
  const { ann, ben, id } = await pair(t);
  ben.socket.close();
  const sent = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "are you there?" });
  assert.ok(sent.id && sent.created_at && sent.sender_id === ann.user.id);
  const stranger = newUser("Eve");
  await connect(t, stranger, CONVERSATIONS);
  const refused = await rest(stranger, "POST", "/api/messages", { conversation_id: id, content: "me too" });
  assert.deepEqual([refused.status, refused.body.error], [404, "not_found"]);
  const page = await until("it is stored", async () => {
    const { messages } = await answered(200, ann.user, "GET", `/api/messages/${id}`);
    return messages.length > 0 && messages;
  });
  assert.deepEqual(page.map((message) => message.id), [sent.id], "and nothing else");
});

test("conversations: typing is passed to the others, and its end at once", async (t) => {
  const { ann, ben, id } = await pair(t);
  await bothThere({ ann, ben, id });
  let own = 0;
  ann.socket.on("chat:user_typing", () => own++);
  for (const isTyping of [true, false]) {
    const told = heard(ben.socket, "chat:user_typing", (typing) => typing.isTyping === isTyping);
    ann.socket.emit("chat:typing", { conversationId: id, isTyping });
    const { timestamp, ...typing } = await told;
    assert.deepEqual(typing, { conversationId: id, userId: ann.user.id, username: "Ann", isTyping });
    assert.ok(Date.parse(timestamp));
  }
  assert.equal(own, 0, "never to the typist");
});

test("conversations: who types on is passed on each second, beyond the limit of starts too", async (t) => {
  const url = await solo(t, "limits.typing=2/60s");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const [typist, other] = [await connect(t, ann, { url, ...CONVERSATIONS }), await connect(t, ben, { url, ...CONVERSATIONS })];
  const { body } = await expecting(201, url, "POST", "/api/conversations/direct", { token: await tokenOf(ann), body: { user_id: ben.id } });
  const here = heard(other, "chat:message_received");
  await ask(typist, "chat:message_send", { conversationId: body.id, content: "here?" });
  await here;
  for (let n = 0; n < 4; n++) {
    const told = heard(other, "chat:user_typing", ({ isTyping }) => isTyping);
    assert.equal((await ask(typist, "chat:typing", { conversationId: body.id, isTyping: true })).success, true);
    await told;
    await sleep(1_000);
  }
});

test("conversations: presence:offline hides, still hears; presence:online is told once, repeated not at all", async (t) => {
  const { ann, ben, id } = await pair(t);
  await bothThere({ ann, ben, id });
  const say = async (event) => assert.deepEqual(await ann.socket.timeout(10_000).emitWithAck(event), { success: true });
  const changes = [];
  const changed = (wanted) => heard(ben.socket, "user:status_changed", ({ userId, status }) => userId === ann.user.id && status === wanted);
  let told = changed("offline");
  await say("presence:offline");
  const { timestamp, ...change } = await told;
  assert.deepEqual(change, { userId: ann.user.id, status: "offline" });
  assert.ok(Date.parse(timestamp));
  const still = heard(ann.socket, "chat:message_received", ({ content }) => content === "psst");
  await ask(ben.socket, "chat:message_send", { conversationId: id, content: "psst" });
  await still;

  ben.socket.on("user:status_changed", ({ userId, status }) => userId === ann.user.id && changes.push(status));
  told = changed("online");
  await say("presence:online");
  await told;
  for (let n = 0; n < 3; n++) await say("presence:online");
  // Longer than changes are held back to be merged.
  await sleep(1_000);
  told = changed("offline");
  await say("presence:offline");
  await told;
  assert.deepEqual(changes, ["online", "offline"]);
});

test("conversations: who returns is told how many messages wait, and is given them in order, once", async (t) => {
  const { ann, ben, id } = await pair(t);
  const delivered = heard(ann.socket, "chat:message_status_updated", ({ status }) => status === "delivered", 20_000);
  await bothThere({ ann, ben, id });
  await delivered;
  ben.socket.close();
  const said = ["one", "two", "three"];
  // What waits ends where Ben's socket hears live: behind the last of it, once it was handed out.
  const last = heard(ann.socket, "chat:message_received", ({ content }) => content === said.at(-1), 20_000);
  for (const content of said) await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content });
  await last;

  const socket = client(t, NGINX, { token: await tokenOf(ben.user), vocabulary: "conversations" });
  const told = [];
  socket.on("messages:waiting", (waiting) => told.push(waiting));
  socket.on("chat:message_received", ({ content }) => told.push(content));
  socket.on("connect", () => socket.emit("presence:online"));
  socket.connect();
  await until("all of it is there", () => told.length > said.length, { within: 15_000 });
  // What is said next comes behind all that waited.
  const next = heard(socket, "chat:message_received", ({ content }) => content === "live");
  await ask(ann.socket, "chat:message_send", { conversationId: id, content: "live" });
  await next;
  assert.deepEqual(told, [{ count: said.length }, ...said, "live"]);
});

test("conversations: a title that is changed in another vocabulary reaches live clients", async (t) => {
  const { ann, ben } = await pair(t);
  const { id } = await answered(201, ann.user, "POST", "/api/conversations/group", { title: "Before", participant_ids: [ben.user.id] });
  await bothThere({ ann, ben, id });
  const told = heard(ben.socket, "conversation:updated", ({ action }) => action === "updated");
  const dotted = await connect(t, ann.user);
  await done(dotted, "room.update", { roomId: id, name: "After" });
  const { conversationId, userId, conversation, timestamp } = await told;
  assert.deepEqual([conversationId, userId, conversation.title], [id, ann.user.id, "After"]);
  assert.ok(Date.parse(timestamp));
});

test("conversations: a message by request has a type, text unless it says another", async (t) => {
  const { ann, ben, id } = await pair(t);
  const post = (more) => answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "x", ...more });
  const sent = [await post({}), await post({ message_type: "voice" })];
  assert.deepEqual(sent.map(({ message_type }) => message_type), ["text", "voice"]);
  const read = await until("both are in history", async () => {
    const { messages } = await answered(200, ben.user, "GET", `/api/messages/${id}`);
    return messages.length === 2 && messages;
  });
  assert.deepEqual(read.map((message) => [message.id, message.message_type]), [[sent[1].id, "voice"], [sent[0].id, "text"]]);
});

test("conversations: delivered and read by request are told to the sender, by whom", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const sender = await connect(t, ann, CONVERSATIONS);
  // Known, and gone: no socket of his confirms anything by itself.
  (await connect(t, ben, CONVERSATIONS)).close();
  const { id } = await answered(201, ann, "POST", "/api/conversations/direct", { user_id: ben.id });
  const sent = await answered(201, ann, "POST", "/api/messages", { conversation_id: id, content: "when you can" });
  for (const [status, by] of [["delivered", "deliveredBy"], ["read", "readBy"]]) {
    const told = heard(sender, "chat:message_status_updated", ({ messageId }) => messageId === sent.id);
    const posted = await answered(200, ben, "POST", `/api/messages/${sent.id}/status`, { status_type: status });
    assert.deepEqual(posted, { message_id: sent.id, status_type: status });
    const { timestamp, ...update } = await told;
    assert.deepEqual(update, { messageId: sent.id, conversationId: id, status, [by]: ben.id });
    assert.ok(Date.parse(timestamp));
  }
});

test("conversations: a page says how far each message has got", async (t) => {
  const { ann, ben, id } = await pair(t);
  ben.socket.close();
  await sleep(500);
  const { id: message } = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "one" });
  const page = async () => (await answered(200, ann.user, "GET", `/api/messages/${id}`)).messages;
  const one = async () => (await answered(200, ann.user, "GET", `/api/conversations/${id}`)).last_message;
  const list = async () => {
    const { conversations } = await answered(200, ann.user, "GET", "/api/conversations");
    return conversations.find((conversation) => conversation.id === id).last_message;
  };
  const shows = async (status) => {
    await until(`the page says ${status}`, async () => (await page()).find((shown) => shown.id === message)?.status === status);
    await until(`the conversation says ${status}`, async () => (await one())?.status === status);
    await until(`the list says ${status}`, async () => (await list())?.status === status);
  };
  await shows("sent");
  for (const status_type of ["delivered", "read"]) {
    await answered(200, ben.user, "POST", `/api/messages/${message}/status`, { status_type });
    await shows(status_type);
  }
  const { id: later } = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "two" });
  const both = await until("both are there", async () => {
    const messages = await page();
    return messages.length === 2 && messages;
  });
  assert.deepEqual(both.map((shown) => [shown.id, shown.status]), [[later, "sent"], [message, "read"]]);
});

test("conversations: what waited for a user says how far it has got with others", async (t) => {
  const { ann, ben } = await pair(t);
  const cem = newUser("Cem");
  await connect(t, cem, CONVERSATIONS);
  const { id } = await answered(201, ann.user, "POST", "/api/conversations/group", { title: "Three", participant_ids: [ben.user.id, cem.id] });
  ben.socket.close();
  await sleep(500);
  const sent = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "one" });
  await answered(200, cem, "POST", `/api/messages/${sent.id}/status`, { status_type: "read" });
  await until("the page says read", async () => {
    const { messages } = await answered(200, ann.user, "GET", `/api/messages/${id}`);
    return messages[0]?.status === "read";
  });
  const socket = client(t, NGINX, { token: await tokenOf(ben.user), vocabulary: "conversations" });
  const waited = heard(socket, "chat:message_received", (message) => message.id === sent.id);
  socket.connect();
  assert.equal((await waited).status, "read");
});

test("conversations: the last message of a conversation shows its reactions, alone and in the list", async (t) => {
  const { ann, ben, id } = await pair(t);
  const sent = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: id, content: "one" });
  await answered(200, ben.user, "POST", `/api/messages/${sent.id}/reactions`, { emoji: "👍" });
  const expected = [{ emoji: "👍", count: 1, user_ids: [ben.user.id] }];
  const shown = (message) => JSON.stringify(message?.reactions) === JSON.stringify(expected);
  await until("the page shows it", async () => shown((await answered(200, ann.user, "GET", `/api/messages/${id}`)).messages[0]));
  assert.deepEqual((await answered(200, ann.user, "GET", `/api/conversations/${id}`)).last_message.reactions, expected);
  const { conversations } = await answered(200, ann.user, "GET", "/api/conversations");
  assert.deepEqual(conversations.find((conversation) => conversation.id === id).last_message.reactions, expected);
});
