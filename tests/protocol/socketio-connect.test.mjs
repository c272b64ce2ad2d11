// Namespaces come and go (SIO5 § "Connection to a namespace", § "Disconnection from a namespace"), on both transports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { attempt, transports } from "../lib/engine.mjs";

const server = await echo();

/** CONNECTs, and returns the socket's id. The echo of what came with it must be `auth`. */
async function enter(session, { namespace = "", auth } = {}) {
  const head = namespace && `${namespace},`;
  await session.send(`40${head}${auth ? JSON.stringify(auth) : ""}`);
  const connected = await session.take();
  assert.ok(connected.startsWith(`40${head}{`), connected);
  const payload = JSON.parse(connected.slice(2 + head.length));
  assert.equal(typeof payload.sid, "string");
  assert.equal(await session.take(), `42${head}["auth",${JSON.stringify(auth ?? {})}]`);
  return payload.sid;
}

for (const [name, open] of Object.entries(transports)) {
  test(`CONNECT to the main namespace is answered with an id, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    const sid = await enter(session);
    assert.notEqual(sid, session.sid, "the socket's id is not the session's, which lets in");
  });

  test(`CONNECT carries auth, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    await enter(session, { auth: { token: "123", nested: { list: [1, null, "é🟦"] } } });
  });

  test(`a custom namespace is connected on its own, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    await enter(session, { namespace: "/custom", auth: { token: "abc" } });
    await session.send('42/custom,["message",1]');
    assert.equal(await session.take(), '42/custom,["message-back",1]');
  });

  test(`a namespace without its comma, or with a query, is the same namespace, over ${name}`, async (t) => {
    // The comma may be left out where nothing follows (socket.io-parser, `decodeString`).
    const session = await open(t, server.url);
    await session.send("40/custom");
    assert.ok((await session.take()).startsWith('40/custom,{"sid":'));
    assert.equal(await session.take(), '42/custom,["auth",{}]');
  });

  test(`two namespaces share one connection and are told apart, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    const sids = [await enter(session), await enter(session, { namespace: "/custom" })];
    assert.notEqual(sids[0], sids[1]);
    await session.send('42["message","main"]', '42/custom,["message","custom"]', '42["message","main again"]');
    assert.equal(await session.take(), '42["message-back","main"]');
    assert.equal(await session.take(), '42/custom,["message-back","custom"]');
    assert.equal(await session.take(), '42["message-back","main again"]');
  });

  test(`a namespace that does not exist is refused with CONNECT_ERROR, and another may be entered, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    for (const [packet, answer] of [["40/random", "44/random,"], ['40/random,{"a":1}', "44/random,"], ["40/Custom,", "44/Custom,"], ["40/custom/", "44/custom/,"]]) {
      await session.send(packet);
      assert.equal(await session.take(), `${answer}{"message":"Invalid namespace"}`);
    }
    await enter(session);
  });

  test(`whoever says anything else before CONNECT is closed, over ${name}`, async (t) => {
    // SIO5 § "Connection to a namespace": the server must close the connection.
    for (const packet of ['42["message",1]', '420["message-with-ack"]', "41", "430[]", '42/custom,["message"]']) {
      const session = await open(t, server.url);
      await attempt(session, packet);
      assert.equal(await session.take(), null, packet);
    }
  });

  test(`leaving one namespace leaves the other as it is, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    await enter(session);
    await enter(session, { namespace: "/custom" });
    await session.send("41/custom,", '42["message","main goes on"]');
    assert.equal(await session.take(), '42["message-back","main goes on"]');
    // And it may be entered again, as somebody new.
    await enter(session, { namespace: "/custom", auth: { again: true } });
  });

  test(`what is said in a namespace that was left goes nowhere, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    await enter(session);
    await enter(session, { namespace: "/custom" });
    await session.send("41/custom,", '42["message",1]');
    assert.equal(await session.take(), '42["message-back",1]');
    await attempt(session, '42/custom,["message","nobody is here"]');
    // Closed or ignored: never answered.
    await attempt(session, '42["message",2]');
    const next = await session.take().catch(() => null);
    assert.ok(next === null || next === '42["message-back",2]', next);
  });

  test(`CONNECT to a namespace that one is in already does not make a second socket, over ${name}`, async (t) => {
    const session = await open(t, server.url);
    await enter(session);
    await attempt(session, "40", '42["message",1]');
    const packets = [];
    for (let packet = await session.take(); packet !== null; packet = await session.take()) {
      packets.push(packet);
      if (packet.includes("message-back")) break;
    }
    assert.ok(packets.filter((packet) => packet.includes("message-back")).length <= 1);
    assert.ok(!packets.some((packet) => packet.includes('"auth"')), String(packets));
  });
}
