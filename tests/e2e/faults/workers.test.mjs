// A delivery-worker or a persister that dies in mid-stream: the other takes over where it really was.
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilShown } from "../../lib/checker.mjs";
import { kill, mendAfter, start } from "../../lib/cluster.mjs";
import { history } from "../../lib/clients.mjs";
import { allIsWell, scene } from "../../lib/scene.mjs";
import { Traffic } from "../../lib/traffic.mjs";

for (const role of ["delivery-worker", "persister"]) {
  test(`each ${role} killed with -9 in mid-stream loses nothing and stores nothing twice`, async (t) => {
    const all = await scene(t);
    const { rooms, devices, ledger } = all;
    const names = [`${role}-1`, `${role}-2`];
    mendAfter(t, ...names);
    const traffic = new Traffic(ledger, devices, rooms);
    t.after(() => traffic.stop());
    // One after the other: whichever had a room's partition, it has been killed with it.
    for (const name of names) {
      await traffic.flows(100);
      await kill(name);
      await traffic.flows(200);
      // Taken before they are waited for: what is acked later may not have reached the gateway that is asked.
      const acked = new Set(ledger.sent(rooms[0]).map((entry) => entry.id));
      await untilShown(devices, ledger, rooms);
      if (role === "persister") {
        // History is whole although part of it is not stored yet.
        for (const { messageId } of await history(devices[0].socket, rooms[0])) acked.delete(messageId);
        assert.equal(acked.size, 0, "history has every acked message");
      }
      await start(name);
    }
    await traffic.stop();
    await untilShown(devices, ledger, rooms);
    assert.equal(ledger.sends.filter(({ outcome }) => outcome !== "sent").length, 0, "every send was acked");
    await allIsWell(all);
    t.diagnostic(`${ledger.sends.length} messages`);
  });
}
