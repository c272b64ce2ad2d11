// Who begins anew is given what did not reach them: in order, each message once, and only once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, connect, connectOn, done, newGroup, newUser, send, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

async function scene(t) {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const sender = await connectOn(t, "gateway-1", ann);
  const device = await connectOn(t, "gateway-2", ben, { reconnection: false });
  const rooms = [];
  for (const name of ["One", "Two"]) {
    rooms.push(await newGroup({ user: ann, socket: sender }, [{ user: ben, socket: device }], name));
  }
  const last = rooms.at(-1);
  const there = heard(device, "message.received", ({ content }) => content === "before");
  const { messageId } = await send(sender, last, "before");
  await there;
  await until("it is known to be delivered", async () => {
    const { deliveredCount } = await done(sender, "message.receipts", { messageId });
    return deliveredCount === 1;
  });
  return { ann, ben, sender, device, rooms };
}

/**
 * Listens from now on; what it returns waits until the sender itself has heard all of these. To a device that comes then
 * they have waited: none of them comes live, before those that were said earlier.
 */
function handedOut(sender, said) {
  const own = new Set();
  sender.on("message.received", ({ content }) => own.add(content));
  return () => until("the sender hears the last of it", () => said.every((content) => own.has(content)), { within: 15_000 });
}

/** A new device of that user, and what it hears from the first moment. */
async function arrive(t, user, auth = {}) {
  const socket = client(t, NGINX, { token: await tokenOf(user), ...auth });
  const told = [];
  socket.onAny((event, payload) => {
    if (event === "message.received" || event === "message.waiting") told.push({ event, ...payload });
  });
  const ready = heard(socket, "connection.authenticated");
  socket.connect();
  await ready;
  return { socket, told, messages: () => told.filter(({ event }) => event === "message.received") };
}

test("what was said while a user was away reaches their next device, in order, once", async (t) => {
  const { ben, sender, device, rooms } = await scene(t);
  device.close();
  const said = Array.from({ length: 60 }, (_, n) => `${n}`);
  const all = handedOut(sender, said);
  for (const [n, content] of said.entries()) await send(sender, rooms[n % 2], content);
  await all();
  const delivered = new Set();
  sender.on("message.delivered", ({ messageIds }) => messageIds.forEach((id) => delivered.add(id)));
  const { told, messages } = await arrive(t, ben, { vocabulary: "dotted" });
  await until("all of it is there", () => messages().length >= said.length, { within: 15_000 });
  await sleep(500);
  rooms.forEach((room, which) => {
    const ofRoom = messages().filter(({ roomId }) => roomId === room).map(({ content }) => content);
    assert.deepEqual(ofRoom, said.filter((_, n) => n % 2 === which));
  });
  // Two rooms lie in two partitions of the log: of one millisecond neither is the earlier.
  const times = messages().map(({ timestamp }) => Date.parse(timestamp));
  assert.deepEqual(times, times.toSorted((a, b) => a - b), "of several rooms the oldest first");
  assert.equal(told[0].event, "message.waiting", "told that messages wait, before them");
  assert.equal(told[0].count, said.length);
  await until("the sender hears that it was delivered", () => delivered.size >= said.length, { within: 15_000 });
  const again = await arrive(t, ben, { vocabulary: "dotted" });
  await sleep(3_000);
  assert.deepEqual(again.told, [], "the next device has nothing to catch up with");
});

test("what is said while a device arrives is neither missed nor doubled", async (t) => {
  const { ben, sender, device, rooms } = await scene(t);
  device.close();
  const said = [];
  let going = true;
  const talking = (async () => {
    for (let n = 0; going; n++) {
      await send(sender, rooms[0], `${n}`);
      said.push(`${n}`);
    }
  })();
  await until("some of it was said", () => said.length >= 20);
  const { messages } = await arrive(t, ben, { vocabulary: "dotted" });
  await sleep(2_000);
  going = false;
  await talking;
  const all = () => new Set(messages().map(({ content }) => content)).size >= said.length;
  await until("all of it is there", all, { within: 15_000 });
  const heardOnce = messages().map(({ content }) => Number(content)).sort((a, b) => a - b);
  assert.deepEqual(heardOnce, said.map(Number), "each once");
});

test("no more than 1,000 messages wait, the newest", async (t) => {
  const { ben, sender, device, rooms } = await scene(t);
  device.close();
  const count = 1_050;
  const all = handedOut(sender, [`${count - 1}`]);
  for (let at = 0; at < count; at += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, n) => send(sender, rooms[0], `${at + n}`)));
  }
  await all();
  const { told, messages } = await arrive(t, ben, { vocabulary: "dotted" });
  await until("a thousand are there", () => messages().length >= 1_000, { within: 30_000 });
  await sleep(500);
  assert.equal(messages().length, 1_000);
  // The last of them may have come live.
  const { count: waited } = told.find(({ event }) => event === "message.waiting");
  assert.ok(waited > 900 && waited <= 1_000, `${waited}`);
  assert.equal(messages().at(-1).content, `${count - 1}`);
});

test("what cannot be delivered is not given up after five tries, nor after seven", async (t) => {
  const url = await solo(t);
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const sender = await connect(t, ann, { url });
  const device = await connect(t, ben, { url, reconnection: false });
  const roomId = await newGroup({ user: ann, socket: sender }, [{ user: ben, socket: device }]);
  device.close();
  await send(sender, roomId, "are you there?");
  for (let n = 0; n < 7; n++) {
    const socket = client(t, url, { token: await tokenOf(ben), vocabulary: "dotted" }, { reconnection: false });
    // The connection breaks as the message comes, before anything can confirm it.
    const told = heard(socket, "message.received", ({ content }) => {
      if (content === "are you there?") socket.io.engine.transport.ws.terminate();
      return content === "are you there?";
    });
    socket.connect();
    await told;
  }
  const last = client(t, url, { token: await tokenOf(ben), vocabulary: "dotted" });
  const told = heard(last, "message.received", ({ content }) => content === "are you there?");
  const confirmed = heard(sender, "message.delivered", ({ userId }) => userId === ben.id, 15_000);
  last.connect();
  await told;
  await confirmed;
});
