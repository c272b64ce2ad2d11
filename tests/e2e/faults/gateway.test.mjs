// A gateway that dies, or is told to stop: its clients go on elsewhere, and miss nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilShown } from "../../lib/checker.mjs";
import { kill, mendAfter, stop } from "../../lib/cluster.mjs";
import { gatewayOf } from "../../lib/clients.mjs";
import { allIsWell, scene } from "../../lib/scene.mjs";
import { Traffic, resendUnsettled } from "../../lib/traffic.mjs";
import { until } from "../../lib/wait.mjs";

async function goesOn(t, breaks) {
  const all = await scene(t, { groups: 2, channels: 1 });
  const { rooms, devices, ledger } = all;
  const [ann, ben] = devices;
  mendAfter(t, "gateway-2");
  for (const device of devices) device.catchesUp(...rooms);
  const traffic = new Traffic(ledger, devices, rooms);
  t.after(() => traffic.stop());
  await traffic.flows(150);
  assert.equal(gatewayOf(ben.socket), "gateway-2");
  const begun = Date.now();
  await breaks();
  await until("Ben is back", () => ben.reconnections > 0 && ben.socket.connected, { within: 15_000 });
  await ben.caughtUp;
  const away = Date.now() - begun;
  assert.notEqual(gatewayOf(ben.socket), "gateway-2");
  await traffic.flows(150);
  await traffic.stop();
  const again = await resendUnsettled(ledger);
  await untilShown(devices, ledger, rooms);
  await allIsWell(all);
  t.diagnostic(`${ledger.sends.length} messages, ${again} of them sent again; Ben caught up after ${away} ms`);
  return { ann, ben, away };
}

test("a gateway killed with -9: its clients rejoin, and live plus history hold every message once in one order", async (t) => {
  const { ann } = await goesOn(t, () => kill("gateway-2"));
  assert.equal(ann.reconnections, 0, "who was elsewhere notices nothing");
});

test("a gateway told to stop sends its clients elsewhere within 30 s, and nothing is lost", async (t) => {
  const { away } = await goesOn(t, () => stop("gateway-2"));
  assert.ok(away < 30_000);
});
