// What holds for every event that a client may send, in every vocabulary: each of them stands in docs/api/asyncapi.json,
// which is made from the code, so none is left out here.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { ask, connect, done, newGroup, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { declare, png, put, upload } from "../lib/files.mjs";
import { ROOT } from "../lib/place.mjs";
import { genvapid, solo } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

const { operations, channels } = JSON.parse(readFileSync(`${ROOT}/docs/api/asyncapi.json`, "utf8"));

/** Each event with its vocabulary, a payload that is taken, and the schemas of its fields. */
const EVENTS = Object.values(operations).filter(({ action }) => action === "receive").map(({ messages: [{ $ref }] }) => {
  const [, , vocabulary, , key] = $ref.split("/").map((part) => part.replaceAll("~1", "/"));
  const { name, payload, examples } = channels[vocabulary].messages[key];
  return { vocabulary, name, schema: payload, example: examples[0].payload };
});

/** How the one who is refused without an ack hears it. */
const ERRORS = { dotted: ["connection.error", "message.sent"], snake: ["error"], cafe: ["error"], conversations: ["chat:error"] };
const TIERS = ["message", "file", "room_create", "typing", "join", "room_change", "history", "event", "push", "keys", "key_claim"];
const WITHOUT_LIMITS = TIERS.map((tier) => `limits.${tier}=off`).concat("limits.spam=0s");

/** A solo with everything that an event may ask for, and three users of it. */
async function place(t) {
  const push = [`push.vapid_key=${await genvapid()}`, "push.vapid_subject=mailto:nobody@example.org"];
  const url = await solo(t, ...WITHOUT_LIMITS, ...push, "gateway.max_connections_per_user=1000");
  const people = [];
  for (const name of ["Ann", "Ben", "Cem"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, { url }) });
  }
  return { url, people };
}

/** A room of Ann and Ben with a message of hers, and everything else that a payload may name. */
async function scene(url, [ann, ben, cem], vocabulary, name) {
  let roomId;
  if (vocabulary === "cafe") {
    roomId = `cafe-${randomUUID().slice(0, 8)}`;
    for (const { socket } of [ann, ben]) await done(socket, "room.join", { roomId });
  } else {
    roomId = await newGroup(ann, [ben]);
  }
  const { messageId } = await send(ann.socket, roomId, "the first");
  const oneTimeKeys = Array.from({ length: 4 }, (_, i) => ({ keyId: `${i}`, key: "b25l" }));
  const keys = { deviceId: "phone", identityKey: "aWQ=", signedKey: "c2s=", signature: "c2ln", oneTimeKeys };
  const fields = {
    roomId, cafeId: roomId, conversationId: roomId, messageId, messageIds: [messageId], token: await tokenOf(ann.user),
    userId: ben.user.id, userIds: [ben.user.id], memberIds: [(name === "room.members.remove" ? ben : cem).user.id], ...keys,
  };
  if (name === "keys.claim") await done(ben.socket, "keys.publish", keys);
  if (name.startsWith("file.upload.c")) {
    const bytes = png(200);
    const started = await declare(ann.socket, roomId, bytes);
    assert.ok((await put(url, started, bytes)).ok);
    fields.uploadId = started.uploadId;
  }
  if (name === "file.url") fields.fileId = (await upload(url, ann.socket, roomId, png(200))).fileId;
  return fields;
}

