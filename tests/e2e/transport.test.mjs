// Transports as stock clients use them, through nginx and three gateways.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../lib/checker.mjs";
import { client, connect, connectOn, gatewayOf, newChannel, newUser, randomUUID, send, tokenOf } from "../lib/clients.mjs";
import { NGINX } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

test("clients that only poll reach their own gateway through nginx, and get and send everything in order", async (t) => {
  const pollers = [];
  for (let n = 1; n <= 3; n++) {
    const socket = await connectOn(t, `gateway-${n}`, newUser(`Poller${n}`), { transports: ["polling"] });
    assert.equal(socket.io.engine.transport.name, "polling");
    pollers.push(socket);
  }
  const roomId = await newChannel(...pollers);
  const devices = pollers.map((socket) => new Device(gatewayOf(socket), socket));
  const acks = await Promise.all(
    Array.from({ length: 150 }, (_, i) => send(pollers[i % 3], roomId, `m${i}`, { tempId: randomUUID() }, 20_000)),
  );
  for (const device of devices) {
    await until(`the poller on ${device.name} has all`, () => acks.every(({ messageId }) => device.shows(messageId)), { within: 20_000 });
    assert.equal(device.runs.length, 1, "its session held");
    assert.deepEqual(device.runs[0], device.shown(roomId), "in order, each once");
    assert.deepEqual(device.shown(roomId), devices[0].shown(roomId));
  }
});

test("a polling client comes back after its session was lost", async (t) => {
  const socket = await connect(t, newUser("Poller"), { transports: ["polling"] });
  const back = heard(socket, "connection.authenticated");
  socket.io.engine.close();
  await back;
  assert.equal(socket.io.engine.transport.name, "polling");
});

test("a stock client with default options works", async (t) => {
  const socket = await connect(t, newUser("Ann"), { transports: ["polling", "websocket"] });
  const roomId = await newChannel(socket);
  assert.equal((await send(socket, roomId, "hello")).status, "sent");
});

test("many clients spread over all gateways", async (t) => {
  const sockets = await Promise.all(Array.from({ length: 9 }, (_, i) => connect(t, newUser(`U${i}`))));
  assert.deepEqual([...new Set(sockets.map(gatewayOf))].sort(), ["gateway-1", "gateway-2", "gateway-3"]);
});

test("a session that no gateway knows is told so, and begins anew", async () => {
  for (const sid of ["gateway-1.nobody", "gateway-9.nobody", "nonsense"]) {
    const answer = await fetch(`${NGINX}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assert.equal(answer.status, 400, sid);
    assert.equal((await answer.json()).code, 1, sid);
  }
});

test("pages of other sites may not connect", async (t) => {
  const ours = "https://chat.example.com";
  const url = await solo(t, `http.allowed_origins=${ours}`);
  const handshake = (origin) => fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: origin ? { Origin: origin } : {} });
  assert.equal((await handshake(ours)).status, 200);
  assert.equal((await handshake()).status, 200, "what is no page sends no Origin");
  const others = ["null", "https://evil.example", `${ours}.evil.example`, "https://evil-chat.example.com", "http://chat.example.com", `${ours}:8443`];
  for (const origin of others) assert.equal((await handshake(origin)).status, 403, origin);
  const upgrade = client(t, url, { token: await tokenOf(newUser("Ann")) }, { extraHeaders: { Origin: "https://evil.example" }, reconnection: false });
  const refused = heard(upgrade, "connect_error");
  upgrade.connect();
  await refused;
});

test("a full server tells newcomers SERVER_FULL, and serves again when there is room", async (t) => {
  const url = await solo(t, "gateway.max_connections=1");
  const first = await connect(t, newUser("Ann"), { url });
  const second = client(t, url, { token: await tokenOf(newUser("Ben")) });
  const told = heard(second, "error");
  const closed = heard(second, "disconnect");
  const welcome = heard(second, "connection.authenticated", undefined, 15_000);
  second.connect();
  const error = await told;
  assert.equal(error.code, "SERVER_FULL");
  assert.ok(error.message);
  assert.equal(await closed, "transport close", "so that a stock client tries again");
  first.close();
  await welcome;
});
