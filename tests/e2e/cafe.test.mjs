// A café as its document describes it: anybody comes in, users are counted and not sockets, typing ends by itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newUser, randomUUID, tokenOf } from "../lib/clients.mjs";
import { metrics } from "../lib/metrics.mjs";
import { NGINX } from "../lib/place.mjs";
import { extraGateway, solo } from "../lib/process.mjs";
import { answered } from "../lib/rest.mjs";
import { Listener, settled } from "../lib/returning.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const CAFE = { auth: { vocabulary: "cafe" } };
const newCafe = () => `cafe-${randomUUID().slice(0, 8)}`;

/** A guest of the café, who has said so and has been shown what was said before. */
async function guest(t, cafeId, name, options = CAFE) {
  const user = newUser(name);
  const socket = await connect(t, user, options);
  const shown = heard(socket, "message:history");
  socket.emit("join:cafe", { cafeId });
  await shown;
  return { user, socket };
}

test("cafe: anybody comes in, is counted once however many tabs they have, and is gone with the last", async (t) => {
  const cafeId = newCafe();
  const ann = await guest(t, cafeId, "Ann");
  const user = newUser("Ben");
  const came = heard(ann.socket, "users:update", (update) => update.action === "join");
  const first = await connect(t, user, CAFE);
  first.emit("join:cafe", { cafeId });
  const { cafeId: of, userCount, user: who } = await came;
  assert.deepEqual([of, userCount, who.id, who.username], [cafeId, 2, user.id, "Ben"]);

  const tab = await connect(t, user, CAFE);
  tab.emit("join:cafe", { cafeId });
  await heard(tab, "message:history");
  const present = await answered(200, user, "GET", `/api/chat/presence/${cafeId}`);
  assert.equal(present.userCount, 2);
  assert.deepEqual(present.users.map(({ id }) => id).sort(), [ann.user.id, user.id].sort());

  // Losing one tab changes nothing; losing the last is a leaving like any other.
  let left = 0;
  ann.socket.on("users:update", ({ action }) => (left += action === "leave" ? 1 : 0));
  tab.close();
  await sleep(500);
  assert.equal(left, 0);
  const gone = heard(ann.socket, "users:update", ({ action }) => action === "leave");
  first.close();
  assert.deepEqual([(await gone).userCount, (await gone).user.id], [1, user.id]);
});

test("cafe: who leaves is taken out and the others are told the new count", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  const told = heard(ann.socket, "users:update", ({ action }) => action === "leave");
  ben.socket.emit("leave:cafe", { cafeId });
  assert.deepEqual([(await told).userCount, (await told).cafeId], [1, cafeId]);
  const refused = heard(ben.socket, "error");
  ben.socket.emit("message:send", { cafeId, content: "still here?" });
  assert.equal((await refused).code, "not_found");
});

test("cafe: a status that a user sets shows in the café and to requests", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  const told = heard(ann.socket, "users:update", ({ action, user }) => action === "status" && user.id === ben.user.id && user.status === "busy");
  ben.socket.emit("presence:update", { status: "busy" });
  const { userCount, user } = await told;
  assert.deepEqual([userCount, user.username], [2, "Ben"], "each update has the count and the name");
  const { users } = await answered(200, ann.user, "GET", `/api/chat/presence/${cafeId}`);
  assert.equal(users.find(({ id }) => id === ben.user.id).status, "busy");
});

test("cafe: who has gone was told to have left, and nothing comes after that", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  const other = await connect(t, newUser("Dot"));
  await done(other, "room.join", { roomId: cafeId });
  const told = [];
  ann.socket.on("users:update", ({ action, user }) => user.id === ben.user.id && told.push(action));
  const offline = heard(other, "presence.offline", ({ userId }) => userId === ben.user.id, 20_000);
  ben.socket.close();
  await offline;
  await sleep(500);
  assert.deepEqual(told.slice(told.indexOf("leave")), ["leave"]);
});

test("cafe: a status is told in each café that two users share", async (t) => {
  const cafes = [newCafe(), newCafe()];
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const person = await guest(t, cafes[0], name);
    const shown = heard(person.socket, "message:history", ({ cafeId }) => cafeId === cafes[1]);
    person.socket.emit("join:cafe", { cafeId: cafes[1] });
    await shown;
    people.push(person);
  }
  const [ann, ben] = people;
  const told = [];
  ann.socket.on("users:update", ({ cafeId, action, user }) => {
    if (action === "status" && user?.id === ben.user.id && user.status === "busy") told.push(cafeId);
  });
  ben.socket.emit("presence:update", { status: "busy" });
  await until("both cafés are told of", () => told.length >= 2);
  await sleep(500);
  assert.deepEqual(told.sort(), cafes.sort(), "each once");
});

