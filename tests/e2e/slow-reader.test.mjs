// A client that stops reading harms nobody but itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../lib/checker.mjs";
import { connect, connectOn, newUser, randomUUID, send } from "../lib/clients.mjs";
import { RawClient } from "../lib/raw.mjs";
import { heard, until } from "../lib/wait.mjs";

test("a client that stops reading at 5 MB/s is closed within 15 s, and the others never wait for it", async (t) => {
  const [ann, ben, slow] = [newUser("Ann"), newUser("Ben"), newUser("Slow")];
  const raw = await RawClient.connect(t, slow);
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  assert.equal((await raw.ask(`["room.join",{"roomId":"${roomId}"}]`)).error, undefined);
  const sender = await connect(t, ann);
  // On the very gateway that the slow one is on.
  const witness = await connectOn(t, raw.gateway, ben);
  for (const socket of [sender, witness]) await socket.timeout(5_000).emitWithAck("room.join", { roomId });
  const device = new Device("Ben", witness);
  const sentAt = new Map();
  const waits = [];
  witness.on("message.received", (message) => waits.push(Date.now() - sentAt.get(message.tempId)));

  // About 31 KB each, 8 every 50 ms: 5 MB a second.
  const content = "🟦".repeat(3_990);
  const metadata = { filler: "x".repeat(15_500) };
  const acks = [];
  const gone = heard(witness, "room.left", ({ userId }) => userId === slow.id, 15_000);
  raw.ws.pause();
  const begun = Date.now();
  const flood = setInterval(() => {
    for (let i = 0; i < 8; i++) {
      const tempId = randomUUID();
      sentAt.set(tempId, Date.now());
      acks.push(send(sender, roomId, content, { tempId, metadata }, 20_000));
    }
  }, 50);
  t.after(() => clearInterval(flood));
  await gone;
  const closedAfter = Date.now() - begun;
  // The others are watched beyond the moment of its end.
  await until("a second more of it", () => Date.now() - begun > closedAfter + 1_000);
  clearInterval(flood);
  const sent = await Promise.all(acks);
  await until("Ben has all of it", () => sent.every(({ messageId }) => device.shows(messageId)), { within: 20_000 });

  assert.ok(closedAfter < 15_000, `closed after ${closedAfter} ms`);
  assert.equal(device.runs.length, 1, "Ben's connection held");
  assert.equal(device.runs[0].length, sent.length);
  const worst = Math.max(...waits);
  assert.ok(worst < 3_000, `Ben waited ${worst} ms for a message`);
  // What was in the pipes comes out; then the line is dead, without a close frame that nobody would read.
  raw.ws.resume();
  const { code } = await raw.closed;
  assert.equal(code, 1006);
  t.diagnostic(`closed after ${closedAfter} ms; ${sent.length} messages; the longest wait of another ${worst} ms`);
});
