// A room's own word of a change and its members' inboxes come through different delivery workers: one may be seconds
// behind the other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, newGroup, newUser, send } from "../../lib/clients.mjs";
import { pause } from "../../lib/pause.mjs";
import { sleep, until } from "../../lib/wait.mjs";

const GROUPS = 12;

/** Connected users, who note what they hear and which rooms they are told of. */
const people = (t, names) => Promise.all(names.map(async (name) => {
  const user = newUser(name);
  const one = { user, socket: await connect(t, user), heard: [], entered: new Set() };
  one.socket.on("message.received", ({ type, roomId, content }) => type === "text" && one.heard.push(`${roomId} ${content}`));
  one.socket.on("room.created", ({ roomId }) => one.entered.add(roomId));
  return one;
}));
const ids = (people) => people.map(({ user }) => user.id);

/**
 * Groups of `ann` and `members`, who all have heard a word in them. Then one of the workers stands still, and all are
 * removed, and those who `stay` added (again). Those whose inbox is the other worker's are told before their rooms are.
 */
async function changed(t, ann, members, stay) {
  const groupIds = await Promise.all(Array.from({ length: GROUPS }, (_, i) => newGroup(ann, members, `Crew ${i}`)));
  for (const roomId of groupIds) await send(ann.socket, roomId, "before");
  await until("everybody has heard it", () => members.every(({ heard }) => heard.length === GROUPS));
  for (const { entered } of members) entered.clear();
  const wake = await pause(t, "delivery-worker-1");
  for (const roomId of groupIds) {
    await done(ann.socket, "room.members.remove", { roomId, memberIds: ids(members) });
    await done(ann.socket, "room.members.add", { roomId, memberIds: ids(stay) });
  }
  const told = () => stay.filter(({ entered }) => entered.size === GROUPS);
  await until("those whose inbox goes on are told", () => told().length > 0, { within: 3_000 }).catch(() => {});
  t.diagnostic(`${told().length} of ${stay.length} were told before their rooms were`);
  return { groupIds, wake, told };
}

test("who is removed and added again hears the room, who is added hears nothing older, and who is removed hears nothing, though the room's own word of it comes late", async (t) => {
  const [ann, ...others] = await people(t, ["Ann", "Ben", "Cem", "Dan", "Eve", "Fay"]);
  const gone = await people(t, ["Gil", "Kim", "Lea"]);
  const newcomers = await people(t, ["Hal", "Ida", "Jan"]);
  const stay = [...others, ...newcomers];
  const { groupIds, wake, told } = await changed(t, ann, [...others, ...gone], stay);
  await wake();
  await until("everybody is told", () => told().length === stay.length, { within: 30_000 });

  for (const roomId of groupIds) await send(ann.socket, roomId, "after");
  const after = groupIds.map((roomId) => `${roomId} after`);
  await until("everybody hears what is said now", () => stay.every(({ heard }) => after.every((one) => heard.includes(one))));
  for (const { user, heard } of others) assert.equal(heard.length, 2 * GROUPS, `${user.name} heard each once`);
  for (const { user, heard } of gone) assert.equal(heard.length, GROUPS, `${user.name} heard nothing of it`);
  for (const { user, heard } of newcomers) assert.deepEqual(heard.toSorted(), after.toSorted(), `${user.name} heard nothing older`);
});

test("who comes back before the room's own word of their removal and adding has come is in the room after it", async (t) => {
  const [ann, ...others] = await people(t, ["Ann", "Ben", "Cem", "Dan", "Eve", "Fay"]);
  const { groupIds, wake, told } = await changed(t, ann, others, others);
  const back = told();
  for (const { socket } of back) socket.io.engine.close();
  await until("they are back", () => back.every(({ socket }) => socket.connected), { within: 20_000 });
  await wake();
  // Who had to begin anew has missed the first words, and not the next.
  let words = 0;
  const hear = async () => {
    const word = `after ${words++}`;
    for (const roomId of groupIds) await send(ann.socket, roomId, word);
    const all = () => others.every(({ heard }) => groupIds.every((roomId) => heard.includes(`${roomId} ${word}`)));
    for (let tries = 0; tries < 20 && !all(); tries++) await sleep(100);
    return all();
  };
  await until("everybody hears what is said", hear, { within: 40_000 });
  const since = words;
  await until("and goes on to", hear);
  assert.equal(words, since + 1, "everybody hears each word from then on");
});
