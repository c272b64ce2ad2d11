// Push: members who are away are told once, through their browser's push service; others are not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { sql } from "../lib/cluster.mjs";
import { extraGateway, extraWorker, genvapid, solo } from "../lib/process.mjs";
import { pushService } from "../lib/push-service.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

/** Long enough to come back in, and to read. */
const DELAY = 4_000;
const RETRY = 300;
/** A push comes after the delay, and later where one before it has just waited. */
const TOLD = { within: DELAY + 10_000 };

async function settings() {
  return [
    `push.vapid_key=${await genvapid()}`,
    "push.vapid_subject=mailto:ops@example.com",
    "push.private_endpoints=true",
    `push.delay=${DELAY}ms`,
    `push.retry=${RETRY}ms`,
  ];
}

/** Somebody with a browser that has subscribed, connected until `goes`. */
async function withBrowser(t, { url, service }, name) {
  const user = newUser(name);
  const socket = await connect(t, user, { url });
  const { publicKey } = await done(socket, "push.key", {});
  const browser = service.subscription(name, publicKey);
  await done(socket, "push.subscribe", browser.json);
  return { user, socket, browser };
}

/** Closes a member's socket, and waits until others know that they are away (10 s of grace). */
async function goes(member, witness) {
  const offline = heard(witness.socket, "presence.offline", ({ userId }) => userId === member.user.id, 30_000);
  member.socket.close();
  await offline;
}

const pushed = (place, member, text) =>
  place.service.to(member.browser).filter(({ notification }) => notification?.body === text);

async function scenario(t, place) {
  const ann = await withBrowser(t, place, "Ann");
  const ben = await withBrowser(t, place, "Ben");
  const cem = await withBrowser(t, place, "Cem");
  const roomId = await newGroup(ann, [ben, cem]);
  await goes(ben, ann);

  const { messageId } = await send(ann.socket, roomId, "are you there?");
  const [push] = await until("Ben's browser is told", () => {
    const told = pushed(place, ben, "are you there?");
    return told.length > 0 && told;
  }, TOLD);
  const { timestamp, ...notification } = push.notification;
  assert.deepEqual(notification, { type: "message", messageId, roomId, senderId: ann.user.id, title: "Ann", body: "are you there?" });
  assert.ok(!Number.isNaN(Date.parse(timestamp)));

  const secret = Buffer.from("ciphertext").toString("base64");
  await send(ann.socket, roomId, secret, { encrypted: true });
  const encrypted = () => place.service.to(ben.browser).find(({ notification }) => notification && !("body" in notification));
  await until("Ben's browser is told of an encrypted message, without its text", encrypted, TOLD);

  // Back before the delay is over: nothing is pushed.
  await send(ann.socket, roomId, "come back");
  ben.socket.connect();
  await until("Ben is back", () => ben.socket.connected);
  await send(ann.socket, roomId, "still here?");
  await sleep(2 * DELAY);
  assert.deepEqual(place.service.to(ben.browser).map(({ notification }) => notification.body), ["are you there?", undefined]);
  assert.deepEqual([ann, cem].map(({ browser }) => place.service.to(browser)), [[], []], "who was there all the time");
  assert.deepEqual(place.service.faults, []);
}

test("in one process a member who is away is told once, and who is there or back is not", async (t) => {
  const service = await pushService(t);
  await scenario(t, { url: await solo(t, ...(await settings())), service });
});

