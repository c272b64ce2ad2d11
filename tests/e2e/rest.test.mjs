// REST: the same commands as the sockets', in the words and with the statuses of each document.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, history, newGroup, newUser, randomUUID } from "../lib/clients.mjs";
import { answered, rest } from "../lib/rest.mjs";
import { heard, until } from "../lib/wait.mjs";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Ann and Ben, known to the server, each with a dotted socket. */
async function two(t) {
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user) });
  }
  return people;
}

test("a request without a valid token gets 401 in the form of its document", async () => {
  for (const path of ["/api/rooms", "/api/conversations", "/api/messages/x"]) {
    const { status, body } = await rest(null, "GET", path);
    assert.deepEqual([status, body.error], [401, "unauthorized"], path);
  }
  const cafe = await rest(null, "GET", "/api/chat/messages/x");
  assert.deepEqual([cafe.status, cafe.body.code, cafe.body.error], [401, "unauthorized", undefined]);
  const bad = await rest(null, "GET", "/api/rooms", undefined, { headers: { authorization: "Bearer nonsense" } });
  assert.equal(bad.status, 401);
});

test("a wrong field gets 400 and is named, a body that is too large 413, and a path that is none 404", async () => {
  const ann = newUser("Ann");
  const wrong = async (method, path, body, field) => {
    const response = await rest(ann, method, path, body);
    assert.deepEqual([response.status, response.body.field], [400, field], `${method} ${path}: ${JSON.stringify(response.body)}`);
  };
  await wrong("POST", "/api/messages", { content: "x" }, "conversation_id");
  await wrong("POST", "/api/conversations/direct", { user_id: 7 }, "user_id");
  await wrong("POST", "/api/conversations/direct", { user_id: ann.id }, "user_id");
  await wrong("POST", "/api/conversations/group", { participant_ids: [] }, "title");
  await wrong("GET", "/api/messages/x?limit=ten", undefined, "limit");
  await wrong("GET", "/api/chat/messages/x?offset=-1", undefined, "offset");
  await wrong("DELETE", "/api/messages/no-uuid", undefined, "messageId");
  await wrong("POST", "/api/rooms", { name: "x" }, "memberIds");
  await wrong("POST", "/api/messages/x/status", { status_type: "sent" }, "messageId");
  for (const body of ["{", "[]", "7", '"x"', '{"conversation_id":1}{}']) {
    const response = await rest(ann, "POST", "/api/messages", body);
    assert.deepEqual([response.status, response.body.error], [400, "bad_request"], body);
  }
  const missing = await rest(ann, "GET", `/api/conversations/group_${randomUUID()}`);
  assert.deepEqual([missing.status, missing.body.message], [404, "conversation not found"]);
  const called = (type) => rest(ann, "POST", "/api/rooms", { name: "x" }, { headers: { "content-type": type } });
  const form = await called("application/x-www-form-urlencoded");
  assert.deepEqual([form.status, form.body.error], [415, "unsupported_type"]);
  assert.equal((await called("application/json; charset=utf-8")).status, 400);
  const large = await rest(ann, "POST", "/api/messages", { conversation_id: "x", content: "x".repeat(70_000) });
  assert.deepEqual([large.status, large.body.error], [413, "too_large"]);
  const long = await rest(ann, "POST", "/api/messages", { conversation_id: "x", content: "x".repeat(4_001) });
  assert.deepEqual([long.status, long.body.error], [400, "content_too_long"]);
  assert.equal((await rest(ann, "GET", "/api/nowhere")).status, 404);
  assert.equal((await rest(ann, "PUT", "/api/messages")).status, 405);
});

test("a room made and spoken in by requests is heard on sockets, in history and under the same ids", async (t) => {
  const [ann, ben] = await two(t);
  const invited = heard(ben.socket, "room.created");
  const { room } = await until("Ben is known", () => answered(201, ann.user, "POST", "/api/rooms", { name: "By REST", memberIds: [ben.user.id], isPrivate: true }));
  assert.equal((await invited).roomId, room.roomId);
  const path = `/api/rooms/${encodeURIComponent(room.roomId)}`;

  const received = heard(ben.socket, "message.received", ({ content }) => content === "posted");
  const sent = await answered(201, ann.user, "POST", `${path}/messages`, { content: "posted", metadata: { n: 1.5 } });
  const live = await received;
  assert.deepEqual([live.messageId, live.timestamp, live.metadata], [sent.messageId, sent.timestamp, { n: 1.5 }]);

  const edited = heard(ben.socket, "message.edited");
  await answered(200, ann.user, "PATCH", `${path}/messages/${sent.messageId}`, { content: "mended" });
  assert.equal((await edited).content, "mended");
  const page = await answered(200, ben.user, "GET", `${path}/messages?limit=10`);
  assert.equal(page.messages[0].content, "mended");

  // Only the author edits; a stranger is told of nothing.
  assert.equal((await rest(ben.user, "PATCH", `${path}/messages/${sent.messageId}`, { content: "mine" })).status, 403);
  const stranger = newUser("Eve");
  assert.equal((await rest(stranger, "GET", `${path}/messages`)).status, 404);
  assert.equal((await rest(stranger, "POST", `${path}/messages`, { content: "x" })).status, 404);

  const deleted = heard(ben.socket, "message.deleted");
  await answered(200, ann.user, "DELETE", `${path}/messages/${sent.messageId}`);
  assert.equal((await deleted).messageId, sent.messageId);
});

