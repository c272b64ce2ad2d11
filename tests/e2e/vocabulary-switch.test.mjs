// A socket that says only late that it speaks snake: what it was told before in dotted, it is told again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, newGroup, newUser, send } from "../lib/clients.mjs";
import { gatewayUrl } from "../lib/place.mjs";
import { heard, until } from "../lib/wait.mjs";

/** Ann, and Ben who has not said yet what he speaks, in a group; `dotted` and `snake` keep the numbers he hears. */
async function pair(t) {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const [a, b] = await Promise.all([
    connect(t, ann, { url: gatewayUrl("gateway-1") }),
    connect(t, ben, { url: gatewayUrl("gateway-2") }),
  ]);
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  const dotted = [];
  const snake = [];
  const note = (numbers) => ({ content }) => void (/^\d/.test(content) && numbers.push(parseInt(content, 10)));
  b.on("message.received", note(dotted));
  b.on("message", note(snake));
  let next = 0;
  const acks = [];
  const say = (filler = "") => acks.push(send(a, roomId, `${next++} ${filler}`, {}, 30_000));
  const acked = () => Promise.all(acks);
  return { a, b, roomId, dotted, snake, say, acked, said: () => next };
}

test("a socket that heard much before its first snake event has no hole, or is made to come back", async (t) => {
  const { a, b, roomId, dotted, snake, say, acked, said } = await pair(t);
  let left;
  b.on("disconnect", (reason) => (left = reason));
  const back = heard(b, "connection.authenticated", () => true, 20_000);
  for (let i = 0; i < 400; i++) say();
  await acked();
  await until("Ben has heard them all", () => dotted.length === 400);

  // It speaks up in the middle of what is said.
  const pump = setInterval(say, 2);
  t.after(() => clearInterval(pump));
  await until("more is said", () => said() > 450);
  b.emit("heartbeat", {});
  await until("and more", () => said() > 550);
  clearInterval(pump);
  await acked();
  await until("Ben has heard the last, or is told to come back", () => left || snake.includes(said() - 1));
  // An ack comes after whatever was handed to the socket before.
  if (!left) await ask(b, "heartbeat", {}).catch(() => {});

  if (left) {
    assert.match(left, /^transport/, "a stock client comes back by itself after that");
    await back;
    b.emit("heartbeat", {});
    const again = heard(b, "message", ({ content }) => content === "welcome back");
    await send(a, roomId, "welcome back");
    await again;
  } else {
    assert.deepEqual(snake, Array.from({ length: said() }, (_, i) => i), "all of it, in order");
  }
  t.diagnostic(left ? `closed: ${left}` : `told ${snake.length} messages`);
});

test("a socket that switches to snake in the middle of a stream hears each message once, in order", async (t) => {
  const COUNT = 220;
  for (let round = 0; round < 10; round++) {
    const { a, b, dotted, snake, say, acked } = await pair(t);
    let left;
    b.on("disconnect", (reason) => (left = reason));
    // All of it twice fits into the queue of 1 MiB, however late the switch is seen.
    const filler = "x".repeat(2_000);
    const pump = setInterval(() => {
      for (let i = 0; i < 8 && pump.said < COUNT; i++, pump.said++) say(filler);
    }, 2);
    pump.said = 0;
    t.after(() => clearInterval(pump));
    await until("Ben hears the stream", () => dotted.length >= 10 + round * 8, { every: 1 });
    b.emit("heartbeat", {});
    await until("all is said", () => pump.said === COUNT);
    clearInterval(pump);
    await acked();
    await until("Ben has heard the last", () => left || snake.includes(COUNT - 1));
    await ask(b, "heartbeat", {});
    assert.equal(left, undefined, "so little is repeated, and nobody has to come back");
    assert.deepEqual(snake, Array.from({ length: COUNT }, (_, i) => i), `in round ${round}`);
    a.close();
    b.close();
  }
});
