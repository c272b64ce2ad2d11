// Whatever comes in, the answer says what is wrong with it, and only what cannot be a packet ends the connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { RawClient } from "../lib/raw.mjs";
import { heard, until } from "../lib/wait.mjs";

function assertRefused(ack, code, what) {
  assert.equal(ack?.error, code, `${what}: ${JSON.stringify(ack)}`);
  assert.ok(typeof ack.message === "string" && ack.message.length > 5, `${what} says what is wrong`);
  assert.equal(typeof ack.retryable, "boolean", what);
}

test("wrong types and missing fields are refused with the field's name, and the socket lives", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  const content = "x";
  const cases = [
    ["message.send", {}, "roomId"],
    ["message.send", { roomId }, "content"],
    ["message.send", { content }, "roomId"],
    ["message.send", { roomId: 7, content }, "roomId"],
    ["message.send", { roomId: "", content }, "roomId"],
    ["message.send", { roomId: "r".repeat(256), content }, "roomId"],
    ["message.send", { roomId: "a\nb", content }, "roomId"],
    ["message.send", { roomId, content: 7 }, "content"],
    ["message.send", { roomId, content: ["x"] }, "content"],
    ["message.send", { roomId, content: "" }, "content"],
    ["message.send", { roomId, content: " \n" }, "content"],
    ["message.send", { roomId, content, type: "system" }, "type"],
    ["message.send", { roomId, content, type: "poem" }, "type"],
    ["message.send", { roomId, content, type: 1 }, "type"],
    ["message.send", { roomId, content, tempId: 1 }, "tempId"],
    ["message.send", { roomId, content, tempId: "" }, "tempId"],
    ["message.send", { roomId, content, tempId: "t".repeat(256) }, "tempId"],
    ["message.send", { roomId, content, replyToId: "no id" }, "replyToId"],
    ["message.send", { roomId, content, metadata: "text" }, "metadata"],
    ["message.send", { roomId, content, metadata: [] }, "metadata"],
    ["message.send", { roomId, content, metadata: { filler: "x".repeat(16 * 1024) } }, "metadata"],
    ["message.edit", { content }, "messageId"],
    ["message.edit", { messageId: "no id", content }, "messageId"],
    ["message.edit", { messageId: randomUUID() }, "content"],
    ["message.delete", {}, "messageId"],
    ["message.delete", { messageId: 12 }, "messageId"],
    ["message.history", {}, "roomId"],
    ["message.history", { roomId, limit: 0 }, "limit"],
    ["message.history", { roomId, limit: -1 }, "limit"],
    ["message.history", { roomId, limit: 1.5 }, "limit"],
    ["message.history", { roomId, limit: "50" }, "limit"],
    ["message.history", { roomId, cursor: "yesterday" }, "cursor"],
    ["message.history", { roomId, cursor: {} }, "cursor"],
    ["message.history", { roomId, direction: "up" }, "direction"],
    ["room.create", { memberIds: [] }, "name"],
    ["room.create", { name: "n" }, "memberIds"],
    ["room.create", { name: "n".repeat(256), memberIds: [] }, "name"],
    ["room.create", { name: "n", memberIds: "ann" }, "memberIds"],
    ["room.create", { name: "n", memberIds: [1] }, "memberIds"],
    ["room.create", { name: "n", memberIds: [], type: "castle" }, "type"],
    ["room.create", { name: "n", memberIds: [], isPrivate: "yes" }, "isPrivate"],
    ["room.create", { type: "channel", name: "direct_a_b" }, "name"],
    ["room.create", { type: "channel", roomId: " " }, "roomId"],
    ["room.create", { type: "channel", name: "\u200b" }, "name"],
    ["room.join", {}, "roomId"],
    ["room.join", { roomId: " " }, "roomId"],
    ["room.join", { roomId: "\u200b" }, "roomId"],
    ["room.join", { roomId: null }, "roomId"],
    ["room.leave", { roomId: false }, "roomId"],
    ["typing.start", {}, "roomId"],
    ["typing.stop", { roomId: [] }, "roomId"],
  ];
  for (const [event, payload, field] of cases) {
    const what = `${event} ${JSON.stringify(payload).slice(0, 80)}`;
    const ack = await ask(socket, event, payload);
    assertRefused(ack, "bad_request", what);
    assert.equal(ack.field, field, what);
    assert.equal(ack.retryable, false, what);
  }
  for (const payload of [undefined, null, "text", 7, true, ["a"]]) {
    assertRefused(await ask(socket, "message.send", payload), "bad_request", `message.send ${JSON.stringify(payload)}`);
  }
  assertRefused(await socket.timeout(5_000).emitWithAck("message.send", { roomId, content }, "more"), "bad_request", "two arguments");
  assert.equal((await send(socket, roomId, "still here")).status, "sent");
});

