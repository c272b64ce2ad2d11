// What the team's own back end does with a server key.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, done, history, newUser, randomUUID, send } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { expecting, request } from "../lib/rest.mjs";
import { heard, until } from "../lib/wait.mjs";

const [OLD, NEW] = ["the old key of a back end, 32 bytes", "the new key of a back end, 32 bytes"].map((key) => key.replaceAll(/[ ,]/g, "-"));

/** A server whose back end has two keys, and a way to ask it. */
async function backend(t, ...settings) {
  const url = await solo(t, `auth.server_keys=${OLD},${NEW}`, "auth.guests=false", ...settings);
  const call = (status, method, path, body, headers) => expecting(status, url, method, `/api/server${path}`, { token: NEW, body, headers });
  /** A new user, and a token. */
  const user = async (name) => {
    const { id } = newUser(name);
    await call(201, "PUT", `/users/${id}`, { name });
    const { body } = await call(201, "POST", `/users/${id}/token`, {});
    return { id, name, token: body.token };
  };
  const online = async ({ token }) => {
    const socket = client(t, url, { token });
    const welcome = heard(socket, "connection.authenticated");
    socket.connect();
    return Object.assign(socket, { welcome: await welcome });
  };
  return { url, call, user, online };
}

test("every configured key holds, and nothing else is one", async (t) => {
  const { url, user } = await backend(t);
  const { id, token } = await user("Ann");
  const ask = (token) => request(url, "GET", `/api/server/users/${id}`, { token });
  for (const key of [OLD, NEW]) assert.equal((await ask(key)).status, 200);
  for (const key of [undefined, token, `${NEW}x`, NEW.slice(1), OLD.toUpperCase()]) {
    const refused = await ask(key);
    assert.deepEqual([refused.status, refused.body.error], [401, "unauthorized"]);
  }
  // A server key is no user's token.
  assert.equal((await request(url, "GET", "/api/me", { token: NEW })).status, 401);
  const without = await solo(t);
  assert.equal((await request(without, "GET", `/api/server/users/${id}`, { token: "" })).status, 401);
});

test("the back end makes users, changes them, and gives them tokens for a time", async (t) => {
  const { call, online } = await backend(t);
  const { id } = newUser("Ann");
  assert.equal((await call(404, "GET", `/users/${id}`)).body.error, "not_found");
  await call(404, "POST", `/users/${id}/token`, {});
  const made = await call(201, "PUT", `/users/${id}`, { name: "Ann", avatar: "https://example.com/a.png" });
  assert.deepEqual([made.body.user.id, made.body.user.displayName, made.body.user.username], [id, "Ann", null]);
  const changed = await call(200, "PUT", `/users/${id}`, { name: "Anna" });
  assert.deepEqual([changed.body.user.displayName, changed.body.user.avatar], ["Anna", "https://example.com/a.png"]);
  const { body } = await call(201, "POST", `/users/${id}/token`, { ttl: 60 });
  assert.ok(Math.abs(Date.parse(body.expiresAt) - Date.now() - 60_000) < 5_000);
  const socket = await online(body);
  assert.deepEqual([socket.welcome.userId, socket.welcome.userName], [id, "Anna"]);
  assert.equal((await call(400, "POST", `/users/${id}/token`, { ttl: 10 * 365 * 86_400 })).body.field, "ttl");
  assert.equal((await call(400, "PUT", "/users/server", { name: "x" })).body.field, "userId");
});

test("the back end signs a user out everywhere, and a new token is good at once", async (t) => {
  const { url, call, user, online } = await backend(t);
  const ann = await user("Ann");
  const socket = await online(ann);
  const closed = heard(socket, "disconnect", undefined, 5_000);
  await call(204, "POST", `/users/${ann.id}/logout`);
  assert.equal(await closed, "io server disconnect");
  assert.equal((await request(url, "GET", "/api/me", { token: ann.token })).status, 401);
  const { body } = await call(201, "POST", `/users/${ann.id}/token`, {});
  await online(body);
});

