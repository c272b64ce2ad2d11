// A connection made while Redis and Kafka are away is not a deaf one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { kill, mendAfter, start } from "../../lib/cluster.mjs";
import { client, connect, newGroup, newUser, send, tokenOf } from "../../lib/clients.mjs";
import { gatewayUrl } from "../../lib/place.mjs";
import { heard, until } from "../../lib/wait.mjs";

test("a member who connects while Redis and Kafka are away hears the room within 30 s of their return", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url: gatewayUrl("gateway-1") });
  const first = await connect(t, ben, { url: gatewayUrl("gateway-1") });
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: first }]);
  await send(a, roomId, "before");
  first.close();

  mendAfter(t, "redis", "kafka-1");
  await kill("redis", "kafka-1");
  // On a gateway where nobody else is in the room.
  const b = client(t, gatewayUrl("gateway-3"), { token: await tokenOf(ben) });
  const heardBy = new Set();
  b.on("message.received", ({ messageId }) => heardBy.add(messageId));
  const authenticated = heard(b, "connection.authenticated", () => true, 20_000);
  b.connect();
  const begun = Date.now();
  const welcomed = await authenticated.then(() => `after ${Date.now() - begun} ms`, () => "only later");
  await start("redis", "kafka-1");
  const back = Date.now();

  let acked = 0;
  const speaks = async () => {
    const { messageId } = await send(a, roomId, "can you hear me?", {}, 5_000);
    acked++;
    return until("Ben hears it", () => heardBy.has(messageId), { within: 1_000 });
  };
  await until("Ben hears the room", speaks, { within: 28_000, every: 250 });
  const after = Date.now() - back;
  assert.ok(after < 30_000, `he heard it after ${after} ms`);
  // And goes on to hear it.
  for (let i = 0; i < 5; i++) {
    const { messageId } = await send(a, roomId, `more ${i}`);
    await until("Ben hears more", () => heardBy.has(messageId));
  }
  t.diagnostic(`authenticated ${welcomed}; heard the room ${after} ms after the return, at message ${acked}`);
});