test("content has at most 4,000 characters, counted as characters", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  for (const letter of ["x", "ß", "🟦"]) {
    assert.equal((await send(socket, roomId, letter.repeat(4_000))).status, "sent");
    const ack = await ask(socket, "message.send", { roomId, content: letter.repeat(4_001) });
    assertRefused(ack, "content_too_long", `4,001 of ${letter}`);
    assert.equal(ack.field, "content");
  }
});

test("unknown events are refused by name, with an ack and without", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  for (const event of ["no.such.event", "", "message.sendd", "__proto__", "🟦"]) {
    assertRefused(await ask(socket, event, {}), "unknown_event", event);
  }
  const told = heard(socket, "connection.error");
  socket.emit("no.such.event", {});
  const error = await told;
  assertRefused(error, "unknown_event", "without ack");
  assert.equal(error.event, "no.such.event");
  const failed = heard(socket, "message.sent");
  socket.emit("message.send", { roomId: 1, tempId: "t1" });
  const sent = await failed;
  assertRefused(sent, "bad_request", "message.send without ack");
  assert.equal(sent.status, "failed");
  assert.equal(sent.tempId, "t1");
});

test("what a stranger asks about a room is answered as if there were none", async (t) => {
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user) });
  }
  const roomId = await newGroup(people[0], [people[1]]);
  const { messageId } = await send(people[0].socket, roomId, "between us");
  const stranger = await connect(t, newUser("Eve"));
  const nowhere = `group_${randomUUID()}`;
  const nothing = randomUUID();
  for (const [event, payload] of [
    ["message.send", (room) => ({ roomId: room, content: "let me in" })],
    ["message.history", (room) => ({ roomId: room })],
    ["room.join", (room) => ({ roomId: room })],
    ["room.leave", (room) => ({ roomId: room })],
    ["typing.start", (room) => ({ roomId: room })],
    ["message.edit", (_, message) => ({ messageId: message, content: "mine" })],
    ["message.edit", (room, message) => ({ roomId: room, messageId: message, content: "mine" })],
    ["message.delete", (_, message) => ({ messageId: message })],
    ["message.delete", (room, message) => ({ roomId: room, messageId: message })],
  ]) {
    // While the store lags behind the log, a message that is not there may be one that is not stored yet.
    const answer = (room, message) =>
      until(`${event} is answered`, async () => {
        const ack = await ask(stranger, event, payload(room, message));
        return ack.error !== "busy" && ack;
      });
    const theirs = await answer(roomId, messageId);
    const none = await answer(nowhere, nothing);
    assertRefused(theirs, "not_found", event);
    assert.deepEqual(theirs, none, `${event}: one and the same answer`);
  }
  const { messages } = await done(people[1].socket, "message.history", { roomId });
  assert.deepEqual(messages.filter((m) => m.type !== "system").map((m) => m.content), ["between us"]);
});

test("a user's inbox is no room that anybody can name", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann);
  for (const [event, more] of [["room.join", {}], ["message.send", { content: "x" }], ["message.history", {}]]) {
    for (const roomId of [`user:${ann.id}`, "user:somebody"]) {
      assertRefused(await ask(socket, event, { roomId, ...more }), "not_found", `${event} ${roomId}`);
    }
  }
});

test("a frame of 65 KiB is refused in its ack, and the socket lives", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  for (const bytes of [65 * 1024, 200 * 1024]) {
    assertRefused(await ask(socket, "message.send", { roomId, content: "x".repeat(bytes) }), "too_large", `${bytes} bytes`);
  }
  assert.equal((await send(socket, roomId, "still here")).status, "sent");
  assert.equal(socket.active, true);
});

