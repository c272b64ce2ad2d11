// Settings change what they say they change: limits of every tier, lengths, times.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newChannel, newGroup, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { declare, png } from "../lib/files.mjs";
import { genvapid, solo } from "../lib/process.mjs";
import { request } from "../lib/rest.mjs";
import { Listener, comeBack, goAway, settled } from "../lib/returning.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

/** One action of each tier that is counted for a user; `n` tells one from the next. */
const ACTIONS = {
  key_claim: ({ a, ben }) => ask(a, "keys.claim", { userId: ben.id, deviceId: "phone" }),
  message: ({ a, roomId }, n) => ask(a, "message.send", { roomId, content: `m${n}` }),
  file: ({ a, roomId }) => declare(a, roomId, png(100)).catch((error) => JSON.parse(error.message.slice(error.message.indexOf("{")))),
  room_create: ({ a }, n) => ask(a, "room.create", { type: "group", name: `Room ${n}`, memberIds: [] }),
  typing: ({ a, roomId }) => ask(a, "typing.start", { roomId }),
  join: ({ a, channel }) => ask(a, "room.join", { roomId: channel }),
  room_change: ({ a, roomId }, n) => ask(a, "room.update", { roomId, name: `Name ${n}` }),
  history: ({ a, roomId }) => ask(a, "message.history", { roomId }),
  push: ({ a }) => ask(a, "push.unsubscribe", { endpoint: "https://push.example.org/1" }),
  keys: ({ a, ben }) => ask(a, "keys.get", { userIds: [ben.id] }),
};
const KEYS = { deviceId: "phone", identityKey: "aWQ=", signedKey: "c2s=", signature: "c2ln" };

test("the limit of every tier is what its setting says", async (t) => {
  // Each another one, so that none can be taken for its neighbour's.
  const limits = Object.fromEntries(Object.keys(ACTIONS).map((tier, i) => [tier, i + 2]));
  const settings = Object.entries(limits).map(([tier, limit]) => `limits.${tier}=${limit}/${1_000 + limit}s`);
  const push = [`push.vapid_key=${await genvapid()}`, "push.vapid_subject=mailto:nobody@example.org"];
  const url = await solo(t, ...settings, ...push, "limits.event=off", "limits.spam=0s");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const b = await connect(t, ben, { url });
  await done(b, "keys.publish", KEYS);
  const channel = await newChannel(b);
  const a = await connect(t, ann, { url });
  const told = heard(a, "room.created");
  await done(b, "room.create", { type: "group", name: "Both", memberIds: [ann.id] });
  const { roomId } = await told;
  await done(b, "room.members.role", { roomId, userId: ann.id, role: "admin" });
  for (const [tier, act] of Object.entries(ACTIONS)) {
    const place = { a, ben, roomId, channel };
    for (let n = 0; n < limits[tier]; n++) {
      const ack = await act(place, n);
      assert.ok(!ack.error, `${tier} ${n + 1} of ${limits[tier]}: ${JSON.stringify(ack)}`);
    }
    const { error, limit, window, retryAfter } = await act(place, limits[tier]);
    assert.deepEqual([error, limit, window], ["RATE_LIMIT_EXCEEDED", limits[tier], 1_000 + limits[tier]], tier);
    assert.ok(retryAfter >= 1 && retryAfter <= window, `${tier}: ${retryAfter}`);
  }
});

test("a café takes as many characters as its setting says", async (t) => {
  const url = await solo(t, "content.max_cafe_chars=800");
  const socket = await connect(t, newUser("Ann"), { url, auth: { vocabulary: "cafe" } });
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  await ask(socket, "join:cafe", { cafeId });
  const told = heard(socket, "message:new", ({ message }) => message.content.length === 800);
  assert.equal((await ask(socket, "message:send", { cafeId, content: "x".repeat(800) })).error, undefined);
  await told;
  assert.equal((await ask(socket, "message:send", { cafeId, content: "x".repeat(801) })).error, "content_too_long");
});

