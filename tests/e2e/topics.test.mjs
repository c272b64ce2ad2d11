// Trending topics of a channel, and repetitions in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { solo } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

test("a channel's topics are its most frequent words, and the channel is told when they change", async (t) => {
  const [ann, ben] = [await connect(t, newUser("Ann")), await connect(t, newUser("Ben"))];
  const roomId = await newChannel(ann, ben);
  const topics = async (more = {}) => (await done(ben, "topics.get", { roomId, ...more })).topics;
  const told = heard(ben, "topics.update", (event) => event.roomId === roomId && event.topics[0] === "coffee", 20_000);
  await send(ann, roomId, "Coffee with milk and COFFEE without");
  await send(ben, roomId, "would you like music with that coffee?");
  await send(ann, roomId, "secret secret secret", { encrypted: true });
  await until("they are counted", async () => (await topics()).length === 3, { within: 20_000 });
  assert.deepEqual(await topics(), ["coffee", "milk", "music"], "`coffee?` has more than letters");
  assert.deepEqual(await topics({ limit: 1 }), ["coffee"]);
  assert.deepEqual((await told).topics[0], "coffee");
  const stranger = await connect(t, newUser("Eve"));
  assert.equal((await ask(stranger, "topics.get", { roomId })).error, "not_found");
});

test("words of a group are not counted", async (t) => {
  const ann = { user: newUser("Ann") };
  ann.socket = await connect(t, ann.user);
  const [group, channel] = [await newGroup(ann, []), await newChannel(ann.socket)];
  await send(ann.socket, group, "private matters");
  await send(ann.socket, channel, "public matters");
  const topics = async (roomId) => (await done(ann.socket, "topics.get", { roomId })).topics;
  await until("the channel's are", async () => (await topics(channel)).length === 2, { within: 20_000 });
  assert.deepEqual(await topics(group), []);
});

test("the same again in a channel within ten seconds is refused, a resend of it is not", async (t) => {
  const url = await solo(t, "limits.spam=2s", "limits.message=off");
  const ann = { user: newUser("Ann") };
  ann.socket = await connect(t, ann.user, { url });
  const ben = await connect(t, newUser("Ben"), { url });
  const roomId = await newChannel(ann.socket, ben);
  const tempId = randomUUID();
  const first = await send(ann.socket, roomId, "buy this", { tempId });
  const refused = await ask(ann.socket, "message.send", { roomId, content: "buy this" });
  assert.deepEqual([refused.error, refused.retryable], ["SPAM_DETECTED", false]);
  const again = await send(ann.socket, roomId, "buy this", { tempId });
  assert.equal(again.messageId, first.messageId, "a resend is the same message");
  await send(ben, roomId, "buy this");
  await send(ann.socket, roomId, "something else");
  await send(ann.socket, roomId, "buy this");
  const group = await newGroup(ann, []);
  await send(ann.socket, group, "twice");
  await send(ann.socket, group, "twice");
  await until("it is over", async () => (await ask(ann.socket, "message.send", { roomId, content: "buy this" })).status === "sent");
});