test("cafe: typing ends after 3 s, at once when it is said, and begins anew with each start", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  const indicator = (isTyping) => heard(ann.socket, "typing:indicator", (told) => told.isTyping === isTyping);
  let [on, off] = [indicator(true), indicator(false)];
  ben.socket.emit("typing:start", { cafeId });
  assert.deepEqual(await on, { userId: ben.user.id, username: "Ben", isTyping: true, cafeId });
  const began = Date.now();
  // A second start a second later: the first one's timer does not end it.
  await sleep(1_000);
  ben.socket.emit("typing:start", { cafeId });
  await off;
  assert.ok(Date.now() - began >= 3_500, `ended after ${Date.now() - began} ms`);
  [on, off] = [indicator(true), indicator(false)];
  ben.socket.emit("typing:start", { cafeId });
  await on;
  ben.socket.emit("typing:stop", { cafeId });
  await off;
});

test("cafe: content has at most 500 characters, and what is refused says why", async (t) => {
  const cafeId = newCafe();
  const ann = await guest(t, cafeId, "Ann");
  const heardIt = heard(ann.socket, "message:new");
  ann.socket.emit("message:send", { cafeId, content: "é".repeat(500) });
  assert.equal((await heardIt).message.content.length, 500);
  const refused = heard(ann.socket, "error");
  ann.socket.emit("message:send", { cafeId, content: "é".repeat(501) });
  assert.equal((await refused).code, "content_too_long");
});

test("cafe: a message over the limit, and the same again within seconds, are refused by their codes", async (t) => {
  const url = await extraGateway(t, "cafe-limits", "limits.message=3/60s", "limits.spam=10s");
  const cafeId = newCafe();
  const ann = await guest(t, cafeId, "Ann", { ...CAFE, url });
  assert.ok((await ask(ann.socket, "message:send", { cafeId, content: "hello" })).id);
  const again = heard(ann.socket, "error", ({ code }) => code === "SPAM_DETECTED");
  ann.socket.emit("message:send", { cafeId, content: "hello" });
  await again;
  for (const content of ["one", "two", "three"]) await ask(ann.socket, "message:send", { cafeId, content });
  const over = heard(ann.socket, "error", ({ code }) => code === "RATE_LIMIT_EXCEEDED");
  ann.socket.emit("message:send", { cafeId, content: "four" });
  assert.ok((await over).retryAfter >= 1);
});

test("cafe: after a reconnection the user is back in the café without joining", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  // Its session has the café once an offset behind the joining was told.
  await settled(new Listener(ben.socket));
  const back = heard(ben.socket, "connect");
  ben.socket.io.engine.close();
  await back;
  const heardIt = heard(ben.socket, "message:new", ({ message }) => message.content === "welcome back");
  ann.socket.emit("message:send", { cafeId, content: "welcome back" });
  await heardIt;
});

test("cafe and conversations: nothing is accepted before a valid token", async (t) => {
  for (const vocabulary of ["cafe", "conversations"]) {
    const socket = client(t, NGINX, { vocabulary, token: `${await tokenOf(newUser("Ann"))}x` });
    const refused = heard(socket, "connect_error");
    socket.connect();
    assert.equal((await refused).message, "Invalid token");
  }
});

