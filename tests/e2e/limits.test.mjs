// Rate limits: refused in the ack, with when to try again, over all gateways together; nothing else happens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, history, newChannel, newUser, randomUUID, send } from "../lib/clients.mjs";
import { extraGateway, solo } from "../lib/process.mjs";
import { rest } from "../lib/rest.mjs";
import { heard, sleep } from "../lib/wait.mjs";

test("the eleventh message in a minute is refused as the documents say, over two gateways together", async (t) => {
  const one = await extraGateway(t, "limited-1", "limits.preset=documents");
  const two = await extraGateway(t, "limited-2", "limits.preset=documents");
  const ann = newUser("Ann");
  const sockets = [await connect(t, ann, { url: one }), await connect(t, ann, { url: two })];
  const roomId = await newChannel(...sockets);
  for (let i = 0; i < 10; i++) await send(sockets[i % 2], roomId, `m${i}`);
  for (const socket of sockets) {
    const tempId = randomUUID();
    const { retryAfter, ...refusal } = await ask(socket, "message.send", { roomId, content: "too much", tempId });
    assert.deepEqual(refusal, {
      error: "RATE_LIMIT_EXCEEDED",
      message: "Too many messages. Please slow down.",
      retryable: true,
      limit: 10,
      window: 60,
      tempId,
      status: "failed",
    });
    assert.ok(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 60, `retryAfter ${retryAfter}`);
  }
  // On the gateway of the last send, which knows of it at once.
  const texts = (await history(sockets[1], roomId)).map((m) => m.content);
  assert.deepEqual(texts.toSorted(), Array.from({ length: 10 }, (_, i) => `m${i}`), "what was refused was not posted");
  // Somebody else's limit is their own.
  const ben = await connect(t, newUser("Ben"), { url: two });
  await done(ben, "room.join", { roomId });
  assert.equal((await send(ben, roomId, "mine")).status, "sent");
});

test("after retryAfter the same message is accepted", async (t) => {
  const url = await solo(t, "limits.message=2/3s");
  const socket = await connect(t, newUser("Ann"), { url });
  const roomId = await newChannel(socket);
  for (const content of ["one", "two"]) await send(socket, roomId, content);
  const refused = await ask(socket, "message.send", { roomId, content: "three" });
  assert.equal(refused.error, "RATE_LIMIT_EXCEEDED");
  assert.equal(refused.limit, 2);
  assert.equal(refused.window, 3);
  assert.ok(refused.retryAfter >= 1 && refused.retryAfter <= 3);
  await sleep(refused.retryAfter * 1_000);
  assert.equal((await send(socket, roomId, "three")).status, "sent", "accepted at once when retryAfter has passed");
});

test("rooms and typing have limits of their own, and snake hears them in its form", async (t) => {
  const url = await solo(t, "limits.room_create=1/60s", "limits.typing=1/60s", "limits.message=1/60s");
  const dotted = await connect(t, newUser("Ann"), { url });
  const roomId = await newChannel(dotted);
  const room = await ask(dotted, "room.create", { name: "n", memberIds: [] });
  assert.equal(room.error, "RATE_LIMIT_EXCEEDED");
  assert.equal(room.limit, 1);
  await done(dotted, "typing.start", { roomId });
  assert.equal((await ask(dotted, "typing.start", { roomId })).error, "RATE_LIMIT_EXCEEDED");
  assert.equal((await ask(dotted, "typing.stop", { roomId })).error, undefined, "stopping is never refused");

  const snake = await connect(t, newUser("Ben"), { url, auth: { vocabulary: "snake" } });
  await done(snake, "join_room", { roomId });
  await done(snake, "send_message", { roomId, content: "one" });
  const told = heard(snake, "error");
  snake.emit("send_message", { roomId, content: "two" });
  const error = await told;
  assert.equal(error.code, "RATE_LIMIT_EXCEEDED");
  assert.equal(error.window, 60);
  assert.ok(error.retryAfter >= 1);
});

test("messages by socket and by request share one limit, and a request over it gets 429 with Retry-After", async (t) => {
  const url = await solo(t, "limits.message=3/60s");
  const ann = newUser("Ann");
  const socket = await connect(t, ann, { url });
  const roomId = await newChannel(socket);
  const post = (path, body) => rest(ann, "POST", path, body, { url });
  await send(socket, roomId, "by socket");
  const routes = [[`/api/rooms/${roomId}/messages`, { content: "by request" }], ["/api/messages", { conversation_id: roomId, content: "by the other" }]];
  for (const [path, body] of routes) assert.equal((await post(path, body)).status, 201, path);
  assert.equal((await ask(socket, "message.send", { roomId, content: "over" })).error, "RATE_LIMIT_EXCEEDED");
  for (const [path, body] of routes) {
    const { status, body: refusal, headers } = await post(path, body);
    const { error, retryable, limit, window, retryAfter } = refusal;
    assert.deepEqual([status, error, retryable, limit, window], [429, "RATE_LIMIT_EXCEEDED", true, 3, 60], path);
    assert.ok(retryAfter >= 1 && retryAfter <= 60 && headers.get("retry-after") === `${retryAfter}`, `${path}: ${headers.get("retry-after")}`);
  }
  assert.deepEqual((await history(socket, roomId)).map(({ content }) => content), ["by socket", "by request", "by the other"]);
});
