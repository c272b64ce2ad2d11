// The scene of every fault: three devices on three gateways, in a few rooms, talking all the time.
import assert from "node:assert/strict";
import { Device, Ledger, faults } from "./checker.mjs";
import { storedIds } from "./cluster.mjs";
import { connectOn, done, history, newGroup, newUser, randomUUID } from "./clients.mjs";
import { GATEWAYS } from "./place.mjs";
import { until } from "./wait.mjs";

/**
 * `groups` private groups and `channels` channels, with everybody in all of them. Several rooms, so that they lie on
 * several partitions and every worker has some.
 */
export async function scene(t, { groups = 8, channels = 0 } = {}) {
  const people = [];
  for (const [i, gateway] of GATEWAYS.entries()) {
    const user = newUser(["Ann", "Ben", "Cem"][i]);
    people.push({ user, socket: await connectOn(t, gateway, user) });
  }
  const rooms = [];
  for (let i = 0; i < groups; i++) rooms.push(await newGroup(people[0], people.slice(1), `Group ${i}`));
  for (let i = 0; i < channels; i++) {
    const roomId = `channel-${randomUUID().slice(0, 8)}`;
    for (const { socket } of people) await done(socket, "room.join", { roomId });
    rooms.push(roomId);
  }
  const devices = people.map(({ user, socket }) => new Device(user.name, socket));
  return { people, rooms, devices, ledger: new Ledger() };
}

/** Nothing lost, doubled, reordered or made up: on the devices, in history, in the store. */
export async function allIsWell({ rooms, devices, ledger }, { within = 30_000 } = {}) {
  const counted = ledger.sends.length;
  assert.ok(counted > 0, "something was sent");
  for (const roomId of rooms) {
    const stored = await until(`history of ${roomId} answers`, () => history(devices[0].socket, roomId), { within });
    assert.deepEqual(faults({ roomId, ledger, devices, stored }), [], roomId);
    // The store: each id of history, once, and nothing else.
    const wanted = stored.map((message) => message.messageId);
    let rows = [];
    await until(`the store has all of ${roomId}`, async () => (rows = await storedIds(roomId)).length >= wanted.length, { within });
    assert.deepEqual(rows, wanted, `rows of ${roomId}`);
  }
}

/** The longest time that an acked send of this span waited for its ack, in ms. */
export function slowestAck(ledger, from, to) {
  const waits = ledger.sends.filter(({ at, outcome }) => outcome === "sent" && at >= from && at < to);
  return Math.max(0, ...waits.map(({ at, answered }) => answered - at));
}
