// "No answer means unknown. Resend with the same tempId: it posts once."
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../lib/checker.mjs";
import { storedIds } from "../lib/cluster.mjs";
import { connect, connectOn, done, gatewayOf, history, newChannel, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { heard, until } from "../lib/wait.mjs";

/** A group with a witness, and what the witness and history show once everything sent before is through. */
async function room(t, ann, socket) {
  const ben = newUser("Ben");
  const witness = await connect(t, ben);
  const roomId = await newGroup({ user: ann, socket }, [{ user: ben, socket: witness }]);
  const device = new Device("Ben", witness);
  const settled = async () => {
    const last = await send(socket, roomId, "the last one", { tempId: randomUUID() });
    await until("the last message has arrived", () => device.shows(last.messageId));
    const texts = (messages) => messages.filter((m) => m.type !== "system").slice(0, -1).map((m) => m.content);
    const stored = await history(witness, roomId);
    await until("the store has the last message", async () => (await storedIds(roomId)).includes(last.messageId));
    const rows = (await storedIds(roomId)).length;
    assert.equal(rows, stored.length, "the store has what history shows");
    return { live: texts(device.runs.flat()), stored: texts(stored) };
  };
  return { roomId, settled };
}

test("the same UUID tempId sent ten times from two gateways posts once", async (t) => {
  const ann = newUser("Ann");
  const [one, two] = [await connectOn(t, "gateway-1", ann), await connectOn(t, "gateway-2", ann)];
  assert.notEqual(gatewayOf(one), gatewayOf(two));
  const { roomId, settled } = await room(t, ann, one);
  // The second socket has to know of the room; it was told through the user's inbox.
  await until("the second socket may read", () => done(two, "message.history", { roomId }).then(() => true));
  const tempId = randomUUID();
  const acks = await Promise.all(
    Array.from({ length: 10 }, (_, i) => send(i % 2 ? two : one, roomId, "only once", { tempId })),
  );
  assert.deepEqual([...new Set(acks.map((ack) => ack.messageId))].length, 1, "every ack names the same message");
  assert.ok(acks.every((ack) => ack.status === "sent" && ack.tempId === tempId));
  assert.deepEqual(await settled(), { live: ["only once"], stored: ["only once"] });
});

test("a resend that another gateway takes is acked with the place and the time of the first", async (t) => {
  const ann = newUser("Ann");
  const one = await connectOn(t, "gateway-1", ann);
  const roomId = await newGroup({ user: ann, socket: one }, []);
  for (const tempId of [randomUUID(), randomUUID()]) {
    const first = await send(one, roomId, "only once", { tempId });
    await until("it is stored", async () => (await storedIds(roomId)).includes(first.messageId));
    await send(one, roomId, "behind it");
    // It has the room only from now on, and has heard nothing of the first.
    const two = await connectOn(t, "gateway-2", ann);
    await until("the second socket may read", () => done(two, "message.history", { roomId }).then(() => true));
    const again = await send(two, roomId, "only once", { tempId });
    assert.deepEqual([again.messageId, again.seq, again.timestamp], [first.messageId, first.seq, first.timestamp]);
    two.disconnect();
  }
});

test("a UUID tempId is one message per sender and room, and a new one in another room", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann);
  const tempId = randomUUID();
  const [first, second] = [await newChannel(socket), await newChannel(socket)];
  const a = await send(socket, first, "hello", { tempId });
  const b = await send(socket, second, "hello", { tempId });
  const again = await send(socket, first, "hello", { tempId });
  assert.notEqual(a.messageId, b.messageId);
  assert.equal(again.messageId, a.messageId);
});

test("temp_1 with the same text on the same connection posts once", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann);
  const { roomId, settled } = await room(t, ann, socket);
  const first = await send(socket, roomId, "hello", { tempId: "temp_1" });
  const again = await send(socket, roomId, "hello", { tempId: "temp_1" });
  const other = await send(socket, roomId, "another text", { tempId: "temp_1" });
  assert.equal(again.messageId, first.messageId);
  assert.notEqual(other.messageId, first.messageId);
  assert.deepEqual(await settled(), { live: ["hello", "another text"], stored: ["hello", "another text"] });
});

test("temp_1 resent by the same client after a lost connection posts once", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann);
  const { roomId, settled } = await room(t, ann, socket);
  const first = await send(socket, roomId, "hello", { tempId: "temp_1" });
  const back = heard(socket, "connection.authenticated");
  // As a network does that fails: the client comes back by itself.
  socket.io.engine.close();
  await back;
  const again = await send(socket, roomId, "hello", { tempId: "temp_1" });
  assert.equal(again.messageId, first.messageId);
  assert.deepEqual(await settled(), { live: ["hello"], stored: ["hello"] });
});

test("temp_1 with the same text from a reloaded page posts again", async (t) => {
  const ann = newUser("Ann");
  const before = await connect(t, ann);
  const { roomId, settled } = await room(t, ann, before);
  const first = await send(before, roomId, "hello", { tempId: "temp_1" });
  const reloaded = await connect(t, ann);
  const second = await send(reloaded, roomId, "hello", { tempId: "temp_1" });
  assert.notEqual(second.messageId, first.messageId);
  assert.deepEqual(await settled(), { live: ["hello", "hello"], stored: ["hello", "hello"] });
});

test("messages without a tempId are all new", async (t) => {
  const ann = newUser("Ann");
  const socket = await connect(t, ann);
  const { roomId, settled } = await room(t, ann, socket);
  for (let i = 0; i < 3; i++) await send(socket, roomId, "hello");
  assert.deepEqual(await settled(), { live: ["hello", "hello", "hello"], stored: ["hello", "hello", "hello"] });
});

test("a message sent again keeps its place in the ack, and nothing said in between is taken for read", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const [socket, witness] = [await connect(t, ann), await connect(t, ben)];
  const roomId = await newGroup({ user: ann, socket }, [{ user: ben, socket: witness }]);
  const tempId = randomUUID();
  const echo = heard(socket, "message.received", ({ content }) => content === "hello");
  const first = await send(socket, roomId, "hello", { tempId });
  await echo;
  const said = heard(socket, "message.received", ({ content }) => content === "third");
  for (const content of ["first", "second", "third"]) await send(witness, roomId, content);
  await said;
  const read = [];
  witness.on("message.read", (receipt) => receipt.userId === ann.id && read.push(receipt));
  const again = await send(socket, roomId, "hello", { tempId });
  assert.deepEqual([again.messageId, again.seq, again.timestamp], [first.messageId, first.seq, first.timestamp]);
  const unread = async () => (await done(socket, "room.list", {})).rooms.find((room) => room.roomId === roomId).unreadCount;
  await until("three are unread", async () => (await unread()) === 3);
  // What comes after is told after: had the resend been taken for reading, Ben would have heard by now.
  const later = heard(witness, "message.read", (receipt) => receipt.userId === ann.id);
  await done(socket, "message.read", { roomId, messageIds: [(await send(witness, roomId, "fourth")).messageId] });
  await later;
  assert.equal(read.length, 1, JSON.stringify(read));
});
