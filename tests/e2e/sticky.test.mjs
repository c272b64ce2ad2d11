// Sessions of several requests stay with their gateway, through nginx, by their sid: every client here has one address.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { connect, gatewayOf, newChannel, newUser, send } from "../lib/clients.mjs";
import { GATEWAYS, NGINX } from "../lib/place.mjs";
import { Polling, assertRefused, request } from "../lib/engine.mjs";
import { until } from "../lib/wait.mjs";

const SOCKET_IO = `${NGINX}/socket.io/`;

test("sixty clients with default options upgrade on the gateway that they began on, and spread over all three", async (t) => {
  const lost = [];
  // One gateway has a WebSocket less than the others: that is no reason to send everybody there.
  for (let i = 0; i < 2; i++) await connect(t, newUser(`Earlier${i}`), { transports: ["websocket"] });
  const sockets = await Promise.all(Array.from({ length: 60 }, async (_, i) => {
    const socket = await connect(t, newUser(`U${i}`), { transports: ["polling", "websocket"] });
    socket.on("disconnect", (reason) => lost.push(reason));
    return socket;
  }));
  const sids = sockets.map((socket) => socket.io.engine.id);
  await until("all have upgraded", () => sockets.every((socket) => socket.io.engine.transport.name === "websocket"), { within: 20_000 });
  assert.deepEqual(sockets.map((socket) => socket.io.engine.id), sids, "each in the session that it began with");
  const share = (gateway) => sockets.filter((socket) => gatewayOf(socket) === gateway).length;
  for (const gateway of GATEWAYS) assert.ok(share(gateway) >= 12, `${gateway} has ${share(gateway)} of 60`);

  const roomId = await newChannel(...sockets);
  const heard = sockets.map(() => []);
  sockets.forEach((socket, i) => socket.on("message.received", ({ messageId }) => heard[i].push(messageId)));
  const acks = await Promise.all(sockets.slice(0, 12).map((socket, i) => send(socket, roomId, `m${i}`)));
  const ids = acks.map(({ messageId }) => messageId);
  await until("everybody has heard all", () => heard.every((of) => ids.every((id) => of.includes(id))), { within: 20_000 });
  assert.ok(heard.every((of) => of.length === ids.length), "each once");
  assert.deepEqual(lost, [], "nobody was disconnected");
});

test("every request of a polling session reaches its gateway, whatever the others do meanwhile", async () => {
  const sessions = [];
  for (let i = 0; i < 12; i++) sessions.push(await Polling.open(SOCKET_IO));
  assert.ok(new Set(sessions.map(({ sid }) => sid.split(".")[0])).size > 1, "they are spread");
  await Promise.all(sessions.map(async (session) => {
    for (let i = 0; i < 20; i++) {
      const polled = session.get();
      await session.send(i ? `42${i}["no.such.event",{}]` : "40");
      const { status, text } = await polled;
      assert.equal(status, 200, text);
    }
    await session.post("1");
  }));
});

test("nginx itself refuses a sid whose head is no gateway's, as an Engine.IO server would", async () => {
  for (const sid of ["gateway-9.x", "gateway-1", "GATEWAY-1.x", "x", "..", "gateway-1%2Ex"]) {
    for (const method of ["GET", "POST"]) assertRefused(await request(SOCKET_IO, { sid }, { method }), 1);
  }
});

test("nginx closes requests that are never finished, as a gateway would", async (t) => {
  const { hostname, port } = new URL(NGINX);
  const session = await Polling.open(SOCKET_IO);
  const line = (method, more = "") => `${method} /socket.io/?EIO=4&transport=polling${more} HTTP/1.1\r\nHost: parlor\r\n`;
  const beginnings = ["", line("GET"), `${line("POST", `&sid=${session.sid}`)}Content-Length: 60000\r\n\r\n4`];
  let open = 0;
  for (let i = 0; i < 150; i++) {
    const socket = connectTcp(Number(port), hostname);
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    await once(socket, "connect");
    open++;
    socket.once("close", () => open--);
    socket.resume();
    // One of them begins a body and goes on with it for ever; a session takes no second.
    const kind = i === 0 ? 2 : i % 2;
    socket.write(beginnings[kind]);
    if (kind === 0) continue;
    const more = setInterval(() => socket.write(kind === 2 ? "x" : "X-Filler: x\r\n"), 1_000);
    socket.once("close", () => clearInterval(more));
  }
  assert.equal(open, 150, "they are held");
  await until("all of them are closed", () => open === 0, { within: 25_000 });
});
