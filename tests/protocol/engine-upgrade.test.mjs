// From long-polling to WebSocket, with nothing lost on the way (EIO4 § "Upgrade").
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Polling, SEPARATOR, Wire } from "../lib/engine.mjs";
import { sleep, until } from "../lib/wait.mjs";

const server = await echo({ engine: true });

/** A polling session and a WebSocket that has probed it. */
async function probed(t) {
  const session = await Polling.open(server.url);
  const wire = await Wire.probing(server.url, session.sid);
  t.after(() => wire.ws.terminate());
  wire.send("2probe");
  assert.equal(await wire.take(), "3probe");
  return { session, wire };
}

async function upgraded(t) {
  const both = await probed(t);
  both.wire.send("5", "4first");
  assert.equal(await both.wire.take(), "4first");
  return both;
}

test("a probe is answered, a waiting GET released with a noop, and packets go on over the WebSocket", async (t) => {
  const session = await Polling.open(server.url);
  const waiting = session.get();
  await sleep(100);
  const wire = await Wire.probing(server.url, session.sid);
  t.after(() => wire.ws.terminate());
  wire.send("2probe");
  assert.equal(await wire.take(), "3probe");
  const { status, text } = await waiting;
  assert.deepEqual([status, text], [200, "6"]);
  wire.send("5", "4hello", Buffer.from([1, 2, 3]));
  assert.equal(await wire.take(), "4hello");
  assert.deepEqual(await wire.take(), Buffer.from([1, 2, 3]));
});

test("a GET that comes between the probe and the upgrade is released too", async (t) => {
  const { session, wire } = await probed(t);
  const { status, text } = await session.get();
  assert.deepEqual([status, text], [200, "6"]);
  wire.send("5", "4hello");
  assert.equal(await wire.take(), "4hello");
});

test("what waited for a poll comes over the WebSocket, before anything newer", async (t) => {
  const session = await Polling.open(server.url);
  await session.send("4one", "4two");
  const wire = await Wire.probing(server.url, session.sid);
  t.after(() => wire.ws.terminate());
  wire.send("2probe");
  assert.equal(await wire.take(), "3probe");
  wire.send("5", "4three");
  for (const packet of ["4one", "4two", "4three"]) assert.equal(await wire.take(), packet);
});

test("packets posted while the probe is under way are neither lost nor doubled nor reordered", async (t) => {
  for (let round = 0; round < 20; round++) {
    const session = await Polling.open(server.url);
    const sent = Array.from({ length: 30 }, (_, i) => `4${i}`);
    const came = [];
    // A client polls on until its GET is released, as stock ones do, and posts until it upgrades.
    let upgrading = false;
    const polls = (async () => {
      for (;;) {
        const { text } = await session.get();
        const packets = text.split(SEPARATOR);
        came.push(...packets.filter((packet) => packet[0] === "4"));
        if (upgrading && packets.includes("6")) return;
      }
    })();
    const posts = (async () => {
      for (const packet of sent.slice(0, 20)) await session.send(packet);
    })();
    const wire = await Wire.probing(server.url, session.sid);
    t.after(() => wire.ws.terminate());
    upgrading = true;
    wire.send("2probe");
    assert.equal(await wire.take(), "3probe");
    await posts;
    await polls;
    wire.send("5", ...sent.slice(20));
    while (came.length < sent.length) came.push(await wire.take());
    assert.deepEqual(came, sent, `round ${round}`);
  }
});

test("polling requests after the upgrade are refused, and the WebSocket goes on", async (t) => {
  const { session, wire } = await upgraded(t);
  assert.equal((await session.get()).status, 400);
  assert.equal((await session.post("4hello")).status, 400);
  wire.send("4still here");
  assert.equal(await wire.take(), "4still here");
});

test("a second WebSocket with the same sid is refused, and the first goes on", async (t) => {
  const { session, wire } = await upgraded(t);
  const second = new Wire(server.url, { sid: session.sid });
  await second.ends();
  wire.send("4still here");
  assert.equal(await wire.take(), "4still here");
});

test("a WebSocket cannot be taken over by another one", async (t) => {
  const wire = await Wire.open(server.url);
  t.after(() => wire.ws.terminate());
  const second = new Wire(server.url, { sid: wire.sid });
  await second.ends();
  wire.send("4still here");
  assert.equal(await wire.take(), "4still here");
});

test("an upgrade that stops after its handshake or its probe leaves polling alive", async (t) => {
  for (const says of [[], ["2probe"]]) {
    const session = await Polling.open(server.url);
    const wire = await Wire.probing(server.url, session.sid);
    t.after(() => wire.ws.terminate());
    wire.send(...says);
    if (says.length) assert.equal(await wire.take(), "3probe");
    // It hangs; meanwhile, and after it is gone, packets go on over polling.
    await session.send("4meanwhile");
    assert.equal(await session.take(), "4meanwhile");
    wire.ws.terminate();
    await sleep(100);
    await session.send("4afterwards");
    assert.equal(await session.take(), "4afterwards");
  }
});

test("after an upgrade that failed another one may succeed", async (t) => {
  const { session, wire } = await probed(t);
  wire.ws.terminate();
  await sleep(100);
  const again = await until("the place is free", async () => {
    const next = await Wire.probing(server.url, session.sid).catch(() => null);
    return next ?? sleep(50);
  });
  t.after(() => again.ws.terminate());
  again.send("2probe");
  assert.equal(await again.take(), "3probe");
  again.send("5", "4upgraded");
  assert.equal(await again.take(), "4upgraded");
});

test("a transport that says anything but a probe and an upgrade is closed, and polling goes on", async (t) => {
  for (const says of ["4hello", "5", "2", "2prob", "3probe", "1", "abc", ""]) {
    const session = await Polling.open(server.url);
    const wire = await Wire.probing(server.url, session.sid);
    t.after(() => wire.ws.terminate());
    wire.send(says);
    await wire.ends();
    await session.send("4alive");
    assert.equal(await session.take(), "4alive", `after ${JSON.stringify(says)}`);
  }
});

test("a session that ends takes its probing WebSocket with it", async (t) => {
  const { session, wire } = await probed(t);
  await session.post("1");
  await wire.ends();
});
