// Who may do what: every command, for everybody, with the answer written out.
//
// A row is a command; its columns are those of PEOPLE. `ok`: it is done. Otherwise the error's code.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, client, connect, done, newUser, randomUUID, send } from "../lib/clients.mjs";
import { heard, until } from "../lib/wait.mjs";

const PEOPLE = ["admin", "moderator", "member", "left", "stranger", "guest", "banned"];
const [ok, no, nil, out] = ["ok", "forbidden", "not_found", "banned"];

/* eslint-disable max-len */
// A private group: to those who are not in it, it is not there. Who has left or was banned reads up to that; who is banned
// hears so of all that they may not do.
//                                                admin mod  memb left stra gues bann
const GROUP = [
  ["room.join",           {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["room.get",            {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["room.members.list",   {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["presence.room",       {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["room.bans",           {},                     [ok,  ok,  no,  nil, nil, nil, out]],
  ["room.mute",           {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["room.unmute",         {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["message.send",        { content: "hi" },      [ok,  ok,  ok,  nil, nil, nil, out]],
  ["message.history",     {},                     [ok,  ok,  ok,  ok,  nil, nil, ok ]],
  ["message.edit",        theirs("admin", { content: "new" }), [ok, no, no, nil, nil, nil, out]],
  ["message.delete",      theirs("plain"),        [ok,  ok,  no,  nil, nil, nil, out]],
  ["typing.start",        {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["typing.stop",         {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["room.members.add",    fresh("memberIds"),     [ok,  ok,  no,  nil, nil, nil, out]],
  ["room.members.remove", joined("memberIds"),    [ok,  ok,  no,  nil, nil, nil, out]],
  ["room.members.role",   joined("userId", { role: "moderator" }), [ok, no, no, nil, nil, nil, out]],
  ["room.ban",            joined("userId"),       [ok,  ok,  no,  nil, nil, nil, out]],
  ["room.unban",          fresh("userId"),        [ok,  ok,  no,  nil, nil, nil, out]],
  ["room.update",         { name: "Renamed" },    [ok,  no,  no,  nil, nil, nil, out]],
  ["report",              { reason: "rude" },     [ok,  ok,  ok,  ok,  nil, nil, ok ]],
  ["message.react",       theirs("plain", { emoji: "👍" }), [ok, ok, ok, nil, nil, nil, out]],
  ["message.unreact",     theirs("plain", { emoji: "👍" }), [ok, ok, ok, nil, nil, nil, out]],
  ["message.pin",         theirs("plain"),        [ok,  ok,  no,  nil, nil, nil, out]],
  ["message.unpin",       theirs("plain"),        [ok,  ok,  no,  nil, nil, nil, out]],
  ["message.pins",        {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["message.page",        {},                     [ok,  ok,  ok,  ok,  nil, nil, ok ]],
  ["message.sync",        { after: "0" },         [ok,  ok,  ok,  ok,  nil, nil, ok ]],
  ["message.delivered",   listed("plain"),        [ok,  ok,  ok,  nil, nil, nil, out]],
  ["message.read",        listed("plain"),        [ok,  ok,  ok,  nil, nil, nil, out]],
  ["message.receipts",    theirs("plain"),        [ok,  ok,  ok,  nil, nil, nil, out]],
  ["topics.get",          {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["typing.list",         {},                     [ok,  ok,  ok,  nil, nil, nil, out]],
  ["file.upload.start",   { fileName: "a.txt", fileSize: 1, mimeType: "text/plain" }, [ok, ok, ok, nil, nil, nil, out]],
  // These two last: after them those who may have done them are out, or all are.
  ["room.delete",         {},                     [null, no, no, nil, nil, nil, out]],
  ["room.leave",          {},                     [null, ok, ok, nil, nil, nil, out]],
  ["room.delete",         {},                     [ok, null, null, null, null, null, null]],
];

// A channel is public: whoever is in it speaks, guests too; rights are its maker's and their moderators'.
//                                                admin mod  memb left stra gues bann
const CHANNEL = [
  ["room.get",            {},                     [ok,  ok,  ok,  ok,  ok,  ok,  out]],
  ["room.members.list",   {},                     [ok,  ok,  ok,  ok,  ok,  ok,  out]],
  ["presence.room",       {},                     [ok,  ok,  ok,  ok,  ok,  ok,  out]],
  ["room.bans",           {},                     [ok,  ok,  no,  no,  no,  no,  out]],
  ["room.mute",           {},                     [nil, nil, nil, nil, nil, nil, out]],
  ["message.send",        { content: "hi" },      [ok,  ok,  ok,  nil, nil, ok,  out]],
  ["message.history",     {},                     [ok,  ok,  ok,  nil, nil, ok,  out]],
  ["typing.start",        {},                     [ok,  ok,  ok,  nil, nil, ok, out]],
  ["message.edit",        theirs("admin", { content: "new" }), [ok, no, no, no, no, no, out]],
  ["message.delete",      theirs("plain"),        [ok,  ok,  no,  no,  no,  no,  out]],
  ["room.members.add",    fresh("memberIds"),     [no,  no,  no,  no,  no,  no, out]],
  ["room.members.remove", fresh("memberIds"),     [no,  no,  no,  no,  no,  no, out]],
  ["room.members.role",   fresh("userId", { role: "moderator" }), [ok, no, no, no, no, no, out]],
  ["room.ban",            fresh("userId"),        [ok,  ok,  no,  no,  no,  no, out]],
  ["room.unban",          fresh("userId"),        [ok,  ok,  no,  no,  no,  no, out]],
  ["room.update",         { description: "new" }, [ok,  ok,  no,  no,  no,  no, out]],
  ["report",              { reason: "rude" },     [ok,  ok,  ok,  ok,  ok,  ok,  ok ]],
  ["message.pin",         theirs("plain"),        [ok,  ok,  no,  nil, nil, no,  out]],
  ["message.react",       theirs("plain", { emoji: "👍" }), [ok, ok, ok, nil, nil, ok, out]],
  ["room.leave",          {},                     [ok,  ok,  ok,  nil, nil, ok, out]],
  ["room.join",           {},                     [ok,  ok,  ok,  ok,  ok,  ok,  out]],
  ["room.delete",         {},                     [ok,  no,  no,  no,  no,  no, out]],
];

// What is about no room is everybody's.
const ANYWHERE = [
  ["room.create",         { name: "Own", memberIds: [] }],
  ["room.list",           {}],
  ["user.block",          fresh("userId")],
  ["user.unblock",        fresh("userId")],
  ["user.blocks",         {}],
  ["message.search",      { query: "anything" }],
  ["presence.status.update", { status: "away" }],
  ["presence.last.seen",  fresh("userId")],
  // No browser can subscribe: this cluster has no key for it.
  ["push.key",            {},                     PEOPLE.map(() => nil)],
  ["keys.get",            fresh("userIds")],
];
/* eslint-enable max-len */

/** The message of somebody in the scene. */
function theirs(who, more = {}) {
  return async (scene) => ({ messageId: await scene.message(who), ...more });
}
function listed(who) {
  return async (scene) => ({ messageIds: [await scene.message(who)] });
}
/** A user who exists and is in no room; as that field takes it. */
function fresh(field, more = {}) {
  return async (scene) => {
    const user = await scene.newcomer();
    return { [field]: field.endsWith("s") ? [user.id] : user.id, ...more };
  };
}
/** A plain member of the scene's room who was not there a moment ago. */
function joined(field, more = {}) {
  return async (scene) => {
    const user = await scene.newcomer();
    await done(scene.sockets.admin, "room.members.add", { roomId: scene.roomId, memberIds: [user.id] });
    return { [field]: field.endsWith("s") ? [user.id] : user.id, ...more };
  };
}

async function guest(t) {
  const url = (await connect(t, newUser("Probe"))).io.uri;
  const socket = client(t, url, { name: "Guest" });
  const ready = heard(socket, "connection.authenticated");
  socket.connect();
  await ready;
  return socket;
}

async function company(t) {
  const users = {};
  const sockets = {};
  for (const who of [...PEOPLE, "plain"].filter((who) => who !== "guest")) {
    users[who] = newUser(who);
    sockets[who] = await connect(t, users[who]);
  }
  sockets.guest = await guest(t);
  const pool = [];
  const scene = {
    users,
    sockets,
    async message(who) {
      return (await send(sockets[who], scene.roomId, `by ${who}`)).messageId;
    },
    async newcomer() {
      const user = newUser("New");
      const socket = await connect(t, user);
      socket.close();
      pool.push(user);
      return user;
    },
  };
  return scene;
}

async function group(t) {
  const scene = await company(t);
  const { users, sockets } = scene;
  const inside = ["moderator", "member", "left", "banned", "plain"];
  const told = inside.map((who) => heard(sockets[who], "room.created", ({ name }) => name === "Ranks"));
  const memberIds = inside.map((who) => users[who].id);
  const { room } = await done(sockets.admin, "room.create", { name: "Ranks", memberIds, isPrivate: true });
  const { roomId } = room;
  scene.roomId = roomId;
  await Promise.all(told);
  await done(sockets.admin, "room.members.role", { roomId, userId: users.moderator.id, role: "moderator" });
  const gone = [sockets.banned, sockets.left].map((socket) => heard(socket, "room.left", (left) => left.roomId === roomId));
  await done(sockets.admin, "room.ban", { roomId, userId: users.banned.id });
  await done(sockets.left, "room.leave", { roomId });
  await Promise.all(gone);
  return scene;
}

async function channel(t) {
  const scene = await company(t);
  const { users, sockets } = scene;
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  scene.roomId = roomId;
  await done(sockets.admin, "room.create", { type: "channel", name: roomId });
  for (const who of ["admin", "moderator", "member", "left", "guest", "banned", "plain"]) {
    await done(sockets[who], "room.join", { roomId });
  }
  await done(sockets.admin, "room.members.role", { roomId, userId: users.moderator.id, role: "moderator" });
  const told = heard(sockets.banned, "room.banned", ({ userId }) => userId === users.banned.id);
  await done(sockets.admin, "room.ban", { roomId, userId: users.banned.id });
  await done(sockets.left, "room.leave", { roomId });
  await told;
  return scene;
}

async function cell(scene, event, payload, who, expected) {
  const made = typeof payload === "function" ? await payload(scene) : payload;
  const body = scene.roomId ? { roomId: scene.roomId, ...made } : made;
  let answer;
  const answered = async () => {
    answer = await ask(scene.sockets[who], event, body);
    return (answer?.error ?? "ok") === expected;
  };
  // What was just decided reaches every gateway within 5 s; until then a gateway may say that it is behind.
  const come = until(`${who} ${event}`, answered, { within: 5_500, every: 100 });
  await come.catch(() => assert.fail(`${who}: ${event} ${JSON.stringify(body)}: ${expected} expected, got ${JSON.stringify(answer)}`));
}

async function play(scene, rows) {
  const faults = [];
  for (const [event, payload, expected] of rows) {
    // Those with the least rights first: what is done later by others does not help them.
    for (const who of PEOPLE.toReversed()) {
      const wanted = expected[PEOPLE.indexOf(who)];
      if (wanted === null) continue;
      try {
        await cell(scene, event, payload, who, wanted);
      } catch (error) {
        faults.push(error.message);
      }
    }
  }
  assert.deepEqual(faults, []);
}

test("in a private group everybody may do what the table says, and nothing else", async (t) => {
  await play(await group(t), GROUP);
});

test("in a channel everybody may do what the table says, and nothing else", async (t) => {
  await play(await channel(t), CHANNEL);
});

test("what is about no room is everybody's", async (t) => {
  const everybody = PEOPLE.map(() => ok);
  await play(await company(t), ANYWHERE.map(([event, payload, expected = everybody]) => [event, payload, expected]));
});

test("in a direct room both may write, and nobody may change it", async (t) => {
  const scene = await company(t);
  const { users, sockets } = scene;
  const { room } = await done(sockets.admin, "room.create", { type: "direct", memberIds: [users.member.id] });
  scene.roomId = room.roomId;
  //                                              admin = one, member = the other; the rest are strangers
  const rows = [
    ["room.get",            {},                     [ok, nil, ok, nil, nil, nil, nil]],
    ["message.send",        { content: "hi" },      [ok, nil, ok, nil, nil, nil, nil]],
    ["message.history",     {},                     [ok, nil, ok, nil, nil, nil, nil]],
    ["room.mute",           {},                     [ok, nil, ok, nil, nil, nil, nil]],
    ["room.bans",           {},                     [no, nil, no, nil, nil, nil, nil]],
    ["room.update",         { name: "ours" },       [no, nil, no, nil, nil, nil, nil]],
    ["room.members.add",    fresh("memberIds"),     [no, nil, no, nil, nil, nil, nil]],
    ["room.members.role",   fresh("userId", { role: "admin" }), [no, nil, no, nil, nil, nil, nil]],
    ["room.ban",            fresh("userId"),        [no, nil, no, nil, nil, nil, nil]],
    ["room.leave",          {},                     [no, nil, no, nil, nil, nil, nil]],
    ["room.delete",         {},                     [no, nil, no, nil, nil, nil, nil]],
  ];
  await play(scene, rows);
});
