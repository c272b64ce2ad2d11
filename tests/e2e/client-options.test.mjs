// What docs/clients.md says about `retries` and `ackTimeout`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, history, newChannel, newUser, randomUUID } from "../lib/clients.mjs";
import { until } from "../lib/wait.mjs";

test("retries and ackTimeout together post a message once; retries alone post one without tempId again", async (t) => {
  const reader = await connect(t, newUser("Reader"));
  const roomId = await newChannel(reader);
  const send = async (options, payload) => {
    const socket = await connect(t, newUser("Ann"), options);
    await new Promise((resolve) => socket.emit("room.join", { roomId }, resolve));
    return new Promise((resolve) => socket.emit("message.send", { roomId, ...payload }, (...args) => resolve(args)));
  };
  const [error, answer] = await send({ retries: 3, ackTimeout: 12_000 }, { content: "both" });
  assert.equal(error, null);
  assert.equal(answer.status, "sent");
  // The answer lands where an error belongs.
  const [taken] = await send({ retries: 3 }, { content: "retries alone" });
  assert.equal(taken.status, "sent");
  await send({ retries: 3 }, { content: "retries alone, with a tempId", tempId: randomUUID() });
  const contents = await until("all of it is in history", async () => {
    const messages = (await history(reader, roomId)).filter(({ type }) => type !== "system");
    return messages.length >= 6 && messages.map(({ content }) => content);
  });
  const count = (content) => contents.filter((one) => one === content).length;
  assert.equal(count("both"), 1);
  assert.equal(count("retries alone"), 4, "retries + 1");
  assert.equal(count("retries alone, with a tempId"), 1);
});
