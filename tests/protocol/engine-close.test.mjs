// How a session ends (EIO4 § "Protocol", packet type `close`).
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Polling, SEPARATOR, Wire, assertRefused } from "../lib/engine.mjs";
import { sleep, until } from "../lib/wait.mjs";

const server = await echo({ engine: true });

test("a polling client that says close ends its session, and its waiting GET is answered", async () => {
  const session = await Polling.open(server.url);
  const waiting = session.get();
  await sleep(500);
  assert.equal((await session.post("1")).text, "ok");
  const { status, text } = await waiting;
  assert.equal(status, 200);
  assert.match(text, /^[16]$/, "a noop or a close");
  await until("nobody knows it", async () => (await session.get()).status === 400);
  assertRefused(await session.get(), 1);
});

test("what stands before a close in its payload is handled, what stands behind it is not", async () => {
  const session = await Polling.open(server.url);
  const waiting = session.get();
  await session.post(["4before", "1", "4behind"].join(SEPARATOR));
  const { text } = await waiting;
  assert.ok(!text.includes("behind"), text);
  await until("nobody knows it", async () => (await session.get()).status === 400);
});

test("a WebSocket client that says close is closed", async () => {
  const wire = await Wire.open(server.url);
  wire.send("1");
  await wire.ends();
  assertRefused(await Polling.of(server.url, wire.sid).get(), 1);
});

test("a close frame is answered with its own code", async () => {
  // RFC 6455 § 5.5.1
  const wire = await Wire.open(server.url);
  wire.ws.close(1000);
  const { code } = await wire.ends();
  assert.equal(code, 1000);
});

test("a connection that breaks takes its session with it", async () => {
  const wire = await Wire.open(server.url);
  wire.ws.terminate();
  await until("nobody knows it", async () => (await Polling.of(server.url, wire.sid).get()).status === 400);
});
