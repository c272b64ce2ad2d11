// Membership is the store's: what was decided about it holds within 5 s on every gateway, whatever the bus does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, connectOn, done, newGroup, newUser, send } from "../../lib/clients.mjs";
import { kill, mendAfter } from "../../lib/cluster.mjs";
import { GATEWAYS } from "../../lib/place.mjs";
import { until } from "../../lib/wait.mjs";

test("with Redis away a removed member and a blocked user are refused within 5 s on every gateway", async (t) => {
  mendAfter(t, "redis");
  const person = async (name) => {
    const user = newUser(name);
    return { user, socket: await connect(t, user) };
  };
  const [ann, ben] = [await person("Ann"), await person("Ben")];
  const sockets = [];
  for (const gateway of GATEWAYS) sockets.push(await connectOn(t, gateway, ben.user));
  const roomId = await newGroup(ann, [ben], "Crew");
  const direct = `direct_${[ann.user.id, ben.user.id].toSorted().join("_")}`;
  for (const socket of sockets) {
    await send(socket, roomId, "a member");
    await send(socket, direct, "a friend");
  }
  await kill("redis");
  // Each gateway has just read that he is one, and has nobody who tells it more.
  for (const socket of sockets) {
    await send(socket, roomId, "still a member", {}, 20_000);
    await send(socket, direct, "still a friend", {}, 20_000);
  }
  await done(ann.socket, "room.members.remove", { roomId, memberIds: [ben.user.id] }, 20_000);
  await done(ann.socket, "user.block", { userId: ben.user.id }, 20_000);
  const refused = (socket, room, error) => async () =>
    (await ask(socket, "message.send", { roomId: room, content: "x" })).error === error;
  const begun = Date.now();
  await Promise.all(
    sockets.flatMap((socket) => [
      until("he is no member", refused(socket, roomId, "not_found"), { within: 6_000, every: 200 }),
      until("he is blocked", refused(socket, direct, "forbidden"), { within: 6_000, every: 200 }),
    ]),
  );
  t.diagnostic(`refused everywhere after ${Date.now() - begun} ms`);
  assert.ok(Date.now() - begun < 6_000);
});
