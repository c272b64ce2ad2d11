// The WebSocket transport (EIO4 § "WebSocket" and § "Packet encoding").
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Wire } from "../lib/engine.mjs";

const server = await echo({ engine: true });

async function open(t, options) {
  const wire = await Wire.open(server.url, options);
  t.after(() => wire.ws.terminate());
  return wire;
}

test("each packet has a frame of its own, text or binary as it is", async (t) => {
  const wire = await open(t);
  const bytes = Buffer.from([1, 2, 3, 4, 0x1e, 255]);
  wire.send("4hello", bytes, "4with a \x1e in it", Buffer.alloc(0), "4");
  for (const packet of ["4hello", bytes, "4with a \x1e in it", Buffer.alloc(0), "4"]) assert.deepEqual(await wire.take(), packet);
});

test("a thousand packets keep their order", async (t) => {
  const wire = await open(t);
  const packets = Array.from({ length: 1_000 }, (_, i) => (i % 3 ? `4${i}` : Buffer.from(String(i))));
  wire.send(...packets);
  for (const packet of packets) assert.deepEqual(await wire.take(), packet);
});

test("a packet in many fragments is one packet", async (t) => {
  // RFC 6455 § 5.4
  const wire = await open(t);
  const whole = `4${"abc🟦".repeat(500)}`;
  const bytes = Buffer.from(whole);
  // Cut between bytes of a character too.
  for (let at = 0; at < bytes.length; at += 7) wire.ws.send(bytes.subarray(at, at + 7), { binary: false, fin: at + 7 >= bytes.length });
  assert.equal(await wire.take(), whole);
});

test("a WebSocket ping is answered with its payload, whatever the session does", async (t) => {
  // RFC 6455 § 5.5.2 and 5.5.3
  const wire = await open(t);
  const pong = new Promise((resolve) => wire.ws.once("pong", resolve));
  wire.ws.ping("are you there?");
  assert.equal((await pong).toString(), "are you there?");
});

test("what cannot be a packet closes the connection", async (t) => {
  for (const bad of ["abc", "", "7", "9x", "0{}", " 4"]) {
    const wire = await open(t);
    wire.send(bad);
    const { code } = await wire.ends();
    assert.ok(code >= 1002 && code < 5000 && code !== 1006, `${JSON.stringify(bad)}: closed with ${code}, in words of RFC 6455 § 7.4`);
  }
  assert.ok(server.alive);
});

test("what an Engine.IO client may not say closes the connection", async (t) => {
  // A ping is the server's (EIO4 § "Heartbeat"), an upgrade belongs to a session that polls (EIO4 § "Upgrade").
  for (const bad of ["2", "2probe", "5"]) {
    const wire = await open(t);
    wire.send(bad);
    await wire.ends();
  }
});

test("a frame beyond 256 KiB closes the connection with 1009", async (t) => {
  // RFC 6455 § 7.4.1
  for (const large of [`4${"x".repeat(300 * 1024)}`, Buffer.alloc(300 * 1024)]) {
    const wire = await open(t);
    wire.send(large);
    const { code } = await wire.ends();
    assert.ok(code === 1009 || code === 1006, `closed with ${code}`);
  }
  assert.ok(server.alive);
});
