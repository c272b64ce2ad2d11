// PostgreSQL away for 20 s: sends and live go on, history catches up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilShown } from "../../lib/checker.mjs";
import { mendAfter, start, stopPostgresImmediately, storedIds } from "../../lib/cluster.mjs";
import { ask, connect, newGroup, newUser } from "../../lib/clients.mjs";
import { NGINX, gatewayUrl } from "../../lib/place.mjs";
import { answered } from "../../lib/rest.mjs";
import { allIsWell, scene, slowestAck } from "../../lib/scene.mjs";
import { Traffic } from "../../lib/traffic.mjs";
import { sleep, until } from "../../lib/wait.mjs";

test("PostgreSQL stopped for 20 s: sends and live go on, history catches up", async (t) => {
  const all = await scene(t, { groups: 3, channels: 1 });
  const { people: [ann, ben], rooms, devices, ledger } = all;
  const conversation = await newGroup(ann, [ben], "By request");
  // Through the gateway that knows Ann already: what nobody has asked before may need the store.
  const post = (content) => answered(201, ann.user, "POST", "/api/messages", { conversation_id: conversation, content }, { url: gatewayUrl("gateway-1") });
  await post("before");
  mendAfter(t, "postgres");
  const traffic = new Traffic(ledger, devices, rooms);
  t.after(() => traffic.stop());
  await traffic.flows(100);

  await stopPostgresImmediately();
  const from = Date.now();
  await sleep(10_000);
  // In the middle of it: what was sent is acked, and seen by everybody.
  const before = ledger.sends.filter(({ at }) => at >= from).length;
  assert.ok(before > 300, `${before} messages were sent meanwhile`);
  await untilShown(devices, ledger, rooms, 5_000);
  const answer = await ask(devices[0].socket, "message.history", { roomId: rooms[0] });
  assert.ok(!answer.error || (answer.error === "busy" && answer.retryable), `history answers or is busy: ${JSON.stringify(answer)}`);
  // By request too: 201 says that it is confirmed, and not that it is in the store.
  const posted = await post("meanwhile");
  assert.ok(posted.id && Date.parse(posted.created_at), JSON.stringify(posted));
  assert.equal((await fetch(`${NGINX}/health/ready`)).status, 200, "gateways still take newcomers");
  assert.match(await (await fetch(`${gatewayUrl("gateway-1")}/health/ready`)).text(), /down/, "and say what is down");
  await sleep(Math.max(0, from + 20_000 - Date.now()));
  const to = Date.now();
  await start("postgres");

  await traffic.flows(100);
  await traffic.stop();
  assert.deepEqual(ledger.sends.filter(({ outcome }) => outcome !== "sent").map(({ ack }) => ack), [], "every send was acked");
  const slowest = slowestAck(ledger, from, to);
  assert.ok(slowest < 3_000, `the slowest ack meanwhile took ${slowest} ms`);
  await untilShown(devices, ledger, rooms);
  await allIsWell(all, { within: 45_000 });
  await until("the store has what was posted", async () => (await storedIds(conversation)).includes(posted.id), { within: 45_000 });
  await until("every gateway is whole again", async () => !/down/.test(await (await fetch(`${gatewayUrl("gateway-1")}/health/ready`)).text()));
  t.diagnostic(`${ledger.sends.length} messages; the slowest ack while PostgreSQL was away ${slowest} ms`);
});

test("who comes for the first time while PostgreSQL is away can be added to groups when it is back", async (t) => {
  const [ann, eve] = [newUser("Ann"), newUser("Eve")];
  const a = await connect(t, ann);
  mendAfter(t, "postgres");
  await stopPostgresImmediately();
  const e = await connect(t, eve);
  await start("postgres");
  const make = () => newGroup({ user: ann, socket: a }, [{ user: eve, socket: e }]);
  await until("Eve can be added, and has not come anew", make, { within: 30_000, every: 500 });
});
