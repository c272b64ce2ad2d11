// End to end: the server carries ciphertext and hands out public keys; each one-time key once.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ask, connect, connectOn, done, history, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { heard, until } from "../lib/wait.mjs";

const key = () => randomBytes(32).toString("base64");

function bundle(deviceId, count, from = 0) {
  const oneTimeKeys = Array.from({ length: count }, (_, n) => ({ keyId: String(from + n), key: key() }));
  return { deviceId, identityKey: key(), signedKey: key(), signature: key() + key(), oneTimeKeys };
}

/** What others see of a published device. */
const seen = ({ oneTimeKeys, ...rest }, user, oneTimeKeysLeft) => ({ userId: user.id, ...rest, oneTimeKeysLeft });

test("device keys are published, looked up and refilled", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const [hers, his] = [await connectOn(t, "gateway-1", ann), await connectOn(t, "gateway-2", ben)];
  const phone = bundle("phone", 2);
  const published = await done(hers, "keys.publish", phone);
  assert.deepEqual(published, { devices: [seen(phone, ann, 2)] });
  await done(hers, "keys.publish", bundle("laptop", 0));
  const { devices } = await done(his, "keys.get", { userIds: [ann.id, ben.id] });
  assert.deepEqual(devices.map(({ deviceId }) => deviceId), ["laptop", "phone"]);
  assert.deepEqual(devices[1], seen(phone, ann, 2));
  const { devices: [claimed] } = await done(his, "keys.claim", { userId: ann.id, deviceId: "phone" });
  assert.deepEqual(claimed, { ...seen(phone, ann, 1), oneTimeKey: phone.oneTimeKeys[0] });
  // Of each device, where none is named; one has none left.
  const { devices: each } = await done(his, "keys.claim", { userId: ann.id });
  assert.deepEqual(each.map(({ oneTimeKey }) => oneTimeKey?.keyId), [undefined, "1"]);
  const refilled = await done(hers, "keys.publish", { ...phone, oneTimeKeys: [...phone.oneTimeKeys, { keyId: "2", key: key() }] });
  assert.equal(refilled.devices[0].oneTimeKeysLeft, 1, "what was handed out is not taken again");
  for (const wrong of [{ userId: ann.id, deviceId: "fridge" }, { userId: "nobody-at-all" }]) {
    assert.equal((await ask(his, "keys.claim", wrong)).error, "not_found");
  }
});

test("each one-time key is handed out once to claimers on every gateway, over sockets and REST", async (t) => {
  const KEYS = 20;
  const ann = newUser("Ann");
  await done(await connect(t, ann), "keys.publish", bundle("phone", KEYS));
  const claim = { userId: ann.id, deviceId: "phone" };
  const bySocket = async (n) => {
    const socket = await connect(t, newUser(`Claimer${n}`));
    return Promise.all(Array.from({ length: 5 }, () => done(socket, "keys.claim", claim)));
  };
  const byRest = async (n) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${await tokenOf(newUser(`Rest${n}`))}` };
    const one = async () => (await fetch(`${NGINX}/api/keys/claim`, { method: "POST", headers, body: JSON.stringify(claim) })).json();
    return Promise.all(Array.from({ length: 5 }, one));
  };
  const claimed = (await Promise.all([0, 1, 2].flatMap((n) => [bySocket(n), byRest(n)]))).flat();
  const ids = claimed.flatMap(({ devices }) => devices[0].oneTimeKey?.keyId ?? []);
  assert.equal(new Set(ids).size, ids.length, `handed out twice: ${ids}`);
  assert.equal(claimed.length, 30);
  // Who came while others had the last ones in hand may have got none: those are still there, once.
  const socket = await connect(t, newUser("Late"));
  for (;;) {
    const { devices } = await done(socket, "keys.claim", claim);
    if (!devices[0].oneTimeKey) break;
    ids.push(devices[0].oneTimeKey.keyId);
  }
  assert.deepEqual([...new Set(ids)].sort((a, b) => a - b), Array.from({ length: KEYS }, (_, n) => String(n)));
  assert.equal(ids.length, KEYS);
});

test("ciphertext comes live and from history byte for byte as it was sent", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const people = [
    { user: ann, socket: await connectOn(t, "gateway-1", ann) },
    { user: ben, socket: await connectOn(t, "gateway-2", ben) },
  ];
  const roomId = await newGroup(people[0], people.slice(1));
  const ciphertext = `${randomBytes(600).toString("base64")}.${randomBytes(9).toString("base64url")} \u2028 "quoted" \\ <b>`;
  const live = heard(people[1].socket, "message.received", ({ content }) => content === ciphertext);
  const { messageId } = await send(people[0].socket, roomId, ciphertext, { encrypted: true });
  assert.equal((await live).encrypted, true);
  const [stored] = (await history(people[1].socket, roomId)).filter((message) => message.messageId === messageId);
  assert.equal(stored.content, ciphertext);
  assert.equal(stored.encrypted, true);
});

test("a quote says that what it quotes is ciphertext, live and from the store", async (t) => {
  const [ann, ben] = [{ user: newUser("Ann") }, { user: newUser("Ben") }];
  for (const person of [ann, ben]) person.socket = await connect(t, person.user);
  const roomId = await newGroup(ann, [ben]);
  const wanted = { plain: {}, secret: { encrypted: true }, edited: { encrypted: true } };
  const quoted = {};
  for (const content of Object.keys(wanted)) {
    quoted[content] = await send(ann.socket, roomId, content, content === "secret" ? { encrypted: true } : {});
  }
  // What a message is when it is quoted counts, not what it was.
  const { messageId } = quoted.edited;
  const told = heard(ben.socket, "message.edited", (event) => event.messageId === messageId);
  await done(ann.socket, "message.edit", { messageId, content: "edited", encrypted: true });
  await told;
  for (const [content, more] of Object.entries(wanted)) {
    const { messageId } = quoted[content];
    const quote = { messageId, content, ...more, senderId: ann.user.id };
    const live = heard(ann.socket, "message.received", (message) => message.replyTo?.messageId === messageId);
    const answer = await send(ben.socket, roomId, `to ${content}`, { replyToId: messageId });
    assert.deepEqual((await live).replyTo, quote);
    // Counted pages are the store's alone.
    const shown = await until("the answer is stored", async () => {
      const page = await done(ann.socket, "message.page", { roomId, limit: 50 });
      return page.messages.find((message) => message.messageId === answer.messageId);
    });
    assert.deepEqual(shown.replyTo, quote);
  }
});
