// A gateway leaves the pool: its own clients go elsewhere, and nobody else notices, on whatever transport they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { kill, mendAfter, start, stop } from "../../lib/cluster.mjs";
import { connect, connectOn, gatewayOf, newChannel, newUser, send } from "../../lib/clients.mjs";
import { GATEWAYS } from "../../lib/place.mjs";
import { until } from "../../lib/wait.mjs";

const LEAVING = "gateway-2";
const KINDS = [["polling"], ["polling", "websocket"], ["websocket"]];

/** A client, and what has happened to it. */
async function watched(t, transports) {
  const socket = await connect(t, newUser("U"), { transports });
  const client = { socket, transports, lost: [], heard: new Set() };
  socket.on("disconnect", (reason) => client.lost.push(reason));
  socket.on("message.received", ({ messageId }) => client.heard.add(messageId));
  return client;
}

for (const [how, leave] of Object.entries({ "is told to stop": stop, "is killed with -9": kill })) {
  test(`a gateway that ${how} disturbs no client of the others`, async (t) => {
    mendAfter(t, LEAVING);
    const clients = [];
    // Each kind on each gateway: newcomers of one kind go round.
    for (const transports of KINDS) {
      await until(`${transports} on every gateway`, async () => {
        clients.push(await watched(t, transports));
        const there = clients.filter((client) => client.transports === transports);
        return GATEWAYS.every((gateway) => there.filter(({ socket }) => gatewayOf(socket) === gateway).length >= 2);
      }, { within: 30_000 });
    }
    const settled = ({ socket, transports }) => socket.io.engine.transport.name === transports.at(-1);
    await until("all have upgraded who can", () => clients.every(settled), { within: 20_000 });
    const others = clients.filter(({ socket }) => gatewayOf(socket) !== LEAVING);
    const theirs = clients.filter((client) => !others.includes(client));
    const sids = others.map(({ socket }) => socket.io.engine.id);
    const roomId = await newChannel(...clients.map(({ socket }) => socket));

    // Somebody elsewhere speaks all the time.
    const ids = [];
    let speaking = true;
    const speaker = (async () => {
      while (speaking) ids.push((await send(others[0].socket, roomId, `m${ids.length}`)).messageId);
    })();
    await until("it flows", () => ids.length > 20);
    await leave(LEAVING);
    await until("who was there is elsewhere", () => theirs.every(({ socket }) => socket.connected && gatewayOf(socket) !== LEAVING), { within: 30_000 });
    const before = ids.length;
    await until("it flows on", () => ids.length > before + 20);
    speaking = false;
    await speaker;

    await until("who was elsewhere heard everything", () => others.every(({ heard }) => ids.every((id) => heard.has(id))), { within: 20_000 });
    assert.deepEqual(others.flatMap(({ lost }) => lost), [], "and was not disconnected");
    assert.deepEqual(others.map(({ socket }) => socket.io.engine.id), sids, "in the same session");
    assert.ok(others.every(settled), "on the same transport");
    assert.ok(theirs.every(({ lost }) => lost.length >= 1));
    t.diagnostic(`${others.length} clients stayed, ${theirs.length} moved, ${ids.length} messages`);

    await start(LEAVING);
    const back = await connectOn(t, LEAVING, newUser("Newcomer"));
    assert.equal(gatewayOf(back), LEAVING, "newcomers find it again");
  });
}
