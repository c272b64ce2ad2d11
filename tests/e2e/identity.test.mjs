// Who comes in, as whom, and until when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { forge, gentoken, solo } from "../lib/process.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const soon = () => Math.floor(Date.now() / 1_000) + 600;
const claims = (more = {}) => ({ sub: "u1", userId: "u1", userName: "U", iss: "parlor", aud: "parlor", exp: soon(), ...more });

test("every token that is not good is refused with one and the same text", async (t) => {
  const good = await gentoken("u1", "User 1");
  const [header, body, signature] = good.split(".");
  const short = await gentoken("u1", "User 1", "--ttl", "1s");
  const made = Date.now();
  const bad = {
    "not a token": "your-jwt-token",
    "another key": forge(claims()),
    "no algorithm": forge(claims(), { header: { alg: "none", typ: "JWT" } }),
    "another algorithm": `${Buffer.from('{"alg":"RS256"}').toString("base64url")}.${body}.${signature}`,
    "a key from elsewhere": forge(claims(), { header: { alg: "HS256", jku: "http://127.0.0.1/keys", kid: "../../dev/null" } }),
    "no signature": `${header}.${body}.`,
    "other claims": `${header}.${Buffer.from(JSON.stringify(claims({ sub: "root" }))).toString("base64url")}.${signature}`,
  };
  for (const [what, token] of Object.entries(bad)) await refuses(what, token);

  async function refuses(what, token) {
    const socket = client(t, NGINX, { token });
    const refused = heard(socket, "connect_error");
    let connected = false;
    socket.on("connect", () => (connected = true));
    socket.connect();
    assert.equal((await refused).message, "Invalid token", what);
    assert.equal(connected, false, what);
    assert.equal(socket.active, false, `${what}: a stock client does not try again`);
  }
  // Past its end and the 5 s by which clocks may differ.
  await sleep(Math.max(0, made + 7_500 - Date.now()));
  await refuses("expired", short);
});

test("a token comes in auth, in a header, or in connection.authenticate", async (t) => {
  const user = newUser("Ann");
  const token = await tokenOf(user);
  const byHeader = client(t, NGINX, {}, { extraHeaders: { Authorization: `Bearer ${token}` } });
  const authenticated = heard(byHeader, "connection.authenticated");
  byHeader.connect();
  assert.equal((await authenticated).userId, user.id);

  const byEvent = client(t, NGINX, {});
  const asked = heard(byEvent, "connection.authenticate");
  const then = heard(byEvent, "connection.authenticated");
  byEvent.connect();
  await asked;
  assert.deepEqual(await done(byEvent, "connection.authenticate", { token }), {});
  const welcome = await then;
  assert.equal(welcome.userId, user.id);
  assert.equal(welcome.userName, "Ann");
  // Nobody becomes somebody else on a live connection.
  const closed = heard(byEvent, "disconnect");
  const unauthorized = heard(byEvent, "connection.unauthorized");
  await ask(byEvent, "connection.authenticate", { token: await tokenOf(newUser("Ben")) }).catch(() => {});
  assert.equal((await unauthorized).error, "unauthorized");
  assert.equal(await closed, "io server disconnect");
});

test("a bad token in connection.authenticate is told and ends the connection", async (t) => {
  const socket = client(t, NGINX, {});
  const asked = heard(socket, "connection.authenticate");
  socket.connect();
  await asked;
  const told = heard(socket, "connection.unauthorized");
  const closed = heard(socket, "disconnect");
  socket.emit("connection.authenticate", { token: forge(claims()) });
  assert.deepEqual(await told, { error: "unauthorized", message: "Invalid token" });
  assert.equal(await closed, "io server disconnect");
});

test("a guest takes a name, keeps its identity over a lost connection, and is somebody new on a new page", async (t) => {
  const socket = client(t, NGINX, { name: "Visitor" });
  const first = heard(socket, "connection.authenticated");
  socket.connect();
  const { userId, userName } = await first;
  assert.match(userId, /^guest-/);
  assert.equal(userName, "Visitor");
  const back = heard(socket, "connection.authenticated");
  socket.io.engine.close();
  assert.equal((await back).userId, userId);
  const other = client(t, NGINX, { name: "Visitor" });
  const second = heard(other, "connection.authenticated");
  other.connect();
  assert.notEqual((await second).userId, userId);
});

test("without guests a socket without a token has 10 s, and can do nothing until then", async (t) => {
  const url = await solo(t, "auth.guests=false");
  const socket = client(t, url, { name: "Visitor" });
  const asked = heard(socket, "connection.authenticate");
  socket.connect();
  await asked;
  const connected = Date.now();
  assert.equal((await ask(socket, "room.join", { roomId: "r" })).error, "unauthorized");
  const told = heard(socket, "connection.unauthorized", undefined, 15_000);
  const closed = heard(socket, "disconnect", undefined, 15_000);
  assert.deepEqual(await told, { error: "unauthorized", message: "Authentication token required" });
  assert.ok(Date.now() - connected > 8_000);
  assert.equal(await closed, "io server disconnect");
});

test("an expiring token is told, a new one goes on, and without one the socket is closed within 60 s", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const sockets = [];
  // The first may be told while the second still comes in.
  const told = [];
  for (const user of [ann, ben]) {
    const socket = client(t, NGINX, { token: await gentoken(user.id, user.name, "--ttl", "2s") });
    sockets.push(socket);
    told.push(heard(socket, "token.expired", undefined, 30_000));
    const welcome = heard(socket, "connection.authenticated");
    socket.connect();
    await welcome;
  }
  const [renews, sleeps] = sockets;
  for (const { graceSeconds } of await Promise.all(told)) assert.equal(graceSeconds, 60);
  const begun = Date.now();
  const closed = heard(sleeps, "disconnect", undefined, 75_000);
  await done(renews, "connection.authenticate", { token: await tokenOf(ann) });
  assert.equal(await closed, "io server disconnect");
  const after = Date.now() - begun;
  assert.ok(after > 45_000, `closed ${after} ms after it was told`);
  assert.equal(renews.connected, true);
  const roomId = `renewed-${ann.id}`;
  await done(renews, "room.join", { roomId });
  assert.equal((await send(renews, roomId, "still here")).status, "sent");
});

test("connection.disconnect ends the connection", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const closed = heard(socket, "disconnect");
  assert.deepEqual(await done(socket, "connection.disconnect"), {});
  assert.equal(await closed, "io server disconnect");
  await until("it stays away", () => !socket.active);
});

test("a client that the server has disconnected connects again at once and is let in", async (t) => {
  const socket = await connect(t, newUser("Ann"), { auth: { vocabulary: "snake" } });
  const roomId = `room-${randomUUID().slice(0, 8)}`;
  await done(socket, "join_room", { roomId });
  // As the snake document's client does.
  const back = heard(socket, "connect");
  socket.on("disconnect", (reason) => reason === "io server disconnect" && socket.connect());
  socket.emit("connection.disconnect");
  await back;
  assert.equal((await done(socket, "join_room", { roomId })).roomId, roomId);
});
