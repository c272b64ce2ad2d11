// Receipts: delivered without the client's help, read by pointer, one way; unread counts right on every device.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "../lib/cluster.mjs";
import { client, connectOn, done, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

/** Ann and Ben (and Cem) on gateways of their own, in a group that all of them hear. */
async function group(t, count = 2) {
  const people = [];
  for (let n = 0; n < count; n++) {
    const user = newUser(["Ann", "Ben", "Cem"][n]);
    people.push({ user, socket: await connectOn(t, `gateway-${n + 1}`, user) });
  }
  const roomId = await newGroup(people[0], people.slice(1));
  const all = people.slice(1).map(({ socket }) => heard(socket, "message.received", ({ content }) => content === "first"));
  const { messageId } = await send(people[0].socket, roomId, "first");
  await Promise.all(all);
  return { people, roomId, first: messageId };
}

/**
 * Collects that user's receipts from now on: one may come before the ack that tells its message's id. Returns what waits
 * until all of these messages are named in them, one after the other or together, and gives the receipt that names the last.
 */
function covering(socket, event, userId) {
  const receipts = [];
  socket.on(event, (receipt) => receipt.userId === userId && receipts.push(receipt));
  return (...ids) => until(`${event} of all of them`, () => {
    const left = new Set(ids);
    return receipts.find(({ messageIds }) => {
      for (const id of messageIds) left.delete(id);
      return left.size === 0;
    });
  }, { within: 20_000 });
}

/** What a receipt says beyond who: of which messages, where, up to what place, and when. */
function whole(receipt, roomId) {
  assert.deepEqual(Object.keys(receipt).sort(), ["messageIds", "roomId", "seq", "timestamp", "userId"]);
  assert.equal(receipt.roomId, roomId);
  assert.ok(Math.abs(Date.parse(receipt.timestamp) - Date.now()) < 60_000, receipt.timestamp);
}

const receipts = async (socket, messageId) => {
  const { members, deliveredCount, readCount } = await done(socket, "message.receipts", { messageId });
  return { deliveredCount, readCount, members: new Map(members.map((member) => [member.userId, member])) };
};

test("a stock client that does nothing confirms what has reached it", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const delivered = covering(ann.socket, "message.delivered", ben.user.id);
  const { messageId } = await send(ann.socket, roomId, "is it there?");
  const begun = Date.now();
  const receipt = await delivered(messageId);
  whole(receipt, roomId);
  assert.ok(Date.now() - begun < 10_000, "an extra ping, not the regular one");
  const { members, deliveredCount, readCount } = await receipts(ann.socket, messageId);
  assert.deepEqual([deliveredCount, readCount], [1, 0]);
  const { deliveredAt, readAt } = members.get(ben.user.id);
  assert.ok(deliveredAt && readAt === null, JSON.stringify(members.get(ben.user.id)));
});

test("what a client says was delivered is, and reading a message reads what precedes it", async (t) => {
  const { people, roomId } = await group(t, 3);
  const [ann, ben, cem] = people;
  const ids = [];
  const delivered = covering(ann.socket, "message.delivered", ben.user.id);
  for (const content of ["one", "two", "three"]) ids.push((await send(ann.socket, roomId, content)).messageId);
  await until("Ben's gateway knows the message", async () => {
    const ack = await done(ben.socket, "message.delivered", { messageIds: [ids[2]], roomId });
    return ack.status === "delivered";
  });
  await delivered(...ids);
  const [byAnn, byCem] = [ann, cem].map(({ socket }) => covering(socket, "message.read", ben.user.id));
  const begun = Date.now();
  await done(ben.socket, "message.read", { messageIds: [ids[1]], roomId });
  const receipt = await byAnn(...ids.slice(0, 2));
  assert.ok(Date.now() - begun < 3_000);
  whole(receipt, roomId);
  assert.ok(!receipt.messageIds.includes(ids[2]), "what follows is not read");
  await byCem(...ids.slice(0, 2));
  const [first, last] = [await receipts(ann.socket, ids[0]), await receipts(ann.socket, ids[2])];
  assert.ok(first.members.get(ben.user.id).readAt, "the one before it is read too");
  assert.ok(last.members.get(ben.user.id).deliveredAt && last.members.get(ben.user.id).readAt === null);
});

