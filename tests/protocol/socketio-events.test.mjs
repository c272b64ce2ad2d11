// Events and acks, text and binary (SIO5 § "Sending and receiving data", § "Acknowledgement", § "Packet encoding").
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { attempt, transports } from "../lib/engine.mjs";

const server = await echo({ maxPayload: 64 * 1024 });

const placeholder = (num) => ({ _placeholder: true, num });

/** A packet of event or ack, with its attachments: what goes over the wire. */
function packet({ type, namespace = "", id = "", args, bytes = [] }) {
  const count = bytes.length ? `${bytes.length}-` : "";
  return [`4${type}${count}${namespace && `${namespace},`}${id}${JSON.stringify(args)}`, ...bytes];
}

async function entered(t, open, namespace = "") {
  const session = await open(t, server.url);
  await session.send(`40${namespace && `${namespace},`}`);
  await session.take();
  await session.take();
  return session;
}

/** Says it, and expects the answer, packet by packet. */
async function says(session, said, answer) {
  await session.send(...said);
  for (const expected of answer) assert.deepEqual(await session.take(), expected);
}

for (const [name, open] of Object.entries(transports)) {
  test(`events come back with their arguments, over ${name}`, async (t) => {
    const session = await entered(t, open);
    for (const args of [[], [1, "2", { 3: [true] }], [null], ["é 🟦 \u2028 \" \\ \u0000"], [1.5e300, -0.25, 9007199254740991], [[], {}, [[[]]]]]) {
      await says(session, packet({ type: 2, args: ["message", ...args] }), packet({ type: 2, args: ["message-back", ...args] }));
    }
  });

  test(`binary events come back with their attachments, over ${name}`, async (t) => {
    const session = await entered(t, open);
    for (const [args, bytes] of [
      [[placeholder(0)], [Buffer.from([1, 2, 3])]],
      [[placeholder(0), placeholder(1)], [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])]],
      [["text", { deep: [{ deeper: placeholder(0) }] }, null], [Buffer.from([0x1e, 0xff, 0x00, 0x34])]],
      [[placeholder(0)], [Buffer.alloc(0)]],
      [[placeholder(0)], [randomBytes(40_000)]],
      [Array.from({ length: 8 }, (_, i) => placeholder(i)), Array.from({ length: 8 }, (_, i) => randomBytes(i * 10))],
    ]) {
      await says(session, packet({ type: 5, args: ["message", ...args], bytes }), packet({ type: 5, args: ["message-back", ...args], bytes }));
    }
  });

  test(`attachments go where their placeholders say, in any order, over ${name}`, async (t) => {
    const session = await entered(t, open);
    const bytes = [Buffer.from("zero"), Buffer.from("one")];
    await session.send(...packet({ type: 5, args: ["message", placeholder(1), placeholder(0)], bytes }));
    const [, counted, json] = /^45(\d+)-(.*)$/.exec(await session.take());
    assert.equal(counted, "2");
    const [, first, second] = JSON.parse(json);
    const came = [await session.take(), await session.take()];
    assert.deepEqual([came[first.num], came[second.num]], [bytes[1], bytes[0]]);
  });

  test(`an event with an id is acked with that id, over ${name}`, async (t) => {
    const session = await entered(t, open);
    for (const id of [0, 1, 456, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      await says(session, packet({ type: 2, id, args: ["message-with-ack", 1, "2"] }), packet({ type: 3, id, args: [1, "2"] }));
    }
    await says(session, packet({ type: 2, id: 7, args: ["message-with-ack"] }), packet({ type: 3, id: 7, args: [] }));
  });

  test(`a binary event is acked with its binary, over ${name}`, async (t) => {
    const session = await entered(t, open);
    const bytes = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
    const args = [placeholder(0), { second: placeholder(1) }];
    await says(session, packet({ type: 5, id: 789, args: ["message-with-ack", ...args], bytes }), packet({ type: 6, id: 789, args, bytes }));
  });

  test(`events, binary events and acks work in a custom namespace, over ${name}`, async (t) => {
    const namespace = "/custom";
    const session = await entered(t, open, namespace);
    const bytes = [Buffer.from([9, 8, 7])];
    await says(session, packet({ type: 2, namespace, args: ["message", 1] }), packet({ type: 2, namespace, args: ["message-back", 1] }));
    await says(session, packet({ type: 2, namespace, id: 5, args: ["message-with-ack", 1] }), packet({ type: 3, namespace, id: 5, args: [1] }));
    await says(session, packet({ type: 5, namespace, args: ["message", placeholder(0)], bytes }), packet({ type: 5, namespace, args: ["message-back", placeholder(0)], bytes }));
    await says(session, packet({ type: 5, namespace, id: 12, args: ["message-with-ack", placeholder(0)], bytes }), packet({ type: 6, namespace, id: 12, args: [placeholder(0)], bytes }));
  });

  test(`text and binary events keep their order, over ${name}`, async (t) => {
    const session = await entered(t, open);
    const said = [];
    const answers = [];
    for (let i = 0; i < 60; i++) {
      const bytes = i % 2 ? [Buffer.from([i])] : [];
      const args = bytes.length ? [i, placeholder(0)] : [i];
      const type = bytes.length ? 5 : 2;
      said.push(...packet({ type, args: ["message", ...args], bytes }));
      answers.push(...packet({ type, args: ["message-back", ...args], bytes }));
    }
    await says(session, said, answers);
  });

  test(`an event that nobody listens for changes nothing, over ${name}`, async (t) => {
    const session = await entered(t, open);
    await says(session, ['42["no.such.event",1]', '42["message",1]'], ['42["message-back",1]']);
  });

  test(`an ack that nobody waits for changes nothing, over ${name}`, async (t) => {
    const session = await entered(t, open);
    await says(session, ["430[]", '4399[1,"x"]', '42["message",1]'], ['42["message-back",1]']);
  });

  test(`a packet that cannot be read closes the connection, over ${name}`, async (t) => {
    // SIO5 § "Sending and receiving data": the payload is a non-empty array, or the receiver closes the connection.
    const bad = {
      "no packet type": "4abc",
      "an unknown packet type": "47",
      "an event without payload": "42",
      "an event whose payload is an object": "42{}",
      "an event whose payload is a text": '42"message"',
      "an event whose payload is empty": "42[]",
      "an event whose name is an object": "42[{}]",
      "an event whose name is null": "42[null]",
      "an id that is no number": '42abc["message",1]',
      "a payload cut short": '42["mess',
      "a reserved event name": '42["connect"]',
      "a disconnect with a payload": "41{}",
      "a CONNECT_ERROR, which is the server's": '44{"message":"no"}',
      "a binary event without a count": '45["message",{"_placeholder":true,"num":0}]',
      "a binary event whose count is no number": '45x-["message",{"_placeholder":true,"num":0}]',
      "a binary event without a dash": '451["message",{"_placeholder":true,"num":0}]',
      "a negative count": '45-1-["message"]',
      "an ack without an id": "43[1]",
    };
    for (const [what, text] of Object.entries(bad)) {
      const session = await entered(t, open);
      await attempt(session, text);
      assert.equal(await session.take().catch(() => null), null, `${what}: ${text}`);
    }
    assert.ok(server.alive);
  });

  test(`attachments that are not as announced close the connection, over ${name}`, async (t) => {
    const cases = {
      "a text packet in place of an attachment": ['451-["message",{"_placeholder":true,"num":0}]', '42["message",1]'],
      "an attachment that nothing announced": [Buffer.from([1, 2, 3])],
      "more attachments than announced": ['451-["message",{"_placeholder":true,"num":0}]', Buffer.from([1]), Buffer.from([2])],
      "a placeholder beyond the attachments": ['451-["message",{"_placeholder":true,"num":7}]', Buffer.from([1])],
      "a placeholder with a wrong number": ['451-["message",{"_placeholder":true,"num":"0"}]', Buffer.from([1])],
      "a placeholder with a negative number": ['451-["message",{"_placeholder":true,"num":-1}]', Buffer.from([1])],
    };
    for (const [what, packets] of Object.entries(cases)) {
      const session = await entered(t, open);
      await attempt(session, ...packets);
      const came = [];
      for (;;) {
        const packet = await session.take().catch(() => null);
        if (packet === null) break;
        came.push(packet);
        assert.ok(came.length < 4, `${what}: ${came}`);
      }
    }
    assert.ok(server.alive);
  });
}