test("depth, duplicate keys, U+0000, lone surrogates and odd numbers are refused, and the socket lives", async (t) => {
  const raw = await RawClient.connect(t, newUser("Ann"));
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  assert.equal((await raw.ask(`["room.join",{"roomId":"${roomId}"}]`)).error, undefined);
  const message = (rest) => `["message.send",{"roomId":"${roomId}",${rest}}]`;
  const nested = (depth, open, close) => open.repeat(depth) + close.repeat(depth);
  const cases = {
    "arrays 10,000 deep": message(`"content":"x","metadata":{"a":${nested(10_000, "[", "]")}}`),
    "objects 10,000 deep": message(`"content":"x","metadata":${'{"a":'.repeat(9_999)}{}${"}".repeat(9_999)}`),
    "metadata 17 deep": message(`"content":"x","metadata":${'{"a":'.repeat(16)}{}${"}".repeat(16)}`),
    "a key twice": message(`"content":"x","content":"y"`),
    "U+0000 in content": message(`"content":"a\\u0000b"`),
    "U+0000 in metadata": message(`"content":"x","metadata":{"a":"\\u0000"}`),
    "U+0000 in a room's id": `["message.send",{"roomId":"a\\u0000","content":"x"}]`,
    "a lone high surrogate": message(`"content":"\\ud83d"`),
    "a lone low surrogate": message(`"content":"\\ude00 x"`),
    "a lone surrogate in a key": message(`"content":"x","metadata":{"\\ud83d":1}`),
    "a number out of range": message(`"content":"x","metadata":{"a":1e999}`),
    "arguments that are no JSON": `["message.send",{"roomId":]`,
    "no end": `["message.send",{"roomId":"a"`,
    "no arguments": `["message.send"]`,
  };
  for (const [what, args] of Object.entries(cases)) assertRefused(await raw.ask(args), "bad_request", what);
  const kept = await raw.ask(message(`"content":"a pair \\ud83d\\ude00 is fine","metadata":{"n":9007199254740993}`));
  assert.equal(kept.status, "sent", JSON.stringify(kept));
  const page = await raw.ask(`["message.history",{"roomId":"${roomId}"}]`);
  assert.deepEqual(page.messages.map((m) => m.content), ["a pair 😀 is fine"], "nothing else was posted");
});

test("snake refuses with code and message, in the ack and as an error event", async (t) => {
  const socket = await connect(t, newUser("Ann"), { auth: { vocabulary: "snake" } });
  const ack = await ask(socket, "send_message", { roomId: 1 });
  assert.equal(ack.code, "bad_request");
  assert.equal(ack.error, "bad_request");
  assert.ok(ack.message);
  const told = heard(socket, "error");
  socket.emit("send_message", { roomId: "nowhere", content: "x", tempId: "t9" });
  const error = await told;
  assert.equal(error.code, "not_found");
  assert.equal(error.event, "send_message");
  assert.equal(error.tempId, "t9");
  assert.ok(error.message);
  assert.equal((await ask(socket, "message.send", { roomId: "r", content: "x" })).code, "unknown_event");
});

test("packets that cannot be decoded close the connection with a reason", async (t) => {
  for (const packet of ["4", "49", "4x", "42", '42{"a":1}', "42[7]", '42["connect"]', "40{}", "43[]", "hello", '451-["x"]', '4599-["x",{"_placeholder":true,"num":0}]']) {
    const raw = await RawClient.connect(t, newUser("Ann"));
    raw.ws.send(packet);
    const { code, reason } = await raw.closed;
    assert.equal(code, 4502, `${packet}: ${code} ${reason}`);
    assert.equal(reason, "parse error", packet);
  }
});

test("a frame over 256 KiB closes the connection with 1009, on WebSocket and on polling", async (t) => {
  const raw = await RawClient.connect(t, newUser("Ann"));
  raw.ws.send(`42["message.send",{"content":"${"x".repeat(257 * 1024)}"}]`);
  const { code, reason } = await raw.closed;
  assert.equal(code, 1009);
  assert.equal(reason, "too large");

  const base = `${NGINX}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1));
  const refused = await fetch(`${base}&sid=${sid}`, { method: "POST", body: `4${"x".repeat(257 * 1024)}` });
  assert.equal(refused.status, 413);
  // A poll may still be told the end of the session; then there is none.
  const last = await fetch(`${base}&sid=${sid}`);
  if (last.status === 200) assert.equal(await last.text(), "1", "nothing but the close packet");
  assert.equal((await fetch(`${base}&sid=${sid}`)).status, 400, "the session is gone");
});

test("binary data is refused by ack, and the socket lives", async (t) => {
  const socket = await connect(t, newUser("Ann"));
  const roomId = await newChannel(socket);
  assertRefused(await ask(socket, "message.send", { roomId, content: Buffer.from("x") }), "bad_request", "a buffer");
  await send(socket, roomId, "text");
});