test("cafe: what passes the checks is broadcast, stored, cached and counted, and what is refused is nowhere", async (t) => {
  const url = await solo(t, "limits.spam=60s", "limits.message=3/60s");
  const cafeId = newCafe();
  const options = { ...CAFE, url };
  const [ann, ben] = [await guest(t, cafeId, "Ann", options), await guest(t, cafeId, "Ben", options)];
  const heardByBen = [];
  ben.socket.on("message:new", ({ message }) => heardByBen.push(message.content));
  const told = heard(ben.socket, "message:new", ({ message }) => message.content === "espresso espresso please");
  const send = (content) => ask(ann.socket, "message:send", { cafeId, content });
  assert.equal((await send("espresso espresso please")).error, undefined);
  await told;
  assert.equal((await send("espresso espresso please")).error, "SPAM_DETECTED");
  assert.equal((await send("lungo")).error, undefined);
  assert.equal((await send("macchiato")).error, "RATE_LIMIT_EXCEEDED");
  const stored = await until("both are stored", async () => {
    const { messages } = await answered(200, ann.user, "GET", `/api/chat/messages/${cafeId}`, undefined, { url });
    const said = messages.filter(({ type }) => type !== "system").map(({ content }) => content);
    return said.length === 2 && said;
  });
  assert.deepEqual(stored, ["lungo", "espresso espresso please"]);
  // Who comes in is shown them from the cache, once the last has been there.
  await until("Ben hears the last", () => heardByBen.includes("lungo"));
  const hits = async () => (await metrics(url))("parlor_recent_cache_total", 'outcome="hit"');
  const before = await hits();
  const page = heard(ben.socket, "message:history");
  ben.socket.emit("join:cafe", { cafeId });
  const shown = await page;
  assert.ok((await hits()) > before, "the cache had them");
  assert.deepEqual(shown.messages.filter(({ type }) => type !== "system").map(({ content }) => content), stored);
  const { topics } = await until("the words are counted", async () => {
    const counted = await answered(200, ann.user, "GET", `/api/chat/topics/${cafeId}`, undefined, { url });
    return counted.topics.length >= 2 && counted;
  });
  assert.ok(JSON.stringify(topics).includes("espresso") && JSON.stringify(topics).includes("lungo") && !JSON.stringify(topics).includes("macchiato"), JSON.stringify(topics));
  assert.deepEqual(heardByBen, ["espresso espresso please", "lungo"]);
});

test("cafe: presence says of each user in which café, how and since when", async (t) => {
  const url = await solo(t);
  const options = { ...CAFE, url };
  const [here, there] = [newCafe(), newCafe()];
  const begun = Date.now();
  const [ann, ben] = [await guest(t, here, "Ann", options), await guest(t, there, "Ben", options)];
  await ask(ann.socket, "presence:update", { status: "away" });
  const in_ = async (cafeId) => answered(200, ann.user, "GET", `/api/chat/presence/${cafeId}`, undefined, { url });
  await until("Ann is away", async () => (await in_(here)).users[0]?.status === "away");
  const places = [await in_(here), await in_(there)];
  assert.deepEqual(places.map(({ cafeId, users }) => [cafeId, users.map(({ id, status }) => [id, status])]), [
    [here, [[ann.user.id, "away"]]],
    [there, [[ben.user.id, "online"]]],
  ]);
  for (const { users: [{ lastSeen }] } of places) {
    assert.ok(Date.parse(lastSeen) >= begun - 1_000 && Date.parse(lastSeen) <= Date.now() + 1_000, lastSeen);
  }
});

test("cafe: the ten most frequent words are told, highest first, at most once in 5 s, and are what a request gets", async (t) => {
  const cafeId = newCafe();
  const [ann, ben] = [await guest(t, cafeId, "Ann"), await guest(t, cafeId, "Ben")];
  const told = [];
  ben.socket.on("topics:update", (update) => told.push({ ...update, at: Date.now() }));
  const words = "espresso lungo ristretto macchiato cappuccino americano cortado doppio affogato mocha frappe galao".split(" ");
  // Each message changes who is first, so that there is something to tell all the time.
  for (let n = 0; told.length === 0; n++) {
    assert.ok(n < 100, "nothing was told");
    await ask(ann.socket, "message:send", { cafeId, content: `${n} ${words[n % words.length]}` });
    await sleep(150);
  }
  // So far no word is ahead of another by more than one; from here on each is by two of the next.
  for (let n = 0; n < words.length; n++) {
    const content = words.slice(0, n + 1).map((word) => `${word} ${word}`).join(" ");
    await ask(ann.socket, "message:send", { cafeId, content });
  }
  const wanted = words.slice(0, 10);
  await until("it is told", () => told.at(-1).topics.join() === wanted.join(), { within: 20_000 });
  assert.deepEqual(Object.keys(told[0]).sort(), ["at", "cafeId", "topics"]);
  for (const [n, { cafeId: of, topics, at }] of told.entries()) {
    assert.ok(of === cafeId && topics.length <= 10, JSON.stringify(topics));
    assert.ok(n === 0 || at - told[n - 1].at > 4_000, `told again after ${at - told[n - 1]?.at} ms`);
  }
  assert.deepEqual(await answered(200, ben.user, "GET", `/api/chat/topics/${cafeId}`), { cafeId, topics: wanted });
});
