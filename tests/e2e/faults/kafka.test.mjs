// Kafka away for 20 s: a send is refused as busy, or nobody knows; never "sent". Resent, it posts once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilShown } from "../../lib/checker.mjs";
import { kill, mendAfter, start } from "../../lib/cluster.mjs";
import { ask, history, newGroup, randomUUID } from "../../lib/clients.mjs";
import { answered, rest } from "../../lib/rest.mjs";
import { allIsWell, scene } from "../../lib/scene.mjs";
import { Traffic, resendUnsettled } from "../../lib/traffic.mjs";
import { sleep, until } from "../../lib/wait.mjs";

test("Kafka stopped for 20 s: sends get busy or UNKNOWN, never sent, and resent with the same tempId post once", async (t) => {
  const all = await scene(t, { groups: 3, channels: 1 });
  const { people: [ann, ben], rooms, devices, ledger } = all;
  const conversation = await newGroup(ann, [ben], "By request");
  mendAfter(t, "kafka-1");
  const traffic = new Traffic(ledger, devices, rooms, { every: 50, within: 20_000 });
  t.after(() => traffic.stop());
  await traffic.flows(100);

  await kill("kafka-1");
  // Acks for what Kafka had taken before its end are on their way.
  await sleep(500);
  const from = Date.now();
  // History works meanwhile.
  const page = await ask(devices[0].socket, "message.history", { roomId: rooms[0], limit: 5 });
  assert.equal(page.messages?.length, 5, JSON.stringify(page));
  // By request too: nothing is 201 before the log has confirmed it.
  const headers = { "idempotency-key": randomUUID() };
  const body = { conversation_id: conversation, content: "posted" };
  const refused = await rest(ann.user, "POST", "/api/messages", body, { headers });
  assert.ok([503, 504].includes(refused.status), `a request was answered with ${refused.status}`);
  assert.deepEqual([refused.body.error, refused.body.retryable], [refused.status === 503 ? "busy" : "UNKNOWN", true]);
  if (refused.status === 503) assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  await sleep(Math.max(0, from + 20_000 - Date.now()));
  const to = Date.now();
  await start("kafka-1");
  const during = ledger.sends.filter(({ at }) => at >= from && at < to);
  await traffic.flows(50, 60_000);
  await traffic.stop();

  assert.ok(during.length > 300, `${during.length} sends meanwhile`);
  const early = during.filter(({ outcome, answered }) => outcome === "sent" && answered < to);
  assert.deepEqual(early.map(({ ack }) => ack), [], "nothing was acked as sent while Kafka was away");
  const answers = new Set(during.filter(({ outcome }) => outcome !== "sent").map(({ ack }) => ack.error));
  assert.ok(answers.size > 0);
  for (const error of answers) assert.ok(["busy", "UNKNOWN"].includes(error), `an answer was ${error}`);
  for (const { ack, tempId } of during.filter(({ outcome }) => outcome !== "sent")) {
    assert.equal(ack.retryable, true);
    assert.equal(ack.tempId, tempId);
    assert.equal(ack.status, ack.error === "busy" ? "failed" : undefined);
    if (ack.error === "busy") assert.ok(ack.retryAfter >= 1, "busy says when to try again");
  }

  const again = await resendUnsettled(ledger);
  assert.ok(again > 0);
  await untilShown(devices, ledger, rooms);
  await allIsWell(all);
  const posted = await answered(201, ann.user, "POST", "/api/messages", body, { headers });
  // It was taken by one gateway, and is read on another.
  const contents = await until("it is in history", async () => {
    const found = (await history(ann.socket, conversation)).filter(({ content }) => content === "posted");
    return found.length > 0 && found;
  });
  assert.deepEqual(contents.map(({ messageId }) => messageId), [posted.id], "sent again, it posts once");
  t.diagnostic(`${ledger.sends.length} messages, ${again} sent again after ${[...answers].join(" and ")}`);
});
