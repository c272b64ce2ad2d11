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
  const statuses = new Set();
  const busy = await until("a request is told to come again", async () => {
    const response = await rest(ann.user, "POST", "/api/messages", body, { headers });
    statuses.add(response.status);
    return response.status === 503 && response;
  }, { within: 15_000, every: 500 });
  for (const status of statuses) assert.ok([503, 504].includes(status), `a request was answered with ${status}`);
  assert.deepEqual([busy.body.error, busy.body.retryable], ["busy", true]);
  assert.ok(Number(busy.headers.get("retry-after")) >= 1);
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
  const contents = (await history(ann.socket, conversation)).filter(({ content }) => content === "posted");
  assert.deepEqual(contents.map(({ messageId }) => messageId), [posted.id], "sent again, it posts once");
  t.diagnostic(`${ledger.sends.length} messages, ${again} sent again after ${[...answers].join(" and ")}`);
});
