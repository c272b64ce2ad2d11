// A hundred readers that do not read, in a busy room: each is closed, and nobody else pays for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../lib/checker.mjs";
import { connect, newChannel, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { rssOf } from "../lib/echo.mjs";
import { RawWire } from "../lib/frames.mjs";
import { metrics } from "../lib/metrics.mjs";
import { extraGateway, pidAt } from "../lib/process.mjs";
import { until } from "../lib/wait.mjs";

const READERS = 100;
const MEBIBYTE = 1024 * 1024;

test("a hundred readers that stop, or read 1 KiB/s, are closed; memory stays flat and the others get everything", async (t) => {
  const gateway = await extraGateway(t, "backpressure");
  const witness = await connect(t, newUser("Witness"), { url: gateway });
  const sender = await connect(t, newUser("Sender"));
  const roomId = await newChannel(witness, sender);
  const device = new Device("Witness", witness);

  // Ten sockets of each of ten users.
  const users = Array.from({ length: READERS / 10 }, (_, i) => newUser(`Reader${i}`));
  const readers = await Promise.all(Array.from({ length: READERS }, async (_, i) => {
    const wire = await RawWire.open(t, `${gateway}/socket.io/`);
    wire.say(`40${JSON.stringify({ token: await tokenOf(users[i % 10]), vocabulary: "dotted" })}`);
    await wire.hears("connection.authenticated");
    wire.say(`420["room.join",{"roomId":"${roomId}"}]`);
    await wire.hears("430[");
    return wire;
  }));
  const now = async (name, label) => (await metrics(gateway))(name, label) ?? 0;
  const slow = ["parlor_socketio_closes_total", 'reason="slow consumer"'];
  const pid = pidAt(gateway);
  assert.equal(await now(...slow), 0);
  const before = await rssOf(pid);
  readers.forEach((wire, i) => wire.reads(i % 2 ? "1 KiB/s" : "not at all"));

  // About 31 KB each, 120 KB a second, until all of them are gone: slow enough that the gauge, which is sampled every
  // 5 s, sees the queues before they reach their bound.
  const content = "🟦".repeat(3_990);
  const metadata = { filler: "x".repeat(15_500) };
  const acks = [];
  let [highest, queued] = [before, 0];
  const flood = setInterval(() => acks.push(send(sender, roomId, content, { tempId: randomUUID(), metadata }, 20_000)), 250);
  t.after(() => clearInterval(flood));
  await until("all of them are closed as slow consumers", async () => {
    highest = Math.max(highest, await rssOf(pid));
    queued = Math.max(queued, await now("parlor_socketio_queue_bytes"));
    return (await now(...slow)) >= READERS;
  }, { within: 40_000, every: 200 });
  clearInterval(flood);
  const sent = await Promise.all(acks);

  assert.equal(await now(...slow), READERS, "they, and nobody else");
  assert.ok(queued > 0, "what waited for them was told");
  await until("nothing waits any more", async () => (await now("parlor_socketio_queue_bytes")) < MEBIBYTE / 16);
  await until("the witness has everything", () => sent.every(({ messageId }) => device.shows(messageId)), { within: 20_000 });
  assert.equal(device.runs.length, 1, "over one connection");
  assert.deepEqual(device.runs[0].map(({ messageId }) => messageId), device.shown(roomId).map(({ messageId }) => messageId), "in order");
  // A hundred queues of up to one MiB hold references to one copy of it.
  assert.ok(highest - before < 50 * MEBIBYTE, `it grew by ${((highest - before) / MEBIBYTE).toFixed(1)} MiB`);
  await until("memory is where it was", async () => (await rssOf(pid)) - before < 30 * MEBIBYTE, { within: 20_000 });
  t.diagnostic(`${sent.length} messages; at most ${queued} bytes queued, ${((highest - before) / MEBIBYTE).toFixed(1)} MiB more memory`);
});
