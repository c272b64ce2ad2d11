// A gateway that starts fills the caches of lively rooms from the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectOn, newGroup, newUser, send } from "../../lib/clients.mjs";
import { mendAfter, redis, start, stop, storedIds } from "../../lib/cluster.mjs";
import { until } from "../../lib/wait.mjs";

test("a gateway that starts fills the caches of the rooms that were written to last, before anybody asks", async (t) => {
  mendAfter(t, "gateway-3");
  const person = async (name) => {
    const user = newUser(name);
    return { user, socket: await connectOn(t, "gateway-1", user) };
  };
  const [ann, ben] = [await person("Ann"), await person("Ben")];
  const roomId = await newGroup(ann, [ben], "Lively");
  const sent = [];
  for (const content of ["one", "two", "three"]) sent.push((await send(ann.socket, roomId, content)).messageId);
  await until("all of it is stored", async () => {
    const stored = await storedIds(roomId);
    return sent.every((id) => stored.includes(id));
  });
  await stop("gateway-3");
  // The room's recent cache, whatever its partition.
  const key = await redis("--raw", "KEYS", `*:c:${roomId}`);
  assert.match(key, /^\S+$/, "one room, one cache");
  assert.equal(await redis("--raw", "DEL", key), "1");
  assert.equal(await redis("--raw", "EXISTS", key), "0", "nobody else fills it");
  await start("gateway-3");
  await until("the cache is there", async () => Number(await redis("--raw", "ZCARD", key)) >= sent.length, { within: 20_000 });
});