test("the back end makes rooms with members, who hear of it at once", async (t) => {
  const { call, user, online } = await backend(t);
  const [ann, ben] = [await user("Ann"), await user("Ben")];
  const sockets = [await online(ann), await online(ben)];
  const told = sockets.map((socket) => heard(socket, "room.created", (room) => room.name === "Order 17"));
  const wanted = { type: "group", name: "Order 17", memberIds: [ann.id, ben.id], createdBy: ann.id, isPrivate: true };
  const id = `group_order-${randomUUID()}`;
  const made = await call(201, "PUT", `/rooms/${id}`, wanted);
  assert.equal(made.body.room.roomId, id);
  await Promise.all(told);
  assert.equal((await call(200, "PUT", `/rooms/${id}`, wanted)).body.room.roomId, id);
  // Wherever no more than its id is at hand, a room is what its id says: a group must not pass for a channel.
  const misnamed = [
    [`order-${randomUUID()}`, { type: "group", name: "Order 18", memberIds: [ann.id] }],
    [`group_${randomUUID()}`, { type: "channel", name: "Order 18" }],
  ];
  for (const [other, room] of misnamed) {
    assert.equal((await call(400, "PUT", `/rooms/${other}`, room)).body.field, "roomId", room.type);
  }
  assert.equal((await send(sockets[1], id, "hello")).status, "sent");
  const direct = await call(201, "POST", "/rooms", { type: "direct", memberIds: [ann.id, ben.id] });
  assert.equal((await call(200, "POST", "/rooms", { type: "direct", memberIds: [ben.id, ann.id] })).body.room.roomId, direct.body.room.roomId);
  const channel = await call(201, "POST", "/rooms", { type: "channel", name: `news-${randomUUID()}` });
  await done(sockets[0], "room.join", { roomId: channel.body.room.roomId });
  assert.equal((await call(404, "POST", "/rooms", { type: "group", name: "x", memberIds: ["nobody"] })).body.error, "not_found");
  assert.equal((await call(400, "POST", "/rooms", { type: "group", memberIds: [ann.id] })).body.field, "name");
});

test("the back end puts members in and takes them out, with roles, and what it does acts at once", async (t) => {
  const { call, user, online } = await backend(t);
  const [ann, ben, cem] = [await user("Ann"), await user("Ben"), await user("Cem")];
  const [a, b, c] = [await online(ann), await online(ben), await online(cem)];
  const { body } = await call(201, "POST", "/rooms", { type: "group", name: "Team", memberIds: [ann.id, ben.id], isPrivate: true });
  const { roomId } = body.room;
  const refused = (socket) => async () => (await socket.timeout(5_000).emitWithAck("message.send", { roomId, content: "x" })).error;
  assert.equal(await refused(c)(), "not_found");
  await call(204, "PUT", `/rooms/${roomId}/members/${cem.id}`, { role: "moderator" });
  await until("Cem sends", async () => (await refused(c)()) === undefined);
  // As a moderator he takes others out; and the back end him, whatever he is.
  await done(c, "room.members.remove", { roomId, memberIds: [ben.id] });
  await until("Ben is out", async () => (await refused(b)()) === "not_found");
  await call(204, "DELETE", `/rooms/${roomId}/members/${cem.id}`);
  await until("Cem is out", async () => (await refused(c)()) === "not_found");
  await call(404, "DELETE", `/rooms/${roomId}/members/${cem.id}`);
  assert.equal((await call(400, "PUT", `/rooms/${roomId}/members/${cem.id}`, { role: "left" })).body.field, "role");
  await call(404, "PUT", `/rooms/${roomId}/members/nobody-at-all`, {});
  await call(404, "PUT", "/rooms/no-such-room/members/x", {});
  assert.equal(await refused(a)(), undefined);
});

