// Presence of users with several devices: the strongest counts; away, busy, hidden; last seen.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "../lib/cluster.mjs";
import { ask, connectOn, done, newGroup, newUser } from "../lib/clients.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

/** Ann, who watches, and Ben on two gateways. */
async function scene(t) {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const watcher = await connectOn(t, "gateway-1", ann);
  const desk = await connectOn(t, "gateway-2", ben);
  const roomId = await newGroup({ user: ann, socket: watcher }, [{ user: ben, socket: desk }]);
  const phone = await connectOn(t, "gateway-3", ben);
  const told = [];
  watcher.on("presence.status.update", ({ userId, status }) => userId === ben.id && told.push(status));
  return { ann, ben, watcher, desk, phone, roomId, told };
}

const statusOf = async (socket, userId) => {
  const { users } = await done(socket, "presence.last.seen", { userIds: [userId] });
  return users[0];
};
const becomes = (socket, userId, wanted) =>
  heard(socket, "presence.status.update", (update) => update.userId === userId && update.status === wanted, 15_000);

test("the strongest of a user's devices is shown: busy, else online, else away", async (t) => {
  const { ben, watcher, desk, phone } = await scene(t);
  await done(desk, "presence.status.update", { status: "away" });
  await sleep(1_000);
  assert.equal((await statusOf(watcher, ben.id)).status, "online", "the phone is");
  const away = becomes(watcher, ben.id, "away");
  await done(phone, "presence.status.update", { status: "away" });
  await away;
  const busy = becomes(watcher, ben.id, "busy");
  await done(desk, "presence.status.update", { status: "busy" });
  await busy;
  assert.equal((await statusOf(watcher, ben.id)).status, "busy");
  const back = becomes(watcher, ben.id, "online");
  await done(desk, "presence.status.update", { status: "online" });
  await back;
});

test("who has moved to another gateway and goes away is away at once, whatever they left behind", async (t) => {
  const { ben, watcher, desk, phone } = await scene(t);
  desk.close();
  // A moment for its gateway to notice; its grace is 10 s.
  await sleep(2_500);
  const began = Date.now();
  const away = becomes(watcher, ben.id, "away");
  await done(phone, "presence.status.update", { status: "away" });
  await away;
  assert.ok(Date.now() - began < 6_000, "no grace is waited for");
  assert.equal((await statusOf(watcher, ben.id)).status, "away");
});

test("changes close together are told as one, and the same again is not told", async (t) => {
  const { watcher, ben, desk, phone, told } = await scene(t);
  await done(phone, "presence.status.update", { status: "away" });
  told.length = 0;
  const away = becomes(watcher, ben.id, "away");
  // Sent together, so that they fall into the moment for which a change is held back; a socket's events keep their order.
  await Promise.all(["busy", "online", "away", "away"].map((status) => done(desk, "presence.status.update", { status })));
  await away;
  await done(desk, "presence.status.update", { status: "away" });
  await sleep(1_000);
  assert.deepEqual(told, ["away"]);
});

test("who hides is offline to others, still hears, and is back when they say so", async (t) => {
  const { ben, watcher, desk, phone, roomId } = await scene(t);
  const gone = becomes(watcher, ben.id, "offline");
  await done(desk, "presence.status.update", { status: "offline" });
  await done(phone, "presence.status.update", { status: "offline" });
  await gone;
  const seen = await statusOf(watcher, ben.id);
  assert.equal(seen.status, "offline");
  assert.ok(Math.abs(Date.parse(seen.lastSeen) - Date.now()) < 60_000, seen.lastSeen);
  // Asked of one user alone, by ack and without.
  const answer = heard(watcher, "presence.last.seen");
  watcher.emit("presence.last.seen", { userId: ben.id });
  for (const { userId, lastSeen } of [await done(watcher, "presence.last.seen", { userId: ben.id }), await answer]) {
    assert.deepEqual([userId, lastSeen], [ben.id, seen.lastSeen]);
  }
  const message = heard(desk, "message.received", ({ content }) => content === "psst");
  await done(watcher, "message.send", { roomId, content: "psst" });
  await message;
  const back = becomes(watcher, ben.id, "online");
  await done(phone, "presence.status.update", { status: "online" });
  await back;
});

test("who hid stays hidden when their connection is lost and they come back to their session", async (t) => {
  const { ben, watcher, desk, phone, told } = await scene(t);
  phone.disconnect();
  const gone = becomes(watcher, ben.id, "offline");
  const placed = heard(desk, "parlor.offset");
  await done(desk, "presence.status.update", { status: "offline" });
  await gone;
  await placed;
  told.length = 0;
  const seen = [];
  watcher.on("presence.online", ({ userId }) => userId === ben.id && seen.push("online"));
  const back = heard(desk, "connect");
  desk.io.engine.close();
  await back;
  assert.equal(desk.recovered, true);
  await sleep(1_500);
  assert.equal((await statusOf(watcher, ben.id)).status, "offline");
  assert.deepEqual([told.filter((status) => status !== "offline"), seen], [[], []]);
});

test("a user goes offline with the last device, and when that was is known and stored", async (t) => {
  const { ben, watcher, desk, phone, told } = await scene(t);
  desk.close();
  await sleep(12_000);
  assert.ok(!told.includes("offline"), "the phone is still there");
  assert.equal((await statusOf(watcher, ben.id)).status, "online");
  const gone = heard(watcher, "presence.offline", ({ userId }) => userId === ben.id, 20_000);
  phone.close();
  const { lastSeen } = await gone;
  assert.ok(Math.abs(Date.parse(lastSeen) - Date.now()) < 15_000);
  assert.ok((await statusOf(watcher, ben.id)).lastSeen);
  const stored = `SELECT count(*) FROM users WHERE id = '${ben.id}' AND last_seen > now() - interval '1 minute'`;
  await until("the store knows", async () => (await sql(stored)).flat()[0] === "1");
});

test("presence is told of users with whom one shares a room, and of nobody else", async (t) => {
  const { ann, ben, watcher } = await scene(t);
  const stranger = await connectOn(t, "gateway-2", newUser("Cem"));
  const { users } = await done(watcher, "presence.last.seen", { userIds: [ben.id, ann.id, "nobody"] });
  assert.deepEqual(users.map(({ userId }) => userId).sort(), [ann.id, ben.id].sort());
  assert.deepEqual((await done(stranger, "presence.last.seen", { userIds: [ben.id] })).users, []);
});

test("who types in a room can be read by those who are in it", async (t) => {
  const { ben, watcher, desk, roomId } = await scene(t);
  await done(desk, "typing.start", { roomId });
  const { users } = await done(watcher, "typing.list", { roomId });
  assert.deepEqual(users.map(({ userId }) => userId), [ben.id]);
  await done(desk, "typing.stop", { roomId });
  assert.deepEqual((await done(watcher, "typing.list", { roomId })).users, []);
  const stranger = await connectOn(t, "gateway-2", newUser("Cem"));
  assert.equal((await ask(stranger, "typing.list", { roomId })).error, "not_found");
});
