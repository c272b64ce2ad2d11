// A solo that is killed and started again: its log is all there, and nobody is told the past as news.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Device, Ledger, faults } from "../lib/checker.mjs";
import { connect, history, newGroup, newUser } from "../lib/clients.mjs";
import { FREE_PORTS, PARLOR, bareEnvironment } from "../lib/place.mjs";
import { Traffic, resendUnsettled } from "../lib/traffic.mjs";
import { until } from "../lib/wait.mjs";

/** A solo that may be killed and started again, on one port and one set of data. */
async function restartable(t) {
  const data = await mkdtemp(join(tmpdir(), "parlor-solo-"));
  // Above those that lib/process.mjs picks from.
  const port = FREE_PORTS + 1_000;
  const url = `http://127.0.0.1:${port}`;
  const args = ["solo", "--listen", `127.0.0.1:${port}`, "--data-dir", data];
  for (const tier of ["message", "join", "history", "event"]) args.push("--set", `limits.${tier}=off`);
  let child;
  const start = async () => {
    child = spawn(PARLOR, args, { env: bareEnvironment(), stdio: "ignore" });
    const ready = async () => {
      assert.equal(child.exitCode, null, "solo ended");
      return (await fetch(`${url}/health/ready`)).ok;
    };
    await until("solo serves", ready, { within: 20_000 });
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  t.after(async () => {
    await kill();
    await rm(data, { recursive: true, force: true });
  });
  await start();
  return { url, start, kill };
}

test("after kill -9 and a restart of solo under load nothing is lost, and told twice is only what is said to have waited", async (t) => {
  const solo = await restartable(t);
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const user = newUser(name);
    people.push({ user, socket: await connect(t, user, { url: solo.url, reconnectionDelay: 10, reconnectionDelayMax: 20 }) });
  }
  const roomId = await newGroup(people[0], people.slice(1));
  // Sessions go with the process: who comes back begins anew, and gets what no pong of theirs had confirmed yet. It is told
  // how much that is; clients drop the ids that they know.
  const waiting = new Map(people.map(({ user }) => [user.name, 0]));
  for (const { user, socket } of people) {
    socket.on("message.waiting", ({ count }) => waiting.set(user.name, waiting.get(user.name) + count));
  }
  const devices = people.map(({ user, socket }) => new Device(user.name, socket));
  const ledger = new Ledger();
  const traffic = new Traffic(ledger, devices, [roomId], { every: 1, within: 5_000 });
  t.after(() => traffic.stop());
  await traffic.flows(3_000);
  await solo.kill();
  await solo.start();
  await until("both are back", () => devices.every((device) => device.runs.length > 1 && device.socket.connected));
  await traffic.flows(300);
  await traffic.stop();
  const again = await resendUnsettled(ledger);
  const { id } = await ledger.send(people[0].socket, roomId, "the last one");
  await until("both have the last one", () => devices.every((device) => device.shows(id)));

  for (const device of devices) {
    // Over the old connection and the new one together.
    const live = device.runs.flat().map((message) => message.messageId);
    const again = live.length - new Set(live).size;
    assert.ok(again <= waiting.get(device.name), `${device.name} was told ${again} again, of ${waiting.get(device.name)} that waited`);
  }
  // What waited is older than what is live again; the rest came in order. All of it is in history, once.
  for (const device of devices) device.runs = device.runs.map((run) => run.filter((message) => !message.waited));
  const stored = await history(people[0].socket, roomId);
  assert.deepEqual(faults({ roomId, ledger, devices, stored, expectAll: false }), []);
  t.diagnostic(`${ledger.sends.length} messages, ${again} of them sent again`);
});