test("a café shows who joins it as many messages as a page has, and typing ends there when its setting says", async (t) => {
  const url = await solo(t, "history.page=3", "rooms.cafe_typing=1s");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url, auth: { vocabulary: "cafe" } });
  const cafeId = `cafe-${randomUUID().slice(0, 8)}`;
  await ask(a, "join:cafe", { cafeId });
  for (let n = 1; n <= 5; n++) {
    const told = heard(a, "message:new", ({ message }) => message.content === `m${n}`);
    a.emit("message:send", { cafeId, content: `m${n}` });
    await told;
  }
  const b = await connect(t, ben, { url, auth: { vocabulary: "cafe" } });
  const shown = heard(b, "message:history");
  await ask(b, "join:cafe", { cafeId });
  assert.deepEqual((await shown).messages.map(({ content }) => content), ["m5", "m4", "m3"]);
  const [on, off] = [true, false].map((typing) => heard(a, "typing:indicator", ({ isTyping }) => isTyping === typing));
  b.emit("typing:start", { cafeId });
  await on;
  const began = Date.now();
  await off;
  const took = Date.now() - began;
  assert.ok(took >= 800 && took < 2_500, `ended after ${took} ms`);
});

test("for how long a client may come back is what the setting says", async (t) => {
  const url = await solo(t, "gateway.resume_within=2s");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url });
  const b = client(t, url, { token: await tokenOf(ben) });
  const listener = new Listener(b);
  b.connect();
  await until("Ben is in", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  await settled(listener);
  // A live session is renewed, however short its time is.
  await sleep(5_000);
  await settled(listener);
  await goAway(b);
  await send(a, roomId, "missed");
  assert.equal(await comeBack(b), true, "within it");
  await until("Ben has it", () => listener.contents(roomId).length === 1);
  await settled(listener);
  await goAway(b);
  // The setting, and the second in which the server saw it last.
  await sleep(4_000);
  assert.equal(await comeBack(b), false, "after it");
});

test("a guest is one with a token and without, and nobody else may be made one", async (t) => {
  const url = await solo(t, "rooms.guests_create=false", "auth.server_keys=only-for-this-test-of-guests-0000001");
  const { body } = await request(url, "POST", "/api/auth/guest", { body: { name: "Gus" } });
  for (const auth of [{ token: body.token }, { name: "Guy" }]) {
    const socket = client(t, url, auth);
    const welcome = heard(socket, "connection.authenticated");
    socket.connect();
    await welcome;
    assert.equal((await ask(socket, "room.create", { name: "Mine", memberIds: [] })).error, "forbidden", JSON.stringify(auth));
  }
  // Ids of guests are theirs alone.
  const token = "only-for-this-test-of-guests-0000001";
  const refused = await request(url, "PUT", `/api/server/users/${body.user.id}`, { token, body: { name: "Eve" } });
  assert.deepEqual([refused.status, refused.body.field], [400, "userId"]);
});

test("a guest with a token who comes back without one shows it again, and goes on where it was", async (t) => {
  const url = await solo(t);
  const { body } = await request(url, "POST", "/api/auth/guest", { body: { name: "Gus" } });
  const a = await connect(t, newUser("Ann"), { url });
  const guest = client(t, url, { vocabulary: "dotted" });
  const listener = new Listener(guest);
  guest.on("connect", () => guest.emit("connection.authenticate", { token: body.token }));
  guest.connect();
  await until("the guest is somebody", () => listener.heard.some(({ name }) => name === "connection.authenticated"));
  const roomId = await newChannel(a, guest);
  await settled(listener);
  await goAway(guest);
  await send(a, roomId, "missed");
  assert.equal(await comeBack(guest), true);
  await until("the guest has it", () => listener.contents(roomId).length === 1);
  const spoken = heard(a, "message.received", ({ content }) => content === "thanks");
  await send(guest, roomId, "thanks");
  assert.equal((await spoken).senderId, body.user.id, "it is who its token says");
});
