// Tokens: which are good, whose keys they are signed with, and what happens when one ends on a live socket.
import assert from "node:assert/strict";
import { createHmac, createSign, generateKeyPairSync, sign as signWith } from "node:crypto";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { ask, client, connect, done, newUser, randomUUID, send } from "../lib/clients.mjs";
import { CLUSTER_DIR, NGINX, gatewayUrl } from "../lib/place.mjs";
import { forge, gentoken, solo, soloIn } from "../lib/process.mjs";
import { expecting, refreshCookie, request } from "../lib/rest.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const SECRET = "parlor-development-secret-that-everybody-knows";
const now = () => Math.floor(Date.now() / 1_000);
const claims = (more = {}) => {
  const all = { sub: "u1", userName: "U", iss: "parlor", aud: "parlor", iat: now(), exp: now() + 600, ...more };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** How a token is refused: at the handshake, in an event, over REST. */
async function refusals(t, url, token) {
  const socket = client(t, url, { token });
  const refused = heard(socket, "connect_error");
  socket.connect();
  const { message, data } = await refused;
  socket.close();
  const late = client(t, url, {});
  const asked = heard(late, "connection.authenticate");
  late.connect();
  await asked;
  const told = heard(late, "connection.unauthorized");
  const closed = heard(late, "disconnect");
  late.emit("connection.authenticate", { token });
  const event = await told;
  assert.equal(await closed, "io server disconnect");
  const rest = await request(url, "GET", "/api/me", { token });
  return [message, data, event, rest.status, rest.body];
}

const REFUSED = [
  "Invalid token",
  { error: "unauthorized", message: "Invalid token", retryable: false },
  { error: "unauthorized", message: "Invalid token" },
  401,
  { error: "unauthorized", message: "Invalid token", retryable: false },
];

/** An expired one: the same, but that the handshake's `data` says so. */
const EXPIRED = REFUSED.with(1, { ...REFUSED[1], error: "token_expired" });

/** A client that comes in with that token. */
async function comesIn(t, url, token) {
  const socket = client(t, url, { token });
  const welcome = heard(socket, "connection.authenticated", undefined, 20_000);
  const refused = heard(socket, "connect_error", undefined, 20_000).then((error) => Promise.reject(error));
  socket.connect();
  return Object.assign(socket, { welcome: await Promise.race([welcome, refused]) });
}

test("every token that is not good is refused at the handshake, in an event and over REST, with one text", async (t) => {
  const good = forge(claims(), { secret: SECRET });
  assert.equal((await comesIn(t, NGINX, good)).welcome.userId, "u1");
  const [header, body, signature] = good.split(".");
  const own = (header) => {
    const signed = `${part(header)}.${body}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  };
  const bad = {
    "no token at all": "your-jwt-token",
    none: `${part({ alg: "none", typ: "JWT" })}.${body}.`,
    None: `${part({ alg: "None", typ: "JWT" })}.${body}.${signature}`,
    "another algorithm": `${part({ alg: "RS256" })}.${body}.${signature}`,
    "a longer hash of the right key": own({ alg: "HS512" }),
    "an extension that must be understood": own({ alg: "HS256", crit: ["b64"], b64: false }),
    "empty signature": `${header}.${body}.`,
    "another key": forge(claims()),
    "a key that it brings itself": forge(claims(), {
      header: { alg: "HS256", kid: "../../../dev/null", jku: "http://127.0.0.1:9/", jwk: { kty: "oct", k: "" } },
      secret: "",
    }),
    "changed claims": `${header}.${part(claims({ sub: "root" }))}.${signature}`,
    expired: forge(claims({ exp: now() - 10 }), { secret: SECRET }),
    "not yet": forge(claims({ nbf: now() + 60 }), { secret: SECRET }),
    "another issuer": forge(claims({ iss: "elsewhere" }), { secret: SECRET }),
    "another audience": forge(claims({ aud: ["elsewhere"] }), { secret: SECRET }),
    "no exp": forge(claims({ exp: undefined }), { secret: SECRET }),
    "no iss": forge(claims({ iss: undefined }), { secret: SECRET }),
    "no aud": forge(claims({ aud: undefined }), { secret: SECRET }),
    "no sub": forge(claims({ sub: undefined }), { secret: SECRET }),
    "empty sub": forge(claims({ sub: "" }), { secret: SECRET }),
    "the server's own name": forge(claims({ sub: "server" }), { secret: SECRET }),
    "too long": forge(claims({ userName: "x".repeat(9_000) }), { secret: SECRET }),
  };
  for (const [what, token] of Object.entries(bad)) {
    // nginx takes no header of that length at all.
    const url = what === "too long" ? gatewayUrl("gateway-1") : NGINX;
    assert.deepEqual(await refusals(t, url, token), what === "expired" ? EXPIRED : REFUSED, what);
  }
});

test("a token that ends on a live socket is told, and a refreshed one goes on, live and after a reconnection", async (t) => {
  const url = await solo(t, "auth.ttl=3s");
  const answer = await expecting(201, url, "POST", "/api/auth/register", {
    body: { username: `ann-${randomUUID().slice(0, 8)}`, password: "correct horse" },
  });
  const socket = await comesIn(t, url, answer.body.token);
  const roomId = `room-${randomUUID()}`;
  await done(socket, "room.join", { roomId });
  const { graceSeconds } = await heard(socket, "token.expired", undefined, 15_000);
  assert.equal(graceSeconds, 60);
  const cookie = refreshCookie(answer).pair;
  const next = await expecting(200, url, "POST", "/api/auth/refresh", { cookie, origin: "https://chat.example.com" });
  assert.deepEqual(await done(socket, "connection.authenticate", { token: next.body.token }), {});
  assert.equal((await send(socket, roomId, "still here")).status, "sent");
  // D-019: a client that comes back with the new token has missed nothing, and is where it was.
  socket.auth = { token: next.body.token };
  const { id } = socket;
  const back = heard(socket, "connect");
  socket.io.engine.close();
  await back;
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  assert.equal((await send(socket, roomId, "back again")).status, "sent");
});

test("JWT_SECRET and JWT_EXPIRATION sign and end tokens", async (t) => {
  const secret = `a secret of a test's own, ${randomUUID()}`;
  const url = await soloIn(t, { JWT_SECRET: secret, JWT_EXPIRATION: "2h" });
  assert.equal((await comesIn(t, url, forge(claims(), { secret }))).welcome.userId, "u1");
  assert.deepEqual(await refusals(t, url, forge(claims(), { secret: SECRET })), REFUSED);
  const lives = (token) => {
    const { exp, iat } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    return exp - iat;
  };
  const registration = { body: { username: `ann-${randomUUID().slice(0, 8)}`, password: "correct horse" } };
  const { body: { token } } = await expecting(201, url, "POST", "/api/auth/register", registration);
  assert.equal(lives(token), 7_200);
  const [header, body, signature] = token.split(".");
  assert.equal(signature, createHmac("sha256", secret).update(`${header}.${body}`).digest("base64url"));
  assert.equal(lives(await gentoken("u1", "U")), 3_600, "without the variable");
});

// ---- external issuers ---------------------------------------------------------------------------------------------------

const KINDS = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

/** A key of an issuer: its public half, and a way to sign with the other. */
function newKey(alg, kid) {
  const { publicKey, privateKey } = KINDS[alg]();
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  const token = (more = {}, header = {}) => {
    const signed = `${part({ alg, typ: "JWT", kid, ...header })}.${part(claims(more))}`;
    const signature = {
      RS256: () => createSign("sha256").update(signed).sign(privateKey),
      ES256: () => createSign("sha256").update(signed).sign({ key: privateKey, dsaEncoding: "ieee-p1363" }),
      EdDSA: () => signWith(null, Buffer.from(signed), privateKey),
    }[alg]();
    return `${signed}.${signature.toString("base64url")}`;
  };
  return { jwk, token, pem: publicKey.export({ format: "pem", type: "spki" }) };
}

/** A little issuer. `keys` are those that it publishes, `asked` counts who asked. */
async function issuer(t, ...keys) {
  const state = { keys, asked: 0, away: false };
  const server = createServer((_, response) => {
    state.asked++;
    response.statusCode = state.away ? 503 : 200;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: state.keys.map((key) => key.jwk) }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}/jwks.json` });
}

for (const alg of Object.keys(KINDS)) {
  test(`tokens of an external issuer are checked with its ${alg} keys, and its users are made when they come`, async (t) => {
    const [key, other] = [newKey(alg, "one"), newKey(alg, "one")];
    const issued = await issuer(t, key);
    const url = await solo(t, `auth.algorithm=${alg}`, `auth.jwks_url=${issued.url}`);
    const user = newUser("Eve");
    const socket = await comesIn(t, url, key.token({ sub: user.id, userName: undefined, name: "Eve" }));
    assert.deepEqual([socket.welcome.userId, socket.welcome.userName], [user.id, "Eve"]);
    const me = await expecting(200, url, "GET", "/api/me", { token: key.token({ sub: user.id, name: "Eve", userName: undefined }) });
    assert.deepEqual([me.body.user.id, me.body.user.displayName, me.body.user.username], [user.id, "Eve", null]);
    const maker = await comesIn(t, url, key.token({ sub: "maker" }));
    await done(maker, "room.create", { type: "group", name: "With Eve", memberIds: [user.id] });
    const elsewhere = await issuer(t, other);
    const hmac = `${part({ alg: "HS256", kid: "one" })}.${part(claims())}`;
    const bad = {
      "another key under a known id": other.token(),
      "a key from elsewhere": other.token({}, { kid: "two", jku: elsewhere.url, x5u: elsewhere.url, jwk: other.jwk }),
      "the public key as a secret": `${hmac}.${createHmac("sha256", key.pem).update(hmac).digest("base64url")}`,
      "this server's own secret": forge(claims(), { secret: SECRET }),
      none: `${part({ alg: "none", kid: "one" })}.${part(claims())}.`,
      expired: key.token({ exp: now() - 10 }),
      "another audience": key.token({ aud: "elsewhere" }),
    };
    for (const [what, token] of Object.entries(bad)) {
      assert.deepEqual(await refusals(t, url, token), what === "expired" ? EXPIRED : REFUSED, what);
    }
    assert.equal(elsewhere.asked, 0, "a token says nothing about where its key is");
    // There are no accounts here.
    const registration = { body: { username: "ann", password: "correct horse" } };
    assert.equal((await request(url, "POST", "/api/auth/register", registration)).status, 404);
  });
}

test("an issuer's new key is fetched when it is first used, at most once a minute, and a removed one is refused then", async (t) => {
  const [first, second] = [newKey("ES256", "first"), newKey("ES256", "second")];
  const issued = await issuer(t, first);
  const url = await solo(t, "auth.algorithm=ES256", `auth.jwks_url=${issued.url}`);
  await comesIn(t, url, first.token());
  const fetched = Date.now();
  assert.equal(issued.asked, 1);
  issued.keys = [second];
  for (let i = 0; i < 20; i++) {
    const unknown = await request(url, "GET", "/api/me", { token: newKey("ES256", `k${i}`).token() });
    assert.equal(unknown.status, 401);
  }
  assert.equal(issued.asked, 1, "unknown keys cause no more than one request a minute");
  await comesIn(t, url, first.token());
  await sleep(fetched + 61_000 - Date.now());
  await comesIn(t, url, second.token());
  assert.equal(issued.asked, 2);
  assert.deepEqual(await refusals(t, url, first.token()), REFUSED);
});

test("an issuer that is away refuses nobody for good, and known keys hold meanwhile", async (t) => {
  const key = newKey("EdDSA", "one");
  const issued = await issuer(t, key);
  issued.away = true;
  const url = await solo(t, "auth.algorithm=EdDSA", `auth.jwks_url=${issued.url}`);
  const early = await request(url, "GET", "/api/me", { token: key.token() });
  assert.deepEqual([early.status, early.body.error, early.body.retryable], [503, "busy", true]);
  const socket = client(t, url, { token: key.token() });
  const welcome = heard(socket, "connection.authenticated", undefined, 30_000);
  socket.connect();
  await until("it was asked for", () => issued.asked >= 1);
  issued.away = false;
  assert.equal((await welcome).userId, "u1", "a stock client comes in by itself");
  issued.away = true;
  await comesIn(t, url, key.token({ sub: "u2" }));
});

test("passwords, tokens and cookies are in no log", async (t) => {
  const username = `ann-${randomUUID().slice(0, 8)}`;
  const password = `secret-${randomUUID()}`;
  const answer = await expecting(201, NGINX, "POST", "/api/auth/register", { body: { username, password } });
  const secrets = [password, answer.body.token, refreshCookie(answer).pair.split("=")[1]];
  await request(NGINX, "POST", "/api/auth/login", { body: { username, password: `${password}x` } });
  await request(NGINX, "POST", "/api/auth/refresh", { cookie: `parlor_refresh=${secrets[2]}`, origin: "null" });
  const forged = forge(claims({ sub: username }));
  await request(NGINX, "GET", `/api/me?token=${forged}`, { token: forged });
  await refusals(t, NGINX, forged);
  const socket = await connect(t, newUser("Ben"));
  await ask(socket, "connection.authenticate", { token: forged }).catch(() => {});
  const folder = join(CLUSTER_DIR, "log");
  const files = (await readdir(folder)).filter((file) => /^(gateway|persister|delivery-worker)-/.test(file));
  assert.ok(files.length > 0);
  for (const file of files) {
    const text = await readFile(join(folder, file), "utf8");
    for (const secret of [...secrets, forged, forged.split(".")[2]]) assert.ok(!text.includes(secret), `${file} has ${secret}`);
  }
});