/** Fields beyond those that are required, where one of several is needed or an example is none for real. */
const MORE = {
  "message.read": ["messageIds"],
  "presence.last.seen": ["userId"],
  report: ["messageId"],
  "chat:message_edit": ["contentEncrypted"],
  "chat:message_send": ["contentEncrypted"],
  "room.create": ["name", "memberIds"],
  "room.members.remove": ["memberIds"],
  "room.update": ["name"],
};
const KEYS = { p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", auth: "BTBZMqHH6r4Tts7J_aSIgg" };
const WHOLE = {
  "push.subscribe": { kind: "web", endpoint: "https://push.example.org/1", keys: KEYS },
  "push.unsubscribe": { endpoint: "https://push.example.org/1" },
};

function payloadOf({ name, schema, example }, fields) {
  if (WHOLE[name]) return WHOLE[name];
  const wanted = [...(schema.required ?? []), ...(MORE[name] ?? [])];
  return Object.fromEntries(wanted.map((field) => [field, fields[field] ?? example[field]]));
}

/** Ann's socket of that vocabulary, in the room where it has to enter it. */
async function socketOf(t, url, ann, vocabulary, name, fields) {
  const socket = await connect(t, ann.user, { url, auth: { vocabulary } });
  if (vocabulary === "cafe" && name !== "join:cafe") await ask(socket, "join:cafe", { cafeId: fields.cafeId });
  return socket;
}

const alive = async (socket, fields) => {
  const ack = await ask(socket, "connection.authenticate", { token: fields.token });
  assert.ok(ack && !ack.error && ack.success !== false, JSON.stringify(ack));
};

test("every event is acked where an ack is asked for, and taken without one", async (t) => {
  const { url, people } = await place(t);
  assert.ok(EVENTS.length > 90, `${EVENTS.length} events`);
  const wrong = [];
  for (const event of EVENTS) {
    const { vocabulary, name } = event;
    const ends = name === "connection.disconnect";
    for (const acked of [true, false]) {
      const fields = await scene(url, people, vocabulary, name);
      const socket = await socketOf(t, url, people[0], vocabulary, name, fields);
      const payload = payloadOf(event, fields);
      const gone = heard(socket, "disconnect");
      if (acked) {
        const ack = await ask(socket, name, payload).catch((error) => error);
        const good = typeof ack === "object" && ack !== null && !(ack instanceof Error) && !ack.error && ack.success !== false;
        if (!good) wrong.push(`${vocabulary} ${name} ${JSON.stringify(payload)}: ${ack instanceof Error ? ack.message : JSON.stringify(ack)}`);
      } else {
        const refusals = [];
        socket.onAny((told, body) => {
          if (ERRORS[vocabulary].includes(told) && (body.error || body.code)) refusals.push(body);
        });
        socket.emit(name, payload);
        // Behind what the event was answered with.
        if (!ends) await alive(socket, fields);
        if (refusals.length) wrong.push(`${vocabulary} ${name} without an ack: ${JSON.stringify(refusals)}`);
      }
      if (ends) await gone;
      socket.close();
    }
  }
  assert.deepEqual(wrong, []);
});

/** One value of each type, to be wrong where another is taken. */
const VALUES = [7, true, { a: 1 }, [7], "\u0000"];

test("every field of every event is checked, refused in the vocabulary's own form, and the socket lives", async (t) => {
  const { url, people } = await place(t);
  const ajv = new Ajv({ strict: false });
  addFormats(ajv);
  const wrong = [];
  let tried = 0;
  for (const vocabulary of Object.keys(ERRORS)) {
    const fields = await scene(url, people, vocabulary, "");
    const socket = await socketOf(t, url, people[0], vocabulary, "", fields);
    const { id } = socket;
    const refused = (what, said, field) => {
      tried += 1;
      const form = vocabulary === "conversations" ? said?.success === false : vocabulary === "dotted" || said?.code === said?.error;
      const good = form && said?.error === "bad_request" && typeof said.message === "string" && said.retryable === false;
      if (!good || (field && said.field === undefined)) wrong.push(`${vocabulary} ${what}: ${JSON.stringify(said)}`);
    };
    for (const { name, schema, example } of EVENTS.filter((event) => event.vocabulary === vocabulary)) {
      const properties = Object.entries(schema.properties ?? {});
      for (const [field, of] of properties) {
        const fits = ajv.compile(of);
        for (const value of VALUES.filter((value) => !fits(value))) {
          const payload = { ...example, [field]: value };
          refused(`${name} ${field}: ${JSON.stringify(value)}`, await ask(socket, name, payload).catch(String), field);
        }
      }
      // Events without fields take whatever comes.
      if (!properties.length) continue;
      for (const payload of [7, "text", true, ["a"]]) {
        refused(`${name} ${JSON.stringify(payload)}`, await ask(socket, name, payload).catch(String));
      }
      // And without an ack.
      const told = Promise.any(ERRORS[vocabulary].map((error) => heard(socket, error, (body) => body.field || body.error || body.code)));
      socket.emit(name, 7);
      const body = await told.catch(() => undefined);
      if ((body?.error ?? body?.code) !== "bad_request") wrong.push(`${vocabulary} ${name} without an ack: ${JSON.stringify(body)}`);
    }
    await alive(socket, fields);
    assert.equal(socket.id, id, "one socket all the time");
    await until("it is still in its room", () => socket.connected);
  }
  assert.deepEqual(wrong.slice(0, 20), []);
  assert.ok(tried > 500, `${tried} tried`);
});
