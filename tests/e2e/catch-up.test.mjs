// Catching up since a place: every event of the room in order, and what was just acked is in it. And the recent cache:
// a newest page that needs no database.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, gatewayOf, newGroup, newUser, send } from "../lib/clients.mjs";
import { metrics } from "../lib/metrics.mjs";
import { gatewayUrl } from "../lib/place.mjs";
import { heard, until } from "../lib/wait.mjs";

async function pair(t) {
  const [ann, ben] = [{ user: newUser("Ann") }, { user: newUser("Ben") }];
  ann.socket = await connect(t, ann.user);
  ben.socket = await connect(t, ben.user);
  return { ann: ann.socket, ben: ben.socket, roomId: await newGroup(ann, [ben]), ids: [ann.user.id, ben.user.id] };
}

/** All events since a place, page by page. */
async function since(socket, roomId, after, limit = 100) {
  const events = [];
  for (;;) {
    const page = await done(socket, "message.sync", { roomId, after, limit });
    assert.ok(page.events.length <= limit);
    events.push(...page.events);
    after = page.nextCursor;
    if (!page.hasMore) return { events, after };
  }
}

test("catching up gives messages, edits, deletions, reactions and pins since a place, in the words of the live wire", async (t) => {
  const { ann, ben, roomId } = await pair(t);
  const { after } = await since(ann, roomId, "0");
  const live = [];
  const names = ["message.received", "message.edited", "message.deleted", "message.reaction", "message.pinned"];
  // That the group was made is said in it too, and may be heard only now.
  for (const name of names) ben.on(name, (data) => data.roomId === roomId && data.type !== "system" && live.push({ name, data }));
  const first = await send(ann, roomId, "first");
  const second = await send(ben, roomId, "second");
  await done(ben, "message.react", { messageId: first.messageId, emoji: "👍" });
  await done(ann, "message.edit", { messageId: first.messageId, content: "first, edited" });
  await done(ann, "message.pin", { messageId: first.messageId });
  await done(ben, "message.delete", { messageId: second.messageId });
  const told = ["message.received", "message.received", "message.reaction", "message.edited", "message.pinned", "message.deleted"];
  await until("Ben has heard all", () => live.length === told.length);
  for (const limit of [100, 1]) {
    const caught = (await since(ann, roomId, after, limit)).events.filter(({ name }) => names.includes(name));
    // From the store a message comes as it is now, and a deleted one not at all; the changes are told in any case.
    const seqs = caught.map(({ data }) => data.seq);
    assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b));
    for (const [name, data] of live.filter(({ name }) => name !== "message.received").map(({ name, data }) => [name, data])) {
      assert.ok(caught.some((event) => event.name === name && event.data.seq === data.seq), `${name} of ${data.seq}`);
    }
    assert.ok(caught.some(({ data }) => data.messageId === first.messageId && data.content?.startsWith("first")));
  }
  const place = live[2].data.seq;
  const rest = (await since(ann, roomId, String(place))).events;
  assert.ok(rest.every(({ data }) => data.seq > place));
  assert.deepEqual((await since(ann, roomId, first.messageId)).events[0].data.seq > 0, true);
});

test("what was just acked is in the catch-up that follows", async (t) => {
  const { ann, roomId } = await pair(t);
  let { after } = await since(ann, roomId, "0");
  for (let i = 0; i < 20; i++) {
    const { messageId } = await send(ann, roomId, `m${i}`);
    const caught = await since(ann, roomId, after);
    assert.deepEqual(caught.events.map(({ data }) => data.messageId), [messageId], `m${i}`);
    after = caught.after;
  }
  assert.deepEqual((await since(ann, roomId, after)).events, []);
});

test("a time serves as a place, and an ex-member catches up to the leaving", async (t) => {
  const { ann, ben, roomId } = await pair(t);
  await send(ann, roomId, "before");
  const { timestamp } = await send(ann, roomId, "then");
  const caught = await until("the store knows the time", async () => {
    const { events } = await since(ben, roomId, timestamp);
    return events.length === 1 && events;
  });
  assert.equal(caught[0].data.content, "then");
  await done(ben, "room.leave", { roomId });
  await send(ann, roomId, "after");
  const contents = await until("the leaving is known", async () => {
    const { events } = await since(ben, roomId, timestamp);
    return events.map(({ data }) => data.content).filter(Boolean);
  });
  assert.deepEqual(contents.filter((content) => content === "after"), []);
});

const hitsOf = async (url) => (await metrics(url))("parlor_recent_cache_total", 'outcome="hit"');

test("the newest page comes from the cache, with edits, deletions and reactions laid over", async (t) => {
  const ann = { user: newUser("Ann") };
  ann.socket = await connect(t, ann.user);
  const gateway = gatewayUrl(gatewayOf(ann.socket));
  const roomId = await newGroup(ann, []);
  const sent = [];
  for (let i = 0; i < 60; i++) sent.push(await send(ann.socket, roomId, `m${i}`));
  const done1 = heard(ann.socket, "message.deleted");
  await done(ann.socket, "message.edit", { messageId: sent[59].messageId, content: "edited" });
  await done(ann.socket, "message.react", { messageId: sent[58].messageId, emoji: "x" });
  await done(ann.socket, "message.delete", { messageId: sent[57].messageId });
  await done1;
  const read = () => done(ann.socket, "message.history", { roomId, limit: 50 });
  const hits = await hitsOf(gateway);
  const page = await until("a hit", async () => {
    const page = await read();
    return (await hitsOf(gateway)) > hits && page;
  });
  const wanted = ["edited", "m58", ...Array.from({ length: 48 }, (_, i) => `m${56 - i}`)];
  assert.deepEqual(page.messages.map((m) => m.content), wanted);
  assert.equal(page.hasMore, true);
  assert.ok(page.messages[0].editedAt);
  assert.deepEqual(page.messages[1].reactions, [{ emoji: "x", count: 1, userIds: [ann.user.id] }]);
  // More than the cache holds is read from the store, and nothing is hidden.
  const all = await done(ann.socket, "message.history", { roomId, limit: 100 });
  assert.deepEqual([all.messages.filter((m) => m.type !== "system").length, all.hasMore], [59, false]);
});
