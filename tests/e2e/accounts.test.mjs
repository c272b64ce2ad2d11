// Accounts of Parlor's own: making one, signing in and out, sessions, profiles, deletion.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, connect, history, newGroup, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { NGINX, gatewayUrl } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { expecting, refreshCookie, request } from "../lib/rest.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const ORIGIN = "https://chat.example.com";
const PASSWORD = "correct horse battery staple";
const newName = (name = "ann") => `${name}-${randomUUID().slice(0, 8)}`;

/** A new account, signed in: `{username, token, user, cookie}`. */
async function registered(url = NGINX, more = {}) {
  const username = newName();
  const answer = await expecting(201, url, "POST", "/api/auth/register", { body: { username, password: PASSWORD, ...more } });
  return { username, ...answer.body, cookie: refreshCookie(answer).pair };
}
const login = (url, body) => request(url, "POST", "/api/auth/login", { body });
const refresh = (url, cookie, origin = ORIGIN) => request(url, "POST", "/api/auth/refresh", { cookie, origin });

/** A stock client with that token, welcomed. */
async function online(t, token, url = NGINX) {
  const socket = client(t, url, { token });
  const welcome = heard(socket, "connection.authenticated");
  socket.connect();
  return Object.assign(socket, { welcome: await welcome });
}

/** Resolves to when the socket was told and closed; it must not come back by itself. */
async function signedOut(socket) {
  const told = heard(socket, "connection.unauthorized");
  const parting = heard(socket, "connection.disconnect");
  assert.equal(await heard(socket, "disconnect"), "io server disconnect");
  assert.equal((await told).message, "signed out");
  assert.equal((await parting).code, 4501);
  return Date.now();
}

test("who registers is signed in, may connect, and signs in again by name or address in any case", async (t) => {
  const email = `Ann.${randomUUID()}@Example.com`;
  const { username, token, user, expiresAt } = await registered(NGINX, { email, displayName: "Ann B." });
  assert.deepEqual([user.username, user.email, user.displayName, user.avatar], [username, email.toLowerCase(), "Ann B.", null]);
  assert.ok(Date.parse(expiresAt) > Date.now());
  const socket = await online(t, token);
  assert.equal(socket.welcome.userId, user.id);
  assert.equal(socket.welcome.userName, "Ann B.");
  for (const body of [{ username: username.toUpperCase() }, { email }, { email: email.toUpperCase() }]) {
    const answer = await login(NGINX, { ...body, password: PASSWORD });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.user.id, user.id);
    assert.equal(answer.headers.get("cache-control"), "no-store");
  }
});

test("a name or address that somebody has is refused, and one that nobody may have is named", async () => {
  const email = `${randomUUID()}@example.com`;
  const { username } = await registered(NGINX, { email });
  const register = (body) => request(NGINX, "POST", "/api/auth/register", { body: { password: PASSWORD, ...body } });
  const taken = await register({ username: username.toUpperCase() });
  assert.deepEqual([taken.status, taken.body.error, taken.body.field], [409, "conflict", "username"]);
  const same = await register({ username: newName(), email: email.toUpperCase() });
  assert.deepEqual([same.status, same.body.field], [409, "email"]);
  for (const [body, field] of [
    [{ username: "a" }, "username"],
    [{ username: "a b c" }, "username"],
    [{ username: newName(), email: "nobody" }, "email"],
    [{ username: newName(), password: "1234567" }, "password"],
    [{ username: newName(), password: "x".repeat(257) }, "password"],
    [{ username: newName(), displayName: "x".repeat(65) }, "displayName"],
  ]) {
    const answer = await register(body);
    assert.deepEqual([answer.status, answer.body.error, answer.body.field], [400, "bad_request", field], JSON.stringify(body));
  }
  const form = { headers: { "content-type": "text/plain" }, body: "{}" };
  assert.equal((await request(NGINX, "POST", "/api/auth/register", form)).status, 415);
});

test("nobody takes the server's name: not by registering, not in their profile, not as a guest", async () => {
  const refused = async (method, path, options, field) => {
    const { status, body } = await request(NGINX, method, path, options);
    assert.deepEqual([status, body.error, body.field], [400, "bad_request", field], `${method} ${path}`);
  };
  await refused("POST", "/api/auth/register", { body: { username: newName(), password: PASSWORD, displayName: " SERVER " } }, "displayName");
  await refused("POST", "/api/auth/register", { body: { username: "Server", password: PASSWORD } }, "username");
  await refused("POST", "/api/auth/guest", { body: { name: "server" } }, "name");
  const { token } = await registered();
  await refused("PATCH", "/api/me", { token, body: { displayName: "Server" } }, "displayName");
});

