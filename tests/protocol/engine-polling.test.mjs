// HTTP long-polling (EIO4 § "HTTP long-polling" and § "Packet encoding").
import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Polling, SEPARATOR, address, assertRefused } from "../lib/engine.mjs";
import { sleep, until } from "../lib/wait.mjs";

const MAX = 20_000;
const server = await echo({ engine: true, maxPayload: MAX });

/** A POST whose body is promised and not yet sent. */
async function slowPost(t, session, length) {
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  await once(socket, "connect");
  const { pathname, search } = new URL(address(server.url, { sid: session.sid }));
  socket.write(`POST ${pathname}${search} HTTP/1.1\r\nHost: ${server.host}\r\nContent-Length: ${length}\r\n\r\n`);
  await sleep(500);
  return socket;
}

test("a packet that is posted is answered ok, and its echo is polled", async () => {
  // EIO4 § "Sending data": 200 and the body `ok`.
  const session = await Polling.open(server.url);
  const { status, text } = await session.post("4hello");
  assert.deepEqual([status, text], [200, "ok"]);
  const polled = await session.get();
  assert.deepEqual([polled.status, polled.text], [200, "4hello"]);
  assert.match(polled.type, /^text\/plain; ?charset=utf-8$/i);
});

test("several packets share a payload, in order, both ways", async () => {
  // EIO4 § "Packet encoding", "HTTP long-polling": joined by 0x1e.
  const session = await Polling.open(server.url);
  const packets = ["4test1", "4test2", "4", "4 with spaces ", "4test3"];
  await session.send(...packets);
  assert.equal((await session.get()).text, packets.join(SEPARATOR));
});

test("binary is base64 behind a b, both ways, between text packets", async () => {
  const session = await Polling.open(server.url);
  const payload = ["4hello", "bAQIDBA==", "b", "4world", "b/+8="].join(SEPARATOR);
  assert.equal((await session.post(payload)).text, "ok");
  assert.equal((await session.get()).text, payload);
});

test("text is UTF-8, whatever it holds", async () => {
  const session = await Polling.open(server.url);
  for (const text of ["4€ Ŧ 你好", "4🟦 family 👨‍👩‍👧", "4\u0000\u0001\u001d\u001f", '4"\\u2028\u2028\\n"', "4\u202Ereversed"]) {
    await session.send(text);
    assert.equal(await session.take(), text);
  }
});

test("a GET waits until there is something to say", async () => {
  // EIO4 § "Receiving data".
  const session = await Polling.open(server.url);
  let answered = false;
  const polled = session.get().finally(() => (answered = true));
  await sleep(300);
  assert.equal(answered, false);
  await session.send("4now");
  assert.equal((await polled).text, "4now");
});

test("two GETs at once end the session", async () => {
  // EIO4 § "Receiving data": the second is answered 400, and the session is closed.
  const session = await Polling.open(server.url);
  const first = session.get();
  await sleep(500);
  assert.equal((await session.get()).status, 400);
  const { status, text } = await first;
  assert.ok(status === 400 || text === "1", `the first is told: ${status} ${text}`);
  await until("the session is gone", async () => (await session.get()).status === 400);
  assertRefused(await session.get(), 1);
});

test("two POSTs at once end the session", async (t) => {
  // EIO4 § "Sending data": the second is answered 400, and the session is closed.
  const session = await Polling.open(server.url);
  await slowPost(t, session, 6);
  assert.equal((await session.post("4hello")).status, 400);
  await until("the session is gone", async () => (await session.get()).status === 400);
});

test("a GET may wait while a POST is under way", async () => {
  const session = await Polling.open(server.url);
  for (let i = 0; i < 20; i++) {
    const polled = session.get();
    await session.send(`4${i}`);
    assert.equal((await polled).text, `4${i}`);
  }
});

test("what cannot be a packet ends the session", async () => {
  // EIO4 § "Packet encoding": one digit, and what belongs to it.
  const bad = ["abc", "7", "x4", " 4x", "-1", "", `4a${SEPARATOR}`, `${SEPARATOR}4a`, `4a${SEPARATOR}${SEPARATOR}4b`, "bnot base64!", "b=", "bQ", "0{}"];
  for (const payload of bad) {
    const session = await Polling.open(server.url);
    assert.equal((await session.post(payload)).status, 400, `posting ${JSON.stringify(payload)}`);
    assert.ok(await session.isOver(), `after ${JSON.stringify(payload)}`);
    await until("the session is gone", async () => (await session.get()).status === 400);
  }
  assert.ok(server.alive);
});

test("a body that is not UTF-8 ends the session", async () => {
  const session = await Polling.open(server.url);
  assert.equal((await session.post(Buffer.from([0x34, 0xff, 0xfe]))).status, 400);
  assert.ok(await session.isOver());
});

test("a payload beyond what the server reads is refused with 413 and ends the session", async (t) => {
  // The limit is told in the open packet as maxPayload; up to 256 KiB is read, and refused by ack above.
  const session = await Polling.open(server.url);
  const answer = await session.post(`4${"x".repeat(300 * 1024)}`).catch((error) => error);
  // The server may answer before it has read all, which some clients take for a broken connection.
  if (!(answer instanceof Error)) assert.equal(answer.status, 413);
  assert.ok(await session.isOver());
  const another = await Polling.open(server.url);
  const socket = await slowPost(t, another, 1_000_000_000);
  socket.write(Buffer.alloc(300 * 1024, "4"));
  await until("a body that promises too much ends it too", async () => another.isOver());
  assert.ok(server.alive);
});

test("what is polled is split by maxPayload", async () => {
  // EIO4 § "Handshake": maxPayload is bytes of one payload.
  const session = await Polling.open(server.url);
  const packets = Array.from({ length: 12 }, (_, i) => `4${i}${"x".repeat(5_000)}`);
  for (const packet of packets) await session.send(packet);
  const came = [];
  while (came.length < packets.length) {
    const { text } = await session.get();
    assert.ok(Buffer.byteLength(text) <= MAX, `${text.length} bytes`);
    came.push(...text.split(SEPARATOR));
  }
  assert.deepEqual(came, packets);
});
