// Ping and pong (EIO4 § "Heartbeat"): the server pings, the client answers in time or is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Polling, SEPARATOR, Wire } from "../lib/engine.mjs";
import { until } from "../lib/wait.mjs";

// Long enough for a busy machine to answer in time.
const server = await echo({ engine: true, pingInterval: 400, pingTimeout: 1_500 });

test("over WebSocket the server pings and goes on while it is answered", async (t) => {
  const wire = await Wire.open(server.url, { pings: true });
  t.after(() => wire.ws.terminate());
  for (let i = 0; i < 5; i++) {
    assert.equal(await wire.take(), "2");
    wire.send("3");
  }
  wire.send("4alive");
  await until("the echo", async () => (await wire.take()) === "4alive");
});

test("over polling the server pings and goes on while it is answered", async () => {
  const session = await Polling.open(server.url);
  for (let i = 0; i < 5; i++) {
    assert.equal((await session.get()).text, "2");
    await session.send("3");
  }
  await session.send("4alive");
  const { text } = await session.get();
  assert.ok(text.split(SEPARATOR).includes("4alive"), text);
});

test("a WebSocket client that does not answer is closed", async (t) => {
  const wire = await Wire.open(server.url, { pings: true });
  t.after(() => wire.ws.terminate());
  // What it says besides is no pong.
  wire.send("4", "4", "6");
  await wire.ends();
});

test("a polling client that does not answer is told, and then unknown", async () => {
  const session = await Polling.open(server.url);
  assert.equal((await session.get()).text, "2");
  await until("its session is over", () => session.isOver());
  await until("nobody knows it", async () => (await session.get()).status === 400);
  assert.equal((await session.post("3")).status, 400, "a pong that comes too late");
});

test("a polling client that has gone away is forgotten", async () => {
  const session = await Polling.open(server.url);
  await until("nobody knows it", async () => (await session.post("4")).status === 400, { every: 500 });
});

test("pongs that nobody asked for change nothing", async (t) => {
  const wire = await Wire.open(server.url);
  t.after(() => wire.ws.terminate());
  wire.send("3", "3", "3extra", "4still here");
  assert.equal(await wire.take(), "4still here");
});
