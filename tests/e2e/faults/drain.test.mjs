// A gateway that drains, under stock clients that set `retries` and `ackTimeout` together (docs/clients.md).
import assert from "node:assert/strict";
import { test } from "node:test";
import { mendAfter, stop, storedIds } from "../../lib/cluster.mjs";
import { connectOn, gatewayOf, history, newChannel, newUser, randomUUID } from "../../lib/clients.mjs";
import { heard, until } from "../../lib/wait.mjs";

const COUNT = 200;

test("a gateway that drains loses and doubles nothing of clients with retries and ackTimeout, and they are told why and resume elsewhere", async (t) => {
  mendAfter(t, "gateway-2");
  const senders = [];
  for (const [i, transports] of [["websocket"], ["polling", "websocket"], ["polling"]].entries()) {
    const options = { transports, retries: 10, ackTimeout: 4_000 };
    senders.push({ name: `Sender${i}`, socket: await connectOn(t, "gateway-2", newUser(`Sender${i}`), options) });
  }
  const listener = await connectOn(t, "gateway-2", newUser("Listener"), { transports: ["polling"] });
  const parting = heard(listener, "connection.disconnect", () => true, 60_000);
  const reader = await connectOn(t, "gateway-1", newUser("Reader"));
  const roomId = await newChannel(...senders.map(({ socket }) => socket), reader);
  for (const sender of senders) {
    const polls = sender.socket.io.engine.transport.name === "polling";
    Object.assign(sender, { polls, acks: [], failed: [], back: [], heard: [], parting: [] });
    sender.socket.on("connection.disconnect", (why) => sender.parting.push(why));
    sender.socket.on("connect", () => sender.back.push(sender.socket.recovered));
    sender.socket.on("message.received", (message) => sender.heard.push(message.messageId));
    // As an application does: all at once; the client keeps its order, and tries each again until it is acked.
    for (let i = 0; i < COUNT; i++) {
      const payload = { roomId, content: `${sender.name} ${i}`, tempId: randomUUID() };
      sender.socket.emit("message.send", payload, (error, ack) => (error || ack.error ? sender.failed.push(error?.message ?? ack) : sender.acks.push(ack)));
    }
  }
  await until("they are in the middle of it", () => senders.every(({ acks }) => acks.length >= 20), { within: 30_000 });
  const behind = senders.map(({ acks }) => acks.length);
  assert.ok(behind.every((count) => count < COUNT), `in the middle of it: ${behind}`);
  await stop("gateway-2");
  assert.deepEqual(await parting, { code: 4005, reason: "draining" }, "over polling too");
  await until("all are answered", () => senders.every(({ acks, failed }) => acks.length + failed.length === COUNT), { within: 60_000 });

  for (const { name, failed, back, parting, polls, socket } of senders) {
    assert.deepEqual(failed, [], name);
    // One that polls may have a POST refused first, and then asks for nothing more.
    const told = polls && !parting.length ? [] : [{ code: 4005, reason: "draining" }];
    assert.deepEqual(parting, told, `${name} was told why`);
    assert.equal(back.length, 1, `${name} came back once`);
    assert.notEqual(gatewayOf(socket), "gateway-2");
  }
  // What was acked is in history, each once and in the order in which its sender sent it; and so in the store.
  const stored = (await history(reader, roomId)).filter(({ type }) => type !== "system");
  for (const { name, acks } of senders) {
    const mine = stored.filter(({ content }) => content.startsWith(`${name} `));
    assert.deepEqual(mine.map(({ content }) => content), Array.from({ length: COUNT }, (_, i) => `${name} ${i}`));
    assert.deepEqual(mine.map(({ messageId }) => messageId), acks.map(({ messageId }) => messageId));
  }
  await until("the store has all", async () => (await storedIds(roomId)).length >= stored.length, { within: 30_000 });
  assert.deepEqual(await storedIds(roomId), stored.map(({ messageId }) => messageId));

  // Connection state recovery: they missed nothing, without a line of code for it.
  for (const { name, back, heard } of senders) {
    assert.deepEqual(back, [true], `${name} has recovered`);
    await until(`${name} has heard everything`, () => new Set(heard).size >= stored.length, { within: 20_000 });
    assert.deepEqual([...new Set(heard)], stored.map(({ messageId }) => messageId), `${name} heard everything in order`);
  }
});
