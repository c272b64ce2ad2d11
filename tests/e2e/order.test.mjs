// One order for everybody, live and in history; nothing lost, nothing twice. And the checker that says so.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device, Ledger, faults, untilShown } from "../lib/checker.mjs";
import { storedIds } from "../lib/cluster.mjs";
import { connectOn, gatewayOf, history, newGroup, newUser, randomUUID } from "../lib/clients.mjs";
import { GATEWAYS } from "../lib/place.mjs";
import { until } from "../lib/wait.mjs";

test("a thousand concurrent messages over three gateways are seen once each, by all in the order of history", async (t) => {
  const people = [];
  for (const [i, gateway] of GATEWAYS.entries()) {
    const user = newUser(["Ann", "Ben", "Cem"][i]);
    people.push({ user, socket: await connectOn(t, gateway, user) });
  }
  assert.deepEqual(people.map(({ socket }) => gatewayOf(socket)), GATEWAYS);
  const rooms = [];
  for (const name of ["One", "Two"]) rooms.push(await newGroup(people[0], people.slice(1), name));
  const devices = people.map(({ user, socket }) => new Device(user.name, socket));

  const ledger = new Ledger();
  const sends = [];
  for (let i = 0; i < 1_000; i++) {
    const { user, socket } = people[i % 3];
    sends.push(ledger.send(socket, rooms[(i >> 1) % 2], `${user.name} ${i}`, { tempId: randomUUID(), within: 30_000 }));
  }
  await Promise.all(sends);
  assert.equal(ledger.sends.filter((entry) => entry.outcome === "sent").length, 1_000, "every send is acked as sent");
  await untilShown(devices, ledger, rooms);

  for (const roomId of rooms) {
    assert.equal(ledger.sent(roomId).length, 500);
    const stored = await history(people[0].socket, roomId);
    assert.deepEqual(faults({ roomId, ledger, devices, stored }), []);
    for (const { socket } of people.slice(1)) assert.deepEqual(await history(socket, roomId), stored);
    await until("the store has all of them", async () => (await storedIds(roomId)).length >= stored.length);
    assert.deepEqual(await storedIds(roomId), stored.map((message) => message.messageId));
  }
});

test("ack, live event and history name one id, one time and one place", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = { user: ann, socket: await connectOn(t, "gateway-1", ann) };
  const b = { user: ben, socket: await connectOn(t, "gateway-2", ben) };
  const roomId = await newGroup(a, [b]);
  const device = new Device("Ben", b.socket);
  const ack = await a.socket.timeout(5_000).emitWithAck("message.send", { roomId, content: "hello", tempId: "t1" });
  const live = (await until("Ben has it", () => device.shown(roomId).length && device.shown(roomId)))[0];
  const stored = (await history(b.socket, roomId)).at(-1);
  assert.deepEqual(Object.keys(ack).sort().filter((key) => key !== "seq"), ["messageId", "roomId", "status", "tempId", "timestamp"]);
  assert.equal(ack.status, "sent");
  assert.equal(ack.tempId, "t1");
  for (const message of [live, stored]) {
    assert.equal(message.messageId, ack.messageId);
    assert.equal(message.timestamp, ack.timestamp);
    assert.equal(message.senderId, ann.id);
    assert.equal(message.senderName, "Ann");
  }
  assert.match(ack.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(ack.messageId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(live.seq, stored.seq);
  if (ack.seq !== undefined) assert.equal(ack.seq, live.seq);
});

test("the checker finds what is lost, doubled, reordered or made up", () => {
  const message = (seq, content = `m${seq}`) => ({ messageId: `id${seq}`, roomId: "r", seq, content, type: "text" });
  const all = [1, 2, 3].map((seq) => message(seq));
  const look = ({ stored = all, live = all, sent = all }) => {
    const listeners = {};
    const device = new Device("D", { on: (event, listen) => ((listeners[event] ??= []).push(listen)) });
    for (const item of live) for (const listen of listeners["message.received"]) listen(item);
    const ledger = new Ledger();
    for (const { messageId, content } of sent) ledger.sends.push({ roomId: "r", content, outcome: "sent", id: messageId });
    return faults({ roomId: "r", ledger, devices: [device], stored }).join("; ");
  };
  const [one, two, three] = all;
  assert.equal(look({}), "");
  assert.match(look({ stored: [one, two], live: [one, two] }), /1 acked messages are not in history/);
  assert.match(look({ live: [one, three] }), /D lacks 1 of 3/);
  assert.match(look({ live: [one, two, two, three] }), /D was given 1 messages twice/);
  assert.match(look({ live: [one, three, two] }), /D was given messages out of order/);
  assert.match(look({ stored: [one, two, three, three] }), /history has 1 messages twice/);
  assert.match(look({ stored: [one, three, two] }), /history is not in the order of seq/);
  assert.match(look({ stored: [...all, message(4)], live: [...all, message(4)] }), /nobody sent "m4"/);
  assert.match(look({ stored: [...all, message(4, "m3")], live: [...all, message(4, "m3")] }), /"m3" is there twice/);
  assert.match(look({ live: [...all, message(4)] }), /D shows 1 messages that history does not have/);
});
