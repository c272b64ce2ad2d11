// A room's own word of a change and its members' inboxes come through different delivery workers: one may be seconds
// behind the other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, newGroup, newUser, send } from "../../lib/clients.mjs";
import { pause } from "../../lib/pause.mjs";
import { until } from "../../lib/wait.mjs";

const GROUPS = 12;
const people = (t, names) => Promise.all(names.map(async (name) => {
  const user = newUser(name);
  return { user, socket: await connect(t, user) };
}));

test("who is removed and added again hears the room, who is added hears nothing older, and who is removed hears nothing, though the room's own word of it comes late", async (t) => {
  // Some of them have their inbox with the worker that goes on.
  const [ann, ...others] = await people(t, ["Ann", "Ben", "Cem", "Dan", "Eve", "Fay"]);
  const gone = await people(t, ["Gil", "Kim", "Lea"]);
  const newcomers = await people(t, ["Hal", "Ida", "Jan"]);
  const groupIds = await Promise.all(Array.from({ length: GROUPS }, (_, i) => newGroup(ann, [...others, ...gone], `Crew ${i}`)));
  const everybody = [...others, ...newcomers];
  for (const one of [...everybody, ...gone]) {
    one.heard = [];
    one.entered = new Set();
    one.socket.on("message.received", ({ type, roomId, content }) => type === "text" && one.heard.push(`${roomId} ${content}`));
    one.socket.on("room.created", ({ roomId }) => one.entered.add(roomId));
  }
  for (const roomId of groupIds) await send(ann.socket, roomId, "before");
  await until("everybody has heard it", () => [...others, ...gone].every(({ heard }) => heard.length === GROUPS));

  const wake = await pause(t, "delivery-worker-1");
  const ids = (people) => people.map(({ user }) => user.id);
  for (const roomId of groupIds) {
    await done(ann.socket, "room.members.remove", { roomId, memberIds: ids([...others, ...gone]) });
    await done(ann.socket, "room.members.add", { roomId, memberIds: ids(everybody) });
  }
  const told = () => everybody.filter(({ entered }) => entered.size === GROUPS);
  await until("those whose inbox goes on are told", () => told().length > 0 && told(), { within: 3_000 }).catch(() => {});
  t.diagnostic(`${told().length} of ${everybody.length} were told before their rooms were`);
  await wake();
  await until("everybody is told", () => told().length === everybody.length, { within: 30_000 });

  for (const roomId of groupIds) await send(ann.socket, roomId, "after");
  const after = groupIds.map((roomId) => `${roomId} after`);
  await until("everybody hears what is said now", () => everybody.every(({ heard }) => after.every((one) => heard.includes(one))));
  for (const { user, heard } of others) assert.equal(heard.length, 2 * GROUPS, `${user.name} heard each once`);
  for (const { user, heard } of gone) assert.equal(heard.length, GROUPS, `${user.name} heard nothing of it`);
  for (const { user, heard } of newcomers) assert.deepEqual(heard.toSorted(), after.toSorted(), `${user.name} heard nothing older`);
});