test("a request repeated with the same Idempotency-Key posts once and is answered with the same id", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const post = (key, body, path = `/api/rooms/${roomId}/messages`) =>
    answered(201, ann.user, "POST", path, body, { headers: key ? { "idempotency-key": key } : {} });
  const key = randomUUID();
  const first = await post(key, { content: "once" });
  const again = await post(`"${key}"`, { content: "once" });
  assert.equal(again.messageId, first.messageId);
  // Nor does it matter by which document it is sent, and a key that is no UUID will do.
  const named = await post("order-17", { conversation_id: roomId, content: "named" }, "/api/messages");
  assert.equal((await post("order-17", { conversation_id: roomId, content: "named" }, "/api/messages")).id, named.id);
  // The client's own id in the body.
  const id = randomUUID();
  const own = await post(null, { id, conversation_id: roomId, content: "own" }, "/api/messages");
  assert.equal((await post(null, { id, conversation_id: roomId, content: "own" }, "/api/messages")).id, own.id);
  const tempId = randomUUID();
  const temporary = await post(null, { tempId, conversation_id: roomId, content: "temporary" }, "/api/messages");
  assert.equal((await post(null, { tempId, conversation_id: roomId, content: "temporary" }, "/api/messages")).id, temporary.id);
  // Behind the last repetition, and Ben's gateway may learn of it later than Ann's: what is there by then is all.
  await post(null, { content: "last" });
  const contents = await until("Ben's gateway knows the last", async () => {
    const found = (await history(ben.socket, roomId)).map(({ content }) => content);
    return found.includes("last") && found.filter((content) => !content.includes("created"));
  });
  assert.deepEqual(contents, ["once", "named", "own", "temporary", "last"]);
  const bad = await rest(ann.user, "POST", `/api/rooms/${roomId}/messages`, { content: "x" }, { headers: { "idempotency-key": "x".repeat(300) } });
  assert.equal(bad.status, 400);
});

test("conversations: a message posted, changed and deleted by requests, as the document says", async (t) => {
  const [ann, ben] = await two(t);
  const listener = await connect(t, ben.user, { auth: { vocabulary: "conversations" } });
  const direct = await until("Ben is known", () => answered(201, ann.user, "POST", "/api/conversations/direct", { user_id: ben.user.id }));
  assert.equal(direct.type, "direct");
  assert.equal(direct.title, null);
  assert.deepEqual(direct.participants.map((one) => one.user_id).sort(), [ann.user.id, ben.user.id].sort());
  // The same pair, from either side: the same conversation, and nothing new.
  const same = await answered(200, ben.user, "POST", "/api/conversations/direct", { user_id: ann.user.id });
  assert.equal(same.id, direct.id);

  const received = heard(listener, "chat:message_received", (m) => m.content_encrypted === "c2VjcmV0");
  const sent = await answered(201, ann.user, "POST", "/api/messages", { conversation_id: direct.id, content_encrypted: "c2VjcmV0" });
  assert.equal(sent.sender_id, ann.user.id);
  assert.match(sent.created_at, ISO);
  const live = await received;
  assert.deepEqual([live.id, live.sender_id, live.created_at, live.is_encrypted], [sent.id, ann.user.id, sent.created_at, true]);

  const edited = heard(listener, "chat:message_edited");
  const changed = await answered(200, ann.user, "PATCH", `/api/messages/${sent.id}`, { content_encrypted: "bmV3" });
  assert.deepEqual([changed.id, changed.is_edited, changed.content_encrypted], [sent.id, true, "bmV3"]);
  assert.equal((await edited).contentEncrypted, "bmV3");
  assert.equal((await rest(ben.user, "PATCH", `/api/messages/${sent.id}`, { content: "x" })).status, 403);

  const deleted = heard(listener, "chat:message_deleted");
  assert.deepEqual(await answered(200, ann.user, "DELETE", `/api/messages/${sent.id}`), { success: true });
  assert.equal((await deleted).messageId, sent.id);
});