test("a body of accounts that does not fit is told the field in the server's own words", async () => {
  for (const [path, body, field, message] of [
    ["/api/auth/register", {}, "username", "`username` is required"],
    ["/api/auth/register", { username: newName() }, "password", "`password` is required"],
    ["/api/auth/register", { username: 7, password: PASSWORD }, "username", "`username` must be a string"],
    ["/api/auth/login", { username: newName() }, "password", "`password` is required"],
    ["/api/auth/guest", { name: [] }, "name", "`name` must be a string"],
    ["/api/auth/login", [], undefined, "the body must be a JSON object with username, email, password"],
  ]) {
    const answer = await request(NGINX, "POST", path, { body });
    assert.deepEqual([answer.status, answer.body.field, answer.body.message], [400, field, message], JSON.stringify([path, body]));
  }
});

test("an unknown user and a wrong password are answered alike, and take as long", async () => {
  const { username } = await registered();
  const times = { known: [], unknown: [], impossible: [] };
  const answers = new Set();
  for (let i = 0; i < 12; i++) {
    for (const [what, name] of [["known", username], ["unknown", newName()], ["impossible", "no such name"]]) {
      const began = performance.now();
      const answer = await login(gatewayUrl("gateway-1"), { username: name, password: "another password" });
      times[what].push(performance.now() - began);
      answers.add(JSON.stringify([answer.status, answer.body]));
    }
  }
  assert.deepEqual([...answers], [JSON.stringify([401, { error: "unauthorized", message: "Wrong username or password", retryable: false }])]);
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  for (const what of ["unknown", "impossible"]) {
    const ratio = median(times[what]) / median(times.known);
    assert.ok(ratio > 0.5 && ratio < 2, `${what}: ${median(times[what])} ms, known: ${median(times.known)} ms`);
  }
});

test("a refresh gives a new token and a new cookie, out of reach of scripts", async (t) => {
  const url = await solo(t);
  const answer = await expecting(201, url, "POST", "/api/auth/register", { body: { username: newName(), password: PASSWORD } });
  const first = refreshCookie(answer);
  for (const part of ["HttpOnly", "SameSite=Strict", "Path=/api/auth"]) assert.ok(first.attributes.includes(part), first.line);
  const next = await refresh(url, first.pair);
  assert.equal(next.status, 200);
  assert.equal(next.body.user.id, answer.body.user.id);
  assert.notEqual(refreshCookie(next).pair, first.pair);
  await online(t, next.body.token, url);
});

test("a refresh token used a second time ends its session, live sockets included, and no other", async (t) => {
  const { username, token, cookie } = await registered();
  const other = await login(NGINX, { username, password: PASSWORD });
  const socket = await online(t, token);
  const bystander = await online(t, other.body.token);
  const next = await refresh(NGINX, cookie);
  assert.equal(next.status, 200);
  // Two tabs that refresh at once are no theft.
  assert.equal((await refresh(NGINX, cookie)).status, 200);
  await sleep(11_000);
  const closed = signedOut(socket);
  const began = Date.now();
  const stolen = await refresh(NGINX, cookie);
  assert.deepEqual([stolen.status, stolen.body.message], [401, "Invalid refresh token"]);
  assert.match(refreshCookie(stolen).line, /^parlor_refresh=;.*Max-Age=0/);
  assert.ok((await closed) - began < 5_000);
  const heir = await refresh(NGINX, refreshCookie(next).pair);
  assert.deepEqual([heir.status, heir.body], [stolen.status, stolen.body]);
  assert.equal((await refresh(NGINX, refreshCookie(other).pair)).status, 200);
  assert.equal(bystander.connected, true);
});

test("a cookie counts from a listed origin alone", async (t) => {
  const url = await solo(t, `http.allowed_origins=${ORIGIN}`);
  const { cookie } = await registered(url);
  const bad = [undefined, "null", `${ORIGIN}.evil.example`, "https://evil-chat.example.com", "http://chat.example.com", `${ORIGIN}:8443`];
  for (const origin of bad) {
    for (const path of ["/api/auth/refresh", "/api/auth/logout"]) {
      const answer = await request(url, "POST", path, { cookie, origin });
      assert.equal(answer.status, 403, `${path} from ${origin}`);
    }
  }
  assert.equal((await refresh(url, cookie)).status, 200);
});