test("the back end bans and unbans, changes a room and deletes it", async (t) => {
  const { call, user, online } = await backend(t);
  const [ann, ben] = [await user("Ann"), await user("Ben")];
  const [a, b] = [await online(ann), await online(ben)];
  const id = `group_team-${randomUUID()}`;
  const wanted = { type: "group", name: "Team", memberIds: [ann.id, ben.id] };
  await call(201, "PUT", `/rooms/${id}`, wanted);
  const content = { roomId: id, content: "x" };
  const error = async (socket) => (await socket.timeout(5_000).emitWithAck("message.send", content)).error;
  assert.equal(await error(b), undefined);
  await call(204, "PUT", `/rooms/${id}/bans/${ben.id}`, { reason: "for the test" });
  await until("Ben is out", async () => Boolean(await error(b)));
  assert.ok((await b.timeout(5_000).emitWithAck("room.join", { roomId: id })).error);
  await call(204, "DELETE", `/rooms/${id}/bans/${ben.id}`);
  await done(b, "room.join", { roomId: id });
  assert.equal((await call(400, "PUT", `/rooms/${id}/bans/${ben.id}`, { until: "yesterday" })).body.field, "until");
  const renamed = await call(200, "PUT", `/rooms/${id}`, { ...wanted, name: "The team", description: "Ours" });
  assert.deepEqual([renamed.body.room.name, renamed.body.room.description], ["The team", "Ours"]);
  assert.equal((await call(400, "PUT", `/rooms/${id}`, { type: "channel", name: "x" })).body.field, "roomId", "what it is shows in its id");
  await call(204, "DELETE", `/rooms/${id}`);
  await until("the room is gone", async () => (await error(a)) === "not_found");
  await call(404, "DELETE", `/rooms/${id}`);
});

test("system messages are posted once however often they are sent, and removed like anybody's", async (t) => {
  const { call, user, online } = await backend(t);
  const ann = await user("Ann");
  const socket = await online(ann);
  const { body } = await call(201, "POST", "/rooms", { type: "group", name: "Team", memberIds: [ann.id] });
  const { roomId } = body.room;
  const heardOnce = heard(socket, "message.received", (message) => message.content === "Your order has shipped");
  for (const key of ["order 17 shipped", randomUUID()]) {
    const post = () => call(201, "POST", `/rooms/${roomId}/messages`, { content: "Your order has shipped", metadata: { order: 17 } }, { "idempotency-key": key });
    const [first, again] = [await post(), await post()];
    assert.equal(first.body.messageId, again.body.messageId, key);
  }
  const message = await heardOnce;
  assert.deepEqual([message.type, message.senderId, message.metadata], ["system", "server", { order: 17 }]);
  const ours = async () => (await history(socket, roomId)).filter(({ content }) => content === "Your order has shipped");
  await until("both are stored, once each", async () => (await ours()).length === 2);
  const said = await send(socket, roomId, "not for long");
  for (const id of [said.messageId, message.messageId]) {
    const gone = heard(socket, "message.deleted", (event) => event.messageId === id);
    await call(204, "DELETE", `/messages/${id}`);
    await gone;
    await call(404, "DELETE", `/messages/${id}`);
  }
  await call(404, "POST", "/rooms/no-such-room/messages", { content: "x" });
  assert.equal((await call(400, "POST", `/rooms/${roomId}/messages`, { content: "" })).body.field, "content");
  await call(404, "DELETE", `/messages/${randomUUID()}`);
});

test("the back end deletes a user, and a token that was made before brings nobody back", async (t) => {
  const { url, call, user, online } = await backend(t);
  const [ann, ben] = [await user("Ann"), await user("Ben")];
  const [a, b] = [await online(ann), await online(ben)];
  const { body } = await call(201, "POST", "/rooms", { type: "group", name: "Team", memberIds: [ann.id, ben.id] });
  await send(b, body.room.roomId, "I was here");
  const closed = heard(b, "disconnect", undefined, 5_000);
  await call(204, "DELETE", `/users/${ben.id}`);
  assert.equal(await closed, "io server disconnect");
  await call(404, "GET", `/users/${ben.id}`);
  assert.equal((await request(url, "GET", "/api/me", { token: ben.token })).status, 401);
  await until("the message is nobody's", async () => {
    const said = (await history(a, body.room.roomId)).find((message) => message.content === "I was here");
    return /^deleted-/.test(said.senderId) && said.senderName === "Deleted user";
  });
});
