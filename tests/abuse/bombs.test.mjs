// Little that would become much: attachments, payloads and compressed bytes. Each is bounded, and closed in time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, gzipSync } from "node:zlib";
import { echo } from "../lib/echo.mjs";
import { Polling, SEPARATOR, Wire } from "../lib/engine.mjs";
import { BINARY, RawWire, frame } from "../lib/frames.mjs";
import { memoryStaysFlat } from "../lib/memory.mjs";
import { until } from "../lib/wait.mjs";

const MEBIBYTE = 1024 * 1024;
const server = await echo();
const { pid } = server.child;

async function entered() {
  const wire = await Wire.open(server.url);
  wire.send("40");
  await wire.take();
  await wire.take();
  return wire;
}

/** So many at once; each must be closed by the server. */
const all = (count, attack) => Promise.all(Array.from({ length: count }, (_, i) => attack(i)));

test("packets that announce attachments without end are closed, or cost nothing while they wait", async (t) => {
  const placeholders = (count) => Array.from({ length: count }, (_, num) => JSON.stringify({ _placeholder: true, num })).join();
  await memoryStaysFlat(t, pid, async () => {
    // More than anybody may announce.
    for (const count of [1_000, 65_536, 4_294_967_296]) {
      await all(20, async () => {
        const wire = await entered();
        wire.send(`45${count}-["message",${placeholders(Math.min(count, 1_500))}]`);
        await wire.ends();
      });
    }
    // Large ones, as many as are taken: all together are bounded as one packet is.
    await all(50, async () => {
      const wire = await entered();
      wire.send(`455-["message",${placeholders(5)}]`, ...Array.from({ length: 5 }, () => Buffer.alloc(200 * 1024)));
      await wire.ends();
    });
    // Announced and never sent, on two hundred connections at once.
    const waiting = await all(200, async () => {
      const wire = await entered();
      wire.send(`452-["message",${placeholders(2)}]`, Buffer.alloc(60 * 1024));
      return wire;
    });
    for (const wire of waiting) wire.ws.terminate();
  });
  assert.ok(server.alive);
});

test("attachments that nobody announced are closed", async (t) => {
  await memoryStaysFlat(t, pid, () =>
    all(100, async () => {
      const wire = await entered();
      wire.send(...Array.from({ length: 20 }, () => Buffer.alloc(200 * 1024)));
      await wire.ends();
    }),
  );
  assert.ok(server.alive);
});

test("polling payloads that would become much are refused, and end their session", async (t) => {
  const bombs = {
    "200,000 empty packets": SEPARATOR.repeat(200_000),
    "100,000 pongs": Array(100_000).fill("3").join(SEPARATOR),
    "one packet beyond the limit": `42["message","${"x".repeat(300 * 1024)}"]`,
    "base64 beyond the limit": `b${"A".repeat(300 * 1024)}`,
    "a thousand CONNECTs to namespaces that do not exist": Array.from({ length: 1_000 }, (_, i) => `40/n${i},`).join(SEPARATOR),
    "a thousand unanswered questions of nobody": Array.from({ length: 1_000 }, (_, i) => `42${i}["message-with-ack"]`).join(SEPARATOR),
  };
  await memoryStaysFlat(t, pid, async () => {
    for (const [what, bomb] of Object.entries(bombs)) {
      const sessions = await all(20, () => Polling.open(server.url));
      // The answer may come before the body is read, which fetch takes for a broken connection.
      const statuses = await all(20, (i) => sessions[i].post(bomb).then(({ status }) => status, () => 413));
      assert.ok(statuses.every((status) => status === 400 || status === 413), `${what}: ${statuses}`);
      await until(`${what}: sessions are over`, async () => (await all(20, (i) => sessions[i].isOver())).every(Boolean));
    }
  });
  assert.ok(server.alive);
});

test("a client that never polls what it asked for is closed at the queue's bound", async (t) => {
  const line = `42["message","${"x".repeat(50_000)}"]`;
  await memoryStaysFlat(t, pid, () =>
    all(20, async () => {
      const session = await Polling.open(server.url);
      await session.send("40");
      // Each comes back, and waits for a GET that never comes.
      await until("its session is over", async () => (await session.post(line)).status === 400, { every: 0 });
    }),
  );
  assert.ok(server.alive);
});

test("a deflate bomb is closed with 1009 before it is inflated", async (t) => {
  const headers = ["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"];
  // A thousand times what it weighs; the last four bytes are left out (RFC 7692 § 7.2.1).
  const bombs = [64, 128].map((size) => deflateRawSync(Buffer.alloc(size * MEBIBYTE, "4"), { finishFlush: 2 }).subarray(0, -4));
  assert.ok(bombs[0].length < 100_000, `${bombs[0].length} bytes`);
  const inflates = await RawWire.open(t, server.url, { headers });
  inflates.socket.write(frame(deflateRawSync("40", { finishFlush: 2 }).subarray(0, -4), { rsv: 4 }));
  await inflates.hears('40{"sid"');
  await memoryStaysFlat(t, pid, async () => {
    for (const bomb of bombs) {
      for (const opcode of [1, BINARY]) {
        await all(20, async () => {
          const wire = await RawWire.open(t, server.url, { headers });
          wire.socket.write(frame(bomb, { rsv: 4, opcode }));
          assert.equal(await wire.closeCode(20_000), 1009);
        });
      }
    }
    // Broken streams, and one that goes on behind its end.
    for (const bytes of [Buffer.from([7]), Buffer.from([0xff, 0xff, 0xff]), deflateRawSync(Buffer.alloc(1_000)).subarray(0, 3), Buffer.concat([deflateRawSync("40"), Buffer.alloc(50_000, 1)])]) {
      const wire = await RawWire.open(t, server.url, { headers });
      wire.socket.write(frame(bytes, { rsv: 4 }));
      const code = await wire.closeCode();
      assert.ok(code >= 1002, `closed with ${code}`);
    }
  });
  assert.ok(server.alive);
});

test("a compressed body is refused, not inflated", async (t) => {
  const bomb = gzipSync(Buffer.alloc(64 * MEBIBYTE, "4"));
  await memoryStaysFlat(t, pid, () =>
    all(20, async () => {
      const session = await Polling.open(server.url);
      const answer = await session.post(bomb, { headers: { "content-encoding": "gzip" } }).catch(() => ({ status: 413 }));
      assert.ok([400, 413, 415].includes(answer.status), String(answer.status));
    }),
  );
  assert.ok(server.alive);
});