test("signing out ends that session's sockets on every gateway within 5 s, and its token is good for nothing", async (t) => {
  const { username, token, cookie } = await registered();
  const other = await login(NGINX, { username, password: PASSWORD });
  const [a, b] = [await online(t, token, gatewayUrl("gateway-1")), await online(t, token, gatewayUrl("gateway-2"))];
  const bystander = await online(t, other.body.token, gatewayUrl("gateway-3"));
  const closed = [signedOut(a), signedOut(b)];
  const began = Date.now();
  const out = await request(NGINX, "POST", "/api/auth/logout", { token, cookie, origin: ORIGIN });
  assert.equal(out.status, 204);
  for (const at of await Promise.all(closed)) assert.ok(at - began < 5_000);
  const again = client(t, NGINX, { token });
  const refused = heard(again, "connect_error");
  again.connect();
  assert.equal((await refused).message, "Invalid token");
  assert.equal((await request(NGINX, "GET", "/api/me", { token })).status, 401);
  assert.equal((await refresh(NGINX, cookie)).status, 401);
  assert.equal(bystander.connected, true);
  assert.equal((await request(NGINX, "GET", "/api/me", { token: other.body.token })).status, 200);
});

test("signing out everywhere ends every session, and a new sign-in is good at once", async (t) => {
  const { username, token, cookie } = await registered();
  const other = await login(NGINX, { username, password: PASSWORD });
  const sockets = [await online(t, token), await online(t, other.body.token)];
  const closed = sockets.map(signedOut);
  const began = Date.now();
  await expecting(204, NGINX, "POST", "/api/auth/logout-all", { token });
  for (const at of await Promise.all(closed)) assert.ok(at - began < 5_000);
  for (const old of [token, other.body.token]) {
    assert.equal((await request(NGINX, "GET", "/api/me", { token: old })).status, 401);
  }
  for (const old of [cookie, refreshCookie(other).pair]) assert.equal((await refresh(NGINX, old)).status, 401);
  const again = await login(NGINX, { username, password: PASSWORD });
  const socket = await online(t, again.body.token);
  await sleep(1_000);
  assert.equal(socket.connected, true);
});

test("another user's token on a live socket closes it", async (t) => {
  const [ann, ben] = [await registered(), await registered()];
  const socket = await online(t, ann.token);
  const unauthorized = heard(socket, "connection.unauthorized");
  const closed = heard(socket, "disconnect");
  const { body } = await refresh(NGINX, ben.cookie);
  socket.emit("connection.authenticate", { token: body.token });
  assert.equal((await unauthorized).error, "unauthorized");
  assert.equal(await closed, "io server disconnect");
});

test("a profile is read and changed by its owner, and a new name goes on with the new token", async (t) => {
  const { token, user } = await registered();
  const patch = (body, status = 200) => expecting(status, NGINX, "PATCH", "/api/me", { token, body });
  const changed = await patch({ displayName: "Anna", avatar: "https://example.com/a.png" });
  assert.deepEqual([changed.body.user.displayName, changed.body.user.avatar], ["Anna", "https://example.com/a.png"]);
  const me = await expecting(200, NGINX, "GET", "/api/me", { token });
  assert.deepEqual(me.body.user, changed.body.user);
  assert.equal(me.body.user.id, user.id);
  const socket = await online(t, changed.body.token);
  assert.equal(socket.welcome.userName, "Anna");
  // A token with the old name changes nothing.
  await online(t, token);
  assert.equal((await expecting(200, NGINX, "GET", "/api/me", { token })).body.user.displayName, "Anna");
  assert.equal((await patch({ avatar: null })).body.user.avatar, null);
  assert.equal((await patch({ avatar: "https://example.com/b.png" })).body.user.avatar, "https://example.com/b.png");
  assert.equal((await patch({ avatar: "" })).body.user.avatar, null, "an empty text removes it too");
  const bare = await patch({ displayName: "Anna" });
  assert.equal(bare.body.user.avatar, null);
  assert.equal((await patch({}, 400)).body.token, undefined, "what changes nothing makes no token");
  assert.equal((await patch({ avatar: "javascript:alert(1)" }, 400)).body.field, "avatar");
  assert.equal((await patch({ email: "a@example.com" }, 400)).body.field, "currentPassword");
  assert.equal((await request(NGINX, "GET", "/api/me")).status, 401);
  // Whose profile is kept elsewhere.
  const stranger = await tokenOf(newUser("Dan"));
  assert.equal((await request(NGINX, "PATCH", "/api/me", { token: stranger, body: { displayName: "X" } })).status, 403);
});

