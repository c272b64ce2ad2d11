// Floods: refused with RATE_LIMIT_EXCEEDED, cut off if they go on, and nobody else feels them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newUser, randomUUID, send } from "../lib/clients.mjs";
import { extraGateway, solo } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

const refused = (ack) => ack?.error === "RATE_LIMIT_EXCEEDED";

test("a flood of joins and of rooms made is refused over two gateways together", async (t) => {
  const limits = ["limits.join=20/60s", "limits.room_create=5/60s"];
  const urls = [await extraGateway(t, "flooded-1", ...limits), await extraGateway(t, "flooded-2", ...limits)];
  const ann = newUser("Ann");
  const sockets = [];
  for (const url of urls) sockets.push(await connect(t, ann, { url }));
  const name = randomUUID().slice(0, 8);
  const rooms = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(sockets[i % 2], "room.create", { type: "channel", name: `${name}-${i}` })));
  assert.equal(rooms.filter((ack) => ack.room).length, 5);
  assert.equal(rooms.filter(refused).length, 7);
  const { roomId } = rooms.find((ack) => ack.room).room;
  const joins = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(sockets[i % 2], "room.join", { roomId })));
  assert.equal(joins.filter(refused).length, 10);
});

test("a flood of typing is refused, and the room hears little of it", async (t) => {
  const url = await solo(t, "limits.typing=30/60s");
  const [ann, ben] = [await connect(t, newUser("Ann"), { url }), await connect(t, newUser("Ben"), { url })];
  const roomId = await newChannel(ann, ben);
  let told = 0;
  ben.on("typing.user", () => told++);
  const acks = await Promise.all(Array.from({ length: 200 }, () => ask(ann, "typing.start", { roomId })));
  assert.equal(acks.filter(refused).length, 170);
  assert.ok(told <= 3, `${told} signals`);
});

test("a flood of any events is refused, whatever they are, and cut off if it does not stop", async (t) => {
  const url = await solo(t, "limits.event=50/10s");
  const [ann, ben] = [await connect(t, newUser("Ann"), { url }), await connect(t, newUser("Ben"), { url })];
  const roomId = await newChannel(ann, ben);
  const acks = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(ann, i % 2 ? "presence.nonsense" : "room.join", { roomId })));
  // One of them made the channel.
  assert.equal(acks.filter(refused).length, 51);
  const { retryAfter, limit, window } = acks.find(refused);
  // What a gateway counts alone is remembered for the window and up to an eighth of it more.
  assert.ok(retryAfter >= 1 && retryAfter <= 12, `${retryAfter}`);
  assert.deepEqual([limit, window], [50, 10]);
  ann.io.reconnection(false);
  const gone = heard(ann, "disconnect");
  for (let i = 0; i < 300; i++) ann.emit("presence.nonsense", { i });
  await gone;
  assert.equal((await send(ben, roomId, "all the same")).status, "sent");
});

test("floods of acks and of pings cost nobody else anything", async (t) => {
  const url = await solo(t);
  const [ann, ben] = [await connect(t, newUser("Ann"), { url }), await connect(t, newUser("Ben"), { url })];
  const roomId = await newChannel(ann, ben);
  const raw = ann.io.engine;
  for (let i = 0; i < 20_000; i++) raw.write(`3${i}[]`);
  for (let i = 0; i < 20_000; i++) raw.transport.ws.send("3");
  const received = heard(ben, "message.received", ({ content }) => content === "through");
  const begun = Date.now();
  await done(ben, "message.send", { roomId, content: "through" });
  await received;
  assert.ok(Date.now() - begun < 10_000);
  await until("Ann is served, or was closed", async () => !ann.connected || (await ask(ann, "room.join", { roomId })).room);
});