test("on the cluster", async (t) => {
  const service = await pushService(t);
  const given = await settings();
  const place = { url: await extraGateway(t, "gateway-push", ...given, "auth.guests=true"), service };
  await extraWorker(t, "delivery-worker-push", ...given);

  await t.test("a member who is away is told once, and who is there or back is not", (t) => scenario(t, place));

  await t.test("a muted member and one who has read meanwhile are not told", async (t) => {
    const [ann, ben, cem, dee] = await Promise.all(["Ann", "Ben", "Cem", "Dee"].map((name) => withBrowser(t, place, name)));
    const roomId = await newGroup(ann, [ben, cem, dee]);
    await done(ben.socket, "room.mute", { roomId });
    await Promise.all([ben, cem, dee].map((member) => goes(member, ann)));
    const set = (what, { user }) => sql(`UPDATE members SET ${what} WHERE room_id = '${roomId}' AND user_id = '${user.id}'`);
    const { seq } = await send(ann.socket, roomId, "hello");
    // As a receipt from another device does.
    await set(`read_seq = ${seq ?? Number.MAX_SAFE_INTEGER}`, cem);
    await until("Dee is told", () => pushed(place, dee, "hello").length > 0, TOLD);
    assert.deepEqual([ben, cem].map(({ browser }) => service.to(browser)), [[], []]);
  });

  await t.test("a failing service is tried 3 times, never at once, and a subscription that is gone is removed", async (t) => {
    const [ann, ben, cem] = await Promise.all(["Ann", "Ben", "Cem"].map((name) => withBrowser(t, place, name)));
    const roomId = await newGroup(ann, [ben, cem]);
    await Promise.all([ben, cem].map((member) => goes(member, ann)));
    ben.browser.status = 500;
    cem.browser.status = 410;
    await send(ann.socket, roomId, "first");
    await until("Ben's is given up", () => service.to(ben.browser).length >= 3, TOLD);
    const times = service.to(ben.browser).map(({ at }) => at);
    assert.ok(times[1] - times[0] >= RETRY && times[2] - times[1] >= 2 * RETRY, `tried at ${times}`);
    const kept = async ({ browser }) => (await sql(`SELECT 1 FROM push_subscriptions WHERE address = '${browser.json.endpoint}'`)).length;
    await until("Cem's is removed", async () => (await kept(cem)) === 0);
    assert.equal(await kept(ben), 1);
    ben.browser.status = cem.browser.status = 201;
    await send(ann.socket, roomId, "second");
    await until("Ben is told", () => pushed(place, ben, "second").length > 0, TOLD);
    assert.deepEqual([service.to(ben.browser).length, service.to(cem.browser).length], [4, 1]);
  });

  await t.test("who unsubscribes is not told, and nobody is told through what belongs to another now", async (t) => {
    const ann = await withBrowser(t, place, "Ann");
    const ben = await withBrowser(t, place, "Ben");
    const cem = await withBrowser(t, place, "Cem");
    const roomId = await newGroup(ann, [ben, cem]);
    await done(ben.socket, "push.unsubscribe", { endpoint: ben.browser.json.endpoint });
    await Promise.all([ben, cem].map((member) => goes(member, ann)));
    await send(ann.socket, roomId, "hello");
    await until("Cem is told", () => pushed(place, cem, "hello").length > 0, TOLD);
    assert.deepEqual(service.to(ben.browser), []);
  });

  await t.test("the same over REST, and what is wrong or not set up is refused", async (t) => {
    const user = newUser("Ann");
    const api = (path, { method = "POST", body, token } = {}) =>
      fetch(`${place.url}/api/${path}`, { method, body: body && JSON.stringify(body), headers: { ...(body && { "content-type": "application/json" }), ...(token && { authorization: `Bearer ${token}` }) } });
    const { publicKey } = await (await api("push/key", { method: "GET" })).json();
    assert.equal(Buffer.from(publicKey, "base64url").length, 65);
    const [token, body] = [await tokenOf(user), service.subscription("Ann", publicKey).json];
    assert.equal((await api("push/subscriptions", { body })).status, 401);
    assert.equal((await api("push/subscriptions", { body, token })).status, 200);
    assert.equal((await api("push/subscriptions", { method: "DELETE", body: { endpoint: body.endpoint }, token })).status, 200);
    const refused = [
      [{ kind: "fcm", token: "a phone" }, 404],
      [{ kind: "pigeon", token: "a phone" }, 400],
      [{ ...body, keys: { p256dh: "AAAA", auth: "AAAA" } }, 400],
      [{ ...body, endpoint: "file:///etc/passwd" }, 400],
      [{ ...body, keys: "none" }, 400],
    ];
    for (const [body, status] of refused) assert.equal((await api("push/subscriptions", { body, token })).status, status, JSON.stringify(body));
    // The cluster's own gateways are not set up for push.
    const socket = await connect(t, user);
    assert.equal((await ask(socket, "push.key", {})).error, "not_found");
  });

  assert.deepEqual(service.faults, []);
});