test("conversations: groups are made, listed, shown, joined and left by requests", async (t) => {
  const [ann, ben] = await two(t);
  const cem = newUser("Cem");
  (await connect(t, cem)).close();
  const listener = await connect(t, ben.user, { auth: { vocabulary: "conversations" } });
  const told = heard(listener, "conversation:updated", ({ action }) => action === "created");
  const group = await until("they are known", () => answered(201, ann.user, "POST", "/api/conversations/group", { title: "Project Team", participant_ids: [ben.user.id] }));
  assert.deepEqual([group.type, group.title], ["group", "Project Team"]);
  assert.equal(group.participants.find((one) => one.user_id === ann.user.id).role, "admin");
  assert.equal((await told).conversation.title, "Project Team");

  await answered(201, ben.user, "POST", "/api/messages", { conversation_id: group.id, content: "first" });
  const list = await until("the list has its message", async () => {
    const list = await answered(200, ann.user, "GET", "/api/conversations?limit=50&offset=0");
    return list.conversations[0]?.last_message?.content === "first" && list;
  });
  assert.equal(list.total, 1);
  assert.equal(list.conversations[0].id, group.id);
  const one = await answered(200, ann.user, "GET", `/api/conversations/${group.id}`);
  assert.equal(one.last_message.content, "first");
  assert.equal(one.participants.length, 2);
  assert.equal((await rest(cem, "GET", `/api/conversations/${group.id}`)).status, 404);

  const added = await answered(200, ann.user, "POST", `/api/conversations/${group.id}/participants`, { user_id: cem.id });
  assert.ok(added.participants.some((one) => one.user_id === cem.id));
  await answered(200, cem, "GET", `/api/conversations/${group.id}`);
  const removed = await answered(200, ann.user, "DELETE", `/api/conversations/${group.id}/participants/${cem.id}`);
  assert.ok(!removed.participants.some((one) => one.user_id === cem.id));
  assert.equal((await rest(cem, "POST", "/api/messages", { conversation_id: group.id, content: "x" })).status, 404);
  // Oneself.
  await answered(200, ben.user, "DELETE", `/api/conversations/${group.id}/participants/${ben.user.id}`);
  const missing = await rest(ann.user, "POST", "/api/conversations/group", { title: "No", participant_ids: [`nobody-${randomUUID()}`] });
  assert.ok([400, 404].includes(missing.status), `${missing.status}`);
});

test("conversations: each participant shows role and time of joining, alone and in the list", async (t) => {
  const [ann, ben] = await two(t);
  const direct = await until("Ben is known", () => answered(201, ann.user, "POST", "/api/conversations/direct", { user_id: ben.user.id }));
  const group = await answered(201, ann.user, "POST", "/api/conversations/group", { title: "Shown", participant_ids: [ben.user.id] });
  const { conversations } = await answered(200, ben.user, "GET", "/api/conversations");
  for (const [id, role] of [[direct.id, "member"], [group.id, "admin"]]) {
    const alone = await answered(200, ben.user, "GET", `/api/conversations/${id}`);
    const listed = conversations.find((one) => one.id === id);
    for (const { participants, participant_count } of [alone, listed]) {
      assert.equal(participant_count, 2);
      assert.deepEqual(participants.map((one) => one.user_id).sort(), [ann.user.id, ben.user.id].sort());
      for (const one of participants) {
        assert.deepEqual(Object.keys(one).sort(), ["avatar_url", "display_name", "joined_at", "role", "user_id", "username"]);
        assert.match(one.joined_at, ISO);
        assert.equal(one.role, one.user_id === ann.user.id ? role : "member");
      }
    }
  }
});

test("conversations: the list names the first twenty participants, and how many there are", async (t) => {
  const [ann, ben] = await two(t);
  const others = Array.from({ length: 20 }, (_, at) => newUser(`Other ${at}`));
  for (const other of others) (await connect(t, other)).close();
  const group = await until("they are known", () => answered(201, ann.user, "POST", "/api/conversations/group", { title: "Many", participant_ids: others.map(({ id }) => id) }));
  // Who comes last is not among the first.
  await answered(200, ann.user, "POST", `/api/conversations/${group.id}/participants`, { user_id: ben.user.id });
  const { conversations } = await answered(200, ben.user, "GET", "/api/conversations");
  const { participants, participant_count } = conversations.find((one) => one.id === group.id);
  assert.deepEqual([participants.length, participant_count], [20, 22]);
  assert.ok(!participants.some((one) => one.user_id === ben.user.id));
});

