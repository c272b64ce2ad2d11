// A gateway killed with -9 leaves no ghosts: everybody on it shows offline within 30 s, and counts are right.
import assert from "node:assert/strict";
import { test } from "node:test";
import { kill, mendAfter, sql } from "../../lib/cluster.mjs";
import { connect, connectOn, done, newChannel, newGroup, newUser } from "../../lib/clients.mjs";
import { gatewayUrl } from "../../lib/place.mjs";
import { heard, sleep, until } from "../../lib/wait.mjs";

test("who was on a gateway that was killed shows offline within 30 s, and counts fall", async (t) => {
  const ann = newUser("Ann");
  const watcher = await connect(t, ann, { url: gatewayUrl("gateway-1") });
  const there = { url: gatewayUrl("gateway-2"), reconnection: false };
  const [ben, cem, dan] = ["Ben", "Cem", "Dan"].map(newUser);
  const b = await connect(t, ben, there);
  const c = await connect(t, cem, there);
  // Dan has a second device, elsewhere.
  const d = await connect(t, dan, there);
  await connectOn(t, "gateway-3", dan);
  const people = [[ben, b], [cem, c], [dan, d]].map(([user, socket]) => ({ user, socket }));
  await newGroup({ user: ann, socket: watcher }, people);
  const channel = await newChannel(watcher, c, d);
  mendAfter(t, "gateway-2");

  const last = new Map();
  watcher.on("presence.status.update", ({ userId, status }) => last.set(userId, status));
  const gone = [ben, cem].map(({ id }) => heard(watcher, "presence.offline", ({ userId }) => userId === id, 30_000));
  const left = heard(watcher, "room.left", ({ roomId, userCount }) => roomId === channel && userCount === 1, 30_000);
  const begun = Date.now();
  await kill("gateway-2");
  await Promise.all([...gone, left]);
  t.diagnostic(`told after ${Date.now() - begun} ms`);
  assert.ok(Date.now() - begun < 30_000);
  await sleep(2_000);
  assert.notEqual(last.get(dan.id), "offline", "Dan is still here");
  const { users } = await done(watcher, "presence.last.seen", { userIds: [ben.id, cem.id, dan.id] });
  const status = new Map(users.map((user) => [user.userId, user.status]));
  assert.deepEqual([ben, cem, dan].map(({ id }) => status.get(id)), ["offline", "offline", "online"]);
  const { userCount } = await done(await connect(t, newUser("Eve")), "room.join", { roomId: channel });
  assert.equal(userCount, 2, "Ann and the newcomer");
  const stored = `SELECT count(*) FROM users WHERE id IN ('${ben.id}', '${cem.id}') AND last_seen IS NOT NULL`;
  await until("the store knows when they were last seen", async () => (await sql(stored)).flat()[0] === "2");
});
