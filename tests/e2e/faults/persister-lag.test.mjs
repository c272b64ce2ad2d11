// History is the store and what lies in the log beyond it: a message that is in both, or twice in one, shows once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { storedIds } from "../../lib/cluster.mjs";
import { connect, history, newGroup, newUser, randomUUID, send } from "../../lib/clients.mjs";
import { gatewayUrl } from "../../lib/place.mjs";
import { pause } from "../../lib/pause.mjs";
import { heard, until } from "../../lib/wait.mjs";

test("history shows a message once while the persisters lag and a resend of it lies in the log", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url: gatewayUrl("gateway-1") });
  const b = await connect(t, ben, { url: gatewayUrl("gateway-2") });
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  const tempId = randomUUID();
  const once = await send(a, roomId, "once", { tempId });
  // So many that the resend is far from what it repeats.
  const before = await Promise.all(Array.from({ length: 150 }, (_, i) => send(a, roomId, `before ${i}`)));
  await until("the store has them", async () => (await storedIds(roomId)).length >= 152);

  const resume = await pause(t, "persister-1", "persister-2");
  assert.equal((await send(a, roomId, "once", { tempId })).messageId, once.messageId);
  // History is asked of Ben's gateway, which knows all that it has handed out.
  const last = heard(b, "message.received", ({ content }) => content === "after 149", 20_000);
  const after = await Promise.all(Array.from({ length: 150 }, (_, i) => send(a, roomId, `after ${i}`)));
  const sent = [once, ...before, ...after].map(({ messageId }) => messageId);
  const spoken = (messages) => messages.filter(({ type }) => type !== "system").map(({ messageId }) => messageId);
  const isWhole = (ids) => {
    assert.equal(ids.filter((id) => id === once.messageId).length, 1, "copies of the message");
    assert.deepEqual([...ids].sort(), [...sent].sort());
  };
  await last;
  const meanwhile = await history(b, roomId);
  isWhole(spoken(meanwhile));
  assert.equal((await storedIds(roomId)).length, 152, "the persisters stood still");

  await resume();
  await until("the store has all of it", async () => (await storedIds(roomId)).length >= 302, { within: 30_000 });
  const stored = await history(b, roomId);
  isWhole(spoken(stored));
  assert.deepEqual(spoken(stored), spoken(meanwhile), "in the same order");
});
