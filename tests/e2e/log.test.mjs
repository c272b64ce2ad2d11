// What an operator reads in the log, and that nobody can fill it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newChannel, newUser, send } from "../lib/clients.mjs";
import { logOf, solo } from "../lib/process.mjs";
import { until } from "../lib/wait.mjs";

const JSON_LINES = "log.format=json";

/** The lines that say this. */
const lines = (url, message) => logOf(url).filter((line) => line.message === message);

test("who joins a café is logged with it and its count, and so is a page from the cache", async (t) => {
  const url = await solo(t, JSON_LINES, "log.level=info,parlor_gateway=debug");
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann, { url });
  const roomId = await newChannel(a);
  const b = await connect(t, ben, { url });
  await done(b, "room.join", { roomId });
  const joins = await until("both are logged", () => {
    const joins = lines(url, "joined a channel").filter(({ room }) => room === roomId);
    return joins.length === 2 && joins;
  });
  assert.deepEqual(joins.map(({ user, count, level }) => [user, count, level]), [[ann.id, 1, "INFO"], [ben.id, 2, "INFO"]]);

  for (let i = 0; i < 5; i++) await send(a, roomId, `m${i}`);
  const hit = await until("a page comes from the cache", async () => {
    await done(b, "message.history", { roomId, limit: 3 });
    return lines(url, "cache hit for recent messages").find(({ room, count }) => room === roomId && count === 3);
  });
  assert.equal(hit.level, "DEBUG");
});

test("who passes a limit is logged once a minute, however often they do", async (t) => {
  const url = await solo(t, JSON_LINES, "limits.message=2/60s", "limits.event=300/10s");
  const ann = newUser("Ann");
  const a = await connect(t, ann, { url });
  const roomId = await newChannel(a);
  for (let i = 0; i < 50; i++) await ask(a, "message.send", { roomId, content: `m${i}` });
  for (let i = 0; i < 400; i++) a.emit("message.history", { roomId });
  const passed = await until("both limits are logged", () => {
    const passed = lines(url, "rate limit passed");
    return passed.some(({ tier }) => tier === "event") && passed;
  });
  assert.deepEqual(passed.map(({ tier, limit, window, level }) => [tier, limit, window, level]), [
    ["message", 2, 60, "INFO"],
    ["event", 300, 10, "INFO"],
  ]);
  assert.ok(passed.every(({ user }) => user.includes(ann.id)), JSON.stringify(passed));
  assert.equal(passed[1].unsaid, 47, "what was left out is counted");
});

test("who passes a limit that counts pairs of users is logged by their own id", async (t) => {
  const url = await solo(t, JSON_LINES);
  const [ann, eve] = [newUser("Ann"), newUser("Eve")];
  const e = await connect(t, eve, { url });
  const claims = [];
  for (let i = 0; i < 11; i++) claims.push(await ask(e, "keys.claim", { userId: ann.id, deviceId: "phone" }));
  assert.deepEqual([claims[9].error, claims[10].error], ["not_found", "RATE_LIMIT_EXCEEDED"]);
  const passed = await until("the limit is logged", () => lines(url, "rate limit passed").find(({ tier }) => tier === "key_claim_of_one"));
  // The log writes names of users as quoted text.
  assert.equal(passed.user.replaceAll('"', ""), eve.id);
});

test("what is refused is logged with its code, and no flood of it fills the log", async (t) => {
  const url = await solo(t, JSON_LINES, "limits.event=off");
  const a = await connect(t, newUser("Ann"), { url });
  const refusals = () => lines(url, "refused");
  await ask(a, "message.send", { roomId: "nowhere", content: "x" });
  await fetch(`${url}/api/me`);
  const said = await until("both are logged", () => refusals().length === 2 && refusals());
  const [event, request] = said;
  assert.deepEqual([event.code, event.level, request.code], ["not_found", "INFO", "unauthorized"]);
  assert.match(event.asked, /message\.send/);
  const before = refusals().length;
  for (let i = 0; i < 1_000; i++) await ask(a, i % 2 ? `no.such.event.${i}\nfalse line` : "message.send", { roomId: "nowhere" });
  const flooded = refusals();
  assert.ok(flooded.length > before && flooded.length <= 100, `${flooded.length} lines`);
  assert.ok(flooded.every(({ code }) => code), "and none of them is made up");
});
