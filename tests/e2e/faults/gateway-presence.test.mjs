// A gateway's end is an absence like any other: who does not come back goes offline.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mendAfter, stop } from "../../lib/cluster.mjs";
import { connect, connectOn, gatewayOf, newChannel, newGroup, newUser } from "../../lib/clients.mjs";
import { gatewayUrl } from "../../lib/place.mjs";
import { heard, until } from "../../lib/wait.mjs";

test("a gateway told to stop tells the rooms that users who do not come back are offline", async (t) => {
  const ann = newUser("Ann");
  const watcher = await connect(t, ann, { url: gatewayUrl("gateway-1") });
  const there = { url: gatewayUrl("gateway-2"), reconnection: false };
  const [ben, cem, dan] = ["Ben", "Cem", "Dan"].map(newUser);
  const b = await connect(t, ben, there);
  const c = await connect(t, cem, there);
  // Dan comes back.
  const d = await connectOn(t, "gateway-2", dan);
  await newGroup({ user: ann, socket: watcher }, [{ user: ben, socket: b }, { user: dan, socket: d }]);
  await newChannel(watcher, c);
  mendAfter(t, "gateway-2");

  const last = new Map();
  watcher.on("presence.status.update", ({ userId, status }) => last.set(userId, status));
  const told = [ben, cem].map(({ id }) => heard(watcher, "presence.offline", ({ userId }) => userId === id, 25_000));
  const begun = Date.now();
  const stopped = stop("gateway-2");
  await Promise.all(told);
  const after = Date.now() - begun;
  await stopped;
  await until("Dan is back", () => d.connected && gatewayOf(d) !== "gateway-2");
  await until("nobody takes Dan for away", () => last.get(dan.id) !== "offline");
  assert.deepEqual([ben, cem].map(({ id }) => last.get(id)), ["offline", "offline"]);
  t.diagnostic(`told after ${after} ms`);
});
