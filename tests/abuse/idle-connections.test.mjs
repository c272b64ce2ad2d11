// Connections that are opened to be held: each has a time by which it must have said something useful.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectAs, newUser } from "../lib/clients.mjs";
import { echo } from "../lib/echo.mjs";
import { Polling, Wire, address } from "../lib/engine.mjs";
import { RawWire, frame } from "../lib/frames.mjs";
import { memoryReturns } from "../lib/memory.mjs";
import { solo } from "../lib/process.mjs";
import { until } from "../lib/wait.mjs";

/** Somebody who behaves is served while all that goes on. */
async function othersAreServed(server) {
  const session = await Polling.open(server.url);
  await session.send("40");
  await session.take();
  await session.take();
  await session.send('420["message-with-ack",1]');
  assert.equal(await session.take(), "430[1]");
  await session.post("1");
}

/** Opens so many at once, a hundred at a time: a listener's backlog is finite. */
async function many(count, open) {
  const all = [];
  while (all.length < count) all.push(...(await Promise.all(Array.from({ length: Math.min(100, count - all.length) }, (_, i) => open(all.length + i)))));
  return all;
}

// Times are the defaults that deployments have; the tests wait at the same time.
test("connections that are held open for nothing end in time", { concurrency: true }, async (t) => {
  const running = [];
  const run = (name, test) => running.push(t.test(name, test));

  run("a thousand slow requests, silent or byte by byte, are closed at the header timeout", async (t) => {
    const server = await echo();
    const target = new URL(address(server.url));
    const head = `GET ${target.pathname}${target.search} HTTP/1.1\r\nHost: parlor\r\n`;
    const session = await Polling.open(server.url);
    const post = `POST ${target.pathname}${target.search}&sid=${session.sid} HTTP/1.1\r\nHost: parlor\r\nContent-Length: 60000\r\n\r\n4`;
    let open = 0;
    await memoryReturns(t, server.child.pid, async () => {
      await many(1_000, async (i) => {
        const socket = connect(server.port, "127.0.0.1");
        socket.on("error", () => {});
        await once(socket, "connect");
        open++;
        socket.once("close", () => open--);
        t.after(() => socket.destroy());
        socket.resume();
        // Says nothing; half a request; a header that never ends; a body that never ends (one, since a session takes one).
        if (i % 4 === 1) socket.write(head);
        if (i === 2) socket.write(post);
        if (i % 4 >= 2) {
          if (i !== 2) socket.write(head);
          const more = setInterval(() => socket.write(i === 2 ? "x" : "X-Filler: x\r\n"), 1_000);
          socket.once("close", () => clearInterval(more));
        }
      });
      assert.ok(open > 900, "they are held");
      await othersAreServed(server);
      await until("all of them are closed", () => open === 0, { within: 20_000 });
    });
    await othersAreServed(server);
  });

  run("two thousand sessions that never CONNECT are closed at the connect timeout", async (t) => {
    const server = await echo();
    await memoryReturns(t, server.child.pid, async () => {
      const wires = await many(1_000, () => Wire.open(server.url));
      const sessions = await many(1_000, () => Polling.open(server.url));
      let open = wires.length;
      for (const wire of wires) wire.closed.then(() => open--);
      await othersAreServed(server);
      // They go on answering pings: that alone keeps nobody.
      await until("no WebSocket is open", () => open === 0, { within: 45_000 });
      const known = async (session) => (await session.post("6")).status === 200;
      await until("no polling session is known", async () => {
        const samples = await Promise.all(sessions.filter((_, i) => i % 20 === 0).map(known));
        return !samples.includes(true);
      }, { within: 20_000, every: 500 });
    });
    await othersAreServed(server);
  });

  run("a WebSocket that sends half a frame and waits is closed by the heartbeat", async (t) => {
    const server = await echo({ pingInterval: 1_000, pingTimeout: 1_000 });
    const half = frame('42["message",1]').subarray(0, 9);
    const wires = await many(50, () => RawWire.open(t, server.url));
    for (const wire of wires) {
      wire.say("40");
      wire.socket.write(half);
    }
    await Promise.all(wires.map((wire) => wire.closeCode(20_000)));
    await othersAreServed(server);
  });

  run("of two hundred sockets of one user, a hundred stay and the rest are refused", async (t) => {
    const url = await solo(t);
    const user = newUser("Ann");
    const options = { url, reconnection: false };
    let refused = 0;
    const sockets = await many(200, async () => {
      const socket = await connectAs(t, user, options).catch(() => null);
      if (!socket) refused++;
      return socket;
    });
    // Some hear of it after they were let in.
    await until("a hundred are left", () => sockets.filter((socket) => socket?.connected).length === 100, { within: 20_000 });
    t.diagnostic(`${refused} were refused at once`);
    const other = await connectAs(t, newUser("Ben"), options);
    assert.ok(other.connected, "another user comes in");
    sockets.find((socket) => socket?.connected).close();
    await until("who has left makes room", async () => (await connectAs(t, user, options)).connected, { within: 10_000, every: 200 });
  });
  await Promise.all(running);
});