test("a status goes one way: a late `delivered` never undoes `read`", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const { messageId } = await send(ann.socket, roomId, "seen");
  const read = covering(ann.socket, "message.read", ben.user.id);
  await until("it is read", () => done(ben.socket, "message.read", { messageIds: [messageId], roomId }));
  await read(messageId);
  const later = [];
  ann.socket.on("message.delivered", (receipt) => later.push(receipt));
  await done(ben.socket, "message.delivered", { messageIds: [messageId], roomId });
  await done(ben.socket, "message.read", { messageIds: [messageId], roomId });
  await sleep(3_000);
  assert.deepEqual(later, [], "nobody is told what they know");
  assert.ok((await receipts(ann.socket, messageId)).members.get(ben.user.id).readAt);
});

test("what is read on one device is read on all of them, at once", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const phone = await connectOn(t, "gateway-3", ben.user);
  const ids = [];
  // What is counted is what is there when it is read: the last has to have reached Ben's gateways.
  const there = [ben.socket, phone].map((socket) => heard(socket, "message.received", ({ content }) => content === "message 4"));
  for (let n = 0; n < 5; n++) ids.push((await send(ann.socket, roomId, `message ${n}`)).messageId);
  await Promise.all(there);
  const onPhone = heard(phone, "room.unread", ({ unreadCount }) => unreadCount === 2);
  const onDesk = heard(ben.socket, "room.unread", ({ unreadCount }) => unreadCount === 2);
  const begun = Date.now();
  await done(ben.socket, "message.read", { messageIds: [ids[2]], roomId });
  assert.equal((await onPhone).roomId, roomId);
  await onDesk;
  assert.ok(Date.now() - begun < 3_000, `${Date.now() - begun} ms`);
  const nothing = heard(phone, "room.unread", ({ unreadCount }) => unreadCount === 0);
  const whole = await done(ben.socket, "message.read", { roomId });
  assert.equal(whole.unreadCount, 0);
  await nothing;
});

test("unread counts come with the rooms, right at once after reading and sending", async (t) => {
  const { people, roomId } = await group(t);
  const [ann, ben] = people;
  const ids = [];
  const there = heard(ben.socket, "message.received", ({ content }) => content === "message 3");
  for (let n = 0; n < 4; n++) ids.push((await send(ann.socket, roomId, `message ${n}`)).messageId);
  await there;
  const counted = heard(ben.socket, "room.unread", ({ unreadCount }) => unreadCount === 1);
  await done(ben.socket, "message.read", { messageIds: [ids[2]], roomId });
  await counted;
  assert.equal(await countAtConnect(t, ben.user, roomId), 1);
  await send(ben.socket, roomId, "an answer");
  await until("the answer has read the room", async () => (await countAtConnect(t, ben.user, roomId)) === 0);
});

/** What `connection.authenticated` says of a room to a device that has just come. */
async function countAtConnect(t, user, roomId) {
  const socket = client(t, NGINX, { token: await tokenOf(user) });
  const told = heard(socket, "connection.authenticated");
  socket.connect();
  const { rooms } = await told;
  socket.close();
  return rooms.find((room) => room.roomId === roomId).unreadCount;
}

test("receipts outlive Redis's memory: the store has them a moment later", async (t) => {
  const { people, roomId, first } = await group(t);
  const [, ben] = people;
  await done(ben.socket, "message.read", { messageIds: [first], roomId });
  const where = `room_id = '${roomId}' AND user_id = '${ben.user.id}'`;
  await until("the store has the pointer", async () => {
    const found = await sql(
      `SELECT read_no = last_no, delivered_seq >= read_seq FROM members JOIN room_counters USING (room_id) WHERE ${where}`,
    );
    return found.flat().join() === "t,t";
  });
});