test("a new password needs the old one, and ends all other sessions", async (t) => {
  const { username, token, cookie } = await registered();
  const other = await login(NGINX, { username, password: PASSWORD });
  const [own, lost] = [await online(t, token), await online(t, other.body.token)];
  const newPassword = "another horse";
  const wrong = await request(NGINX, "PATCH", "/api/me", { token, body: { newPassword, currentPassword: "wrong one" } });
  assert.deepEqual([wrong.status, wrong.body.field], [403, "currentPassword"]);
  const closed = signedOut(lost);
  await expecting(200, NGINX, "PATCH", "/api/me", { token, body: { newPassword, currentPassword: PASSWORD } });
  await closed;
  assert.equal(own.connected, true);
  assert.equal((await refresh(NGINX, cookie)).status, 200);
  assert.equal((await login(NGINX, { username, password: PASSWORD })).status, 401);
  assert.equal((await login(NGINX, { username, password: newPassword })).status, 200);
});

test("who deletes their account is gone, and what they wrote is nobody's", async (t) => {
  const { username, token, user, cookie } = await registered(NGINX, { displayName: "Ann Gone" });
  const [ann, ben] = [await online(t, token), newUser("Ben")];
  const socket = await connect(t, ben);
  const roomId = await newGroup({ user: ben, socket }, [{ user, socket: ann }]);
  const { messageId } = await send(ann, roomId, "I was here");
  await until("it is stored", async () => (await history(socket, roomId)).some((message) => message.messageId === messageId));
  const left = heard(socket, "room.left", (event) => event.userId === user.id);
  const closed = signedOut(ann);
  assert.equal((await request(NGINX, "DELETE", "/api/me", { token, body: { currentPassword: "wrong one" } })).status, 403);
  await expecting(204, NGINX, "DELETE", "/api/me", { token, body: { currentPassword: PASSWORD } });
  await closed;
  await left;
  assert.equal((await login(NGINX, { username, password: PASSWORD })).status, 401);
  assert.equal((await refresh(NGINX, cookie)).status, 401);
  assert.equal((await request(NGINX, "GET", "/api/me", { token })).status, 401);
  await until("the message is nobody's", async () => {
    const message = (await history(socket, roomId)).find((message) => message.messageId === messageId);
    return /^deleted-/.test(message.senderId) && message.senderName === "Deleted user" && message.content === "I was here";
  });
  await registered(NGINX, { username });
});

test("guests get a token where they are let in", async (t) => {
  const { body } = await expecting(201, NGINX, "POST", "/api/auth/guest", { body: { name: "Visitor" } });
  assert.match(body.user.id, /^guest-/);
  const socket = await online(t, body.token);
  assert.equal(socket.welcome.userName, "Visitor");
  const url = await solo(t, "auth.guests=false", "auth.registration=false");
  assert.equal((await request(url, "POST", "/api/auth/guest", { body: {} })).status, 403);
  const closed = await request(url, "POST", "/api/auth/register", { body: { username: newName(), password: PASSWORD } });
  assert.equal(closed.status, 403);
});

test("sign-ins and new accounts are limited, for an account and for an address", async (t) => {
  const url = await solo(t, "limits.login=2/60s", "limits.register=3/60s");
  const { username } = await registered(url);
  const wrong = { username, password: "another password" };
  assert.equal((await login(url, wrong)).status, 401);
  assert.equal((await login(url, wrong)).status, 401);
  const refused = await login(url, { ...wrong, password: PASSWORD });
  assert.deepEqual([refused.status, refused.body.error, refused.body.limit], [429, "RATE_LIMIT_EXCEEDED", 2]);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  const tried = [];
  for (let i = 0; i < 20; i++) tried.push((await login(url, { username: newName(), password: PASSWORD })).status);
  assert.ok(tried.includes(429), `one address tried ${tried.length} accounts`);
  await registered(url);
  await registered(url);
  const fourth = await request(url, "POST", "/api/auth/register", { body: { username: newName(), password: PASSWORD } });
  assert.equal(fourth.status, 429);
});
