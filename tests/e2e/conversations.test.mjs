// The flows of the conversations document: a message from the click to the check marks, and who is typing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, newUser } from "../lib/clients.mjs";
import { answered, rest } from "../lib/rest.mjs";
import { heard, until } from "../lib/wait.mjs";

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
  // Who has heard something in the conversation is in it; typing is told to nobody twice.
  const here = heard(ben.socket, "chat:message_received", (message) => message.conversation_id === id);
  await ask(ann.socket, "chat:message_send", { conversationId: id, content: "here?" });
  await here;
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