test("conversations: pages are counted from the newest message, with the total", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const before = (await answered(200, ann.user, "GET", `/api/messages/${roomId}?limit=1`)).total;
  for (let i = 0; i < 7; i++) await done(ann.socket, "message.send", { roomId, content: `${i}` });
  const page = await answered(200, ben.user, "GET", `/api/messages/${roomId}?limit=3&offset=2`);
  assert.deepEqual(page.messages.map(({ content }) => content), ["4", "3", "2"]);
  assert.equal(page.total, before + 7);
  const all = await answered(200, ben.user, "GET", `/api/messages/${roomId}`);
  assert.equal(all.messages[0].content, "6");
});

test("conversations: status and reactions by requests are heard on sockets", async (t) => {
  const [ann, ben] = await two(t);
  const roomId = await newGroup(ann, [ben]);
  const listener = await connect(t, ann.user, { auth: { vocabulary: "conversations" } });
  const { messageId } = await done(ann.socket, "message.send", { roomId, content: "x" });
  const read = heard(listener, "chat:message_status_updated", (e) => e.status === "read" && e.messageId === messageId);
  assert.deepEqual(await answered(200, ben.user, "POST", `/api/messages/${messageId}/status`, { status_type: "read" }), { message_id: messageId, status_type: "read" });
  assert.equal((await read).readBy, ben.user.id);

  const emoji = "👩🏽‍🚀";
  const reaction = heard(listener, "chat:message_reaction", (e) => e.action === "add");
  assert.deepEqual(await answered(200, ben.user, "POST", `/api/messages/${messageId}/reactions`, { emoji }), { message_id: messageId, reaction_emoji: emoji });
  assert.equal((await reaction).emoji, emoji);
  const gone = heard(listener, "chat:message_reaction", (e) => e.action === "remove");
  await answered(200, ben.user, "DELETE", `/api/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`);
  assert.equal((await gone).emoji, emoji);
});

test("cafe: pages, presence, topics and deletion by requests", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  const [a, b] = [await connect(t, ann, { auth: { vocabulary: "cafe" } }), await connect(t, ben, { auth: { vocabulary: "cafe" } })];
  for (const socket of [a, b]) await done(socket, "join:cafe", { cafeId });
  const sent = [];
  for (let i = 0; i < 5; i++) sent.push((await done(a, "message:send", { cafeId, content: `coffee number ${i}` })).id);

  const page = await answered(200, ben, "GET", `/api/chat/messages/${cafeId}?limit=2&offset=1`);
  assert.deepEqual([page.total, page.limit, page.offset], [5, 2, 1]);
  assert.deepEqual(page.messages.map(({ id }) => id), [sent[3], sent[2]]);
  const first = page.messages[0];
  assert.deepEqual([first.cafeId, first.userId, first.username, first.content, first.deleted], [cafeId, ann.id, ann.name, "coffee number 3", false]);
  assert.match(first.createdAt, ISO);
  const whole = await answered(200, ben, "GET", `/api/chat/messages/${cafeId}`);
  assert.deepEqual([whole.limit, whole.offset, whole.messages.length], [50, 0, 5]);

  const presence = await answered(200, ben, "GET", `/api/chat/presence/${cafeId}`);
  assert.deepEqual([presence.cafeId, presence.userCount], [cafeId, 2]);
  for (const user of presence.users) {
    assert.deepEqual(Object.keys(user).sort(), ["id", "lastSeen", "status", "username"]);
    assert.equal(user.status, "online");
    assert.match(user.lastSeen, ISO);
  }
  const topics = await until("the café's topic is known", async () => {
    const topics = await answered(200, ben, "GET", `/api/chat/topics/${cafeId}?limit=10`);
    return topics.topics.includes("coffee") && topics;
  });
  assert.equal(topics.cafeId, cafeId);

  assert.equal((await rest(ben, "DELETE", `/api/chat/messages/${sent[4]}`)).status, 403);
  const told = heard(b, "message:deleted");
  assert.deepEqual(await answered(200, ann, "DELETE", `/api/chat/messages/${sent[4]}`), { success: true, message: "Message deleted" });
  assert.deepEqual([(await told).messageId, (await told).cafeId], [sent[4], cafeId]);
  assert.equal((await answered(200, ben, "GET", `/api/chat/messages/${cafeId}`)).total, 4);
});

test("a deletion by request reaches a café, and the answer is the document's", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann, { auth: { vocabulary: "cafe" } });
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  await done(socket, "join:cafe", { cafeId });
  const { id } = await done(socket, "message:send", { cafeId, content: "gone" });
  const told = heard(socket, "message:deleted");
  assert.deepEqual(await answered(200, ann, "DELETE", `/api/chat/messages/${id}`), { success: true, message: "Message deleted" });
  const event = await told;
  assert.deepEqual([event.messageId, event.cafeId, event.userId], [id, cafeId, ann.id]);
});
