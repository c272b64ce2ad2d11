// Rooms of more members than the setting says: nobody is named there, only counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, newGroup, newUser, send } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

/** Ann, Ben, Cem and Dan, of whom three make a room big; Ann's other device speaks snake. */
async function scene(t, members) {
  const url = await solo(t, "rooms.big_room=3");
  const people = [];
  for (const name of ["Ann", "Ben", "Cem", "Dan"].slice(0, members)) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, { url }) });
  }
  const roomId = await newGroup(people[0], people.slice(1));
  const snake = await connect(t, people[0].user, { url, auth: { vocabulary: "snake" } });
  const there = people.slice(1).map(({ socket }) => heard(socket, "message.received", ({ content }) => content === "read me"));
  const { messageId } = await send(people[0].socket, roomId, "read me");
  await Promise.all(there);
  /** Who was named to Ann as having read or got something, or as being here or gone. */
  const named = [];
  for (const event of ["message.read", "message.delivered", "presence.status.update"]) {
    people[0].socket.on(event, ({ userId }) => userId && userId !== people[0].user.id && named.push(`${event} ${userId}`));
  }
  return { url, people, roomId, snake, messageId, named };
}

test("in a big room everybody hears how many have read the newest message, and nobody who", async (t) => {
  const { people: [ann, ben, cem], roomId, snake, messageId, named } = await scene(t, 4);
  const counts = [];
  ann.socket.on("message.read.count", (count) => counts.push(count));
  const inSnake = heard(snake, "message_read_count", ({ count }) => count === 2, 30_000);
  for (const { socket } of [ben, cem]) await done(socket, "message.read", { messageIds: [messageId], roomId });
  await until("both are counted", () => counts.at(-1)?.readCount === 2, { within: 30_000 });
  assert.ok(counts.every((count) => count.roomId === roomId && count.messageId === messageId), JSON.stringify(counts));
  const told = await inSnake;
  assert.deepEqual([told.roomId, told.messageId], [roomId, messageId]);
  const { readCount, members } = await done(ann.socket, "message.receipts", { messageId, roomId });
  assert.equal(readCount, 2);
  assert.deepEqual(members ?? [], [], "who asks is told no names either");
  assert.deepEqual(named, []);
});

test("in a big room everybody hears how many are online, and nobody who", async (t) => {
  const { url, people: [ann, , , dan], roomId, snake, named } = await scene(t, 4);
  const counts = [];
  ann.socket.on("room.online", (count) => counts.push(count));
  const inSnake = heard(snake, "room_online", ({ count }) => count === 3, 40_000);
  dan.socket.close();
  // 10 s of grace, and 5 s between two counts.
  await until("one less is counted", () => counts.at(-1)?.onlineCount === 3, { within: 40_000 });
  assert.equal((await inSnake).roomId, roomId);
  await connect(t, dan.user, { url });
  await until("and one more", () => counts.at(-1)?.onlineCount === 4, { within: 20_000 });
  assert.ok(counts.every((count) => count.roomId === roomId));
  assert.deepEqual(named, []);
});

test("in a room that is not big readers and who comes and goes are named, and not counted", async (t) => {
  const { url, people: [ann, ben, cem], roomId, messageId, named } = await scene(t, 3);
  const counts = [];
  for (const event of ["message.read.count", "room.online"]) ann.socket.on(event, () => counts.push(event));
  await done(ben.socket, "message.read", { messageIds: [messageId], roomId });
  await until("Ben is named", () => named.includes(`message.read ${ben.user.id}`));
  cem.socket.close();
  await until("Cem is named", () => named.includes(`presence.status.update ${cem.user.id}`), { within: 20_000 });
  await connect(t, cem.user, { url });
  await sleep(6_000);
  assert.deepEqual(counts, []);
});
