// One user's rooms, against a server that answers as the dotted vocabulary says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused } from "../src/chat/refused.js";
import { Session } from "../src/chat/session.js";

const settle = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));
const time = (seq) => new Date(1_700_000_000_000 + seq * 1000).toISOString();
const message = (roomId, seq, more = {}) => ({ messageId: `m${seq}`, roomId, seq, senderId: "ben", senderName: "Ben", content: `line ${seq}`, type: "text", timestamp: time(seq), ...more });
const group = { roomId: "group_1", type: "group", name: "Trip", role: "member", memberCount: 2, unreadCount: 1, isPrivate: true, lastMessage: null };

/** Ann's session. `answers[event](payload)` is the server; `hear(event, payload)` is what it says on its own. */
function scene(answers = {}) {
  const heard = new Map();
  const asked = [];
  const told = [];
  let on;
  const socket = { connected: true, id: "socket-1" };
  const served = {
    "message.history": () => ({ messages: [], nextCursor: null, hasMore: false }),
    "room.join": ({ roomId }) => ({ room: { roomId, type: "channel", name: roomId, createdBy: "ben" }, userCount: 1, users: [] }),
    ...answers,
  };
  const ask = async (event, payload) => {
    asked.push([event, payload]);
    if (!served[event]) throw new Refused({ error: "unknown_event" });
    return served[event](payload);
  };
  const connection = { socket, connected: true, ask, post: ask, tell() {}, close() {}, hear: (event, handle) => heard.set(event, handle) };
  const kept = [];
  const changes = new Set(["state", "entered", "over", "list", "people", "room"]);
  const silent = Object.fromEntries([...changes].map((name) => [name, () => {}]));
  const session = new Session({}, { get: () => ["lobby"], set: (ids) => kept.splice(0, kept.length, ...ids) }, { ...silent, gone: (words) => told.push(words ?? "gone") }, (_, given) => {
    on = given;
    return connection;
  });
  const enter = async (rooms = [group], anew = true) => {
    on.entered({ userId: "ann", userName: "Ann", rooms }, anew);
    await settle();
  };
  const hear = (event, payload) => heard.get(event)(payload);
  const lost = (id) => {
    on.lost();
    socket.id = id;
  };
  return { session, asked, told, kept, enter, hear, lost, answers: served, of: (event) => asked.filter(([name]) => name === event).map(([, payload]) => payload) };
}

test("a user's rooms are there with their counts, and the channels of before are entered again", async () => {
  const { session, enter, of } = scene();
  await enter();
  assert.deepEqual(session.list.sorted.map(({ roomId }) => roomId).sort(), ["group_1", "lobby"]);
  assert.equal(session.list.unreadInAll, 1);
  assert.deepEqual(of("room.join"), [{ roomId: "lobby" }]);
});

test("a room that one is a member of is read without joining it", async () => {
  const { session, enter, of } = scene({ "message.history": () => ({ messages: [message("group_1", 2), message("group_1", 1)], nextCursor: null, hasMore: false }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  assert.equal(room.state, "ready");
  assert.deepEqual(room.timeline.messages.map(({ seq }) => seq), [1, 2]);
  assert.deepEqual(of("room.join"), [{ roomId: "lobby" }]);
});

test("a message elsewhere is counted, one before the user's eyes is not", async () => {
  const { session, enter, hear } = scene();
  await enter();
  session.open("group_1");
  await settle();
  session.watching = () => true;
  hear("message.received", message("group_1", 5));
  hear("message.received", message("lobby", 6));
  assert.equal(session.list.get("group_1").unreadCount, 0);
  assert.equal(session.list.get("lobby").unreadCount, 1);
  hear("room.unread", { roomId: "lobby", unreadCount: 0, readSeq: 6 });
  assert.equal(session.list.get("lobby").unreadCount, 0);
});

test("a direct room that somebody began is called by their name", async () => {
  const { session, enter, hear } = scene();
  await enter();
  const partner = { userId: "cem", userName: "Cem" };
  hear("room.created", { roomId: "direct_ann_cem", type: "direct", name: null, partner, createdBy: "cem", createdAt: time(1), memberCount: 2 });
  assert.equal(session.list.directWith("cem").partner.userName, "Cem");
});

test("a second talk with the same person is the same room", async () => {
  const { session, enter, of } = scene({
    "room.create": ({ memberIds }) => ({ room: { roomId: `direct_ann_${memberIds[0]}`, type: "direct", name: null, createdBy: "ann", members: [{ userId: "ann" }, { userId: "ben", userName: "Ben" }] } }),
  });
  await enter();
  assert.equal(await session.direct("ben"), "direct_ann_ben");
  assert.equal(await session.direct("ben"), "direct_ann_ben");
  assert.equal(of("room.create").length, 1);
});

test("who is removed from the open room is told, and the room is gone", async () => {
  const { session, enter, hear, told } = scene();
  await enter();
  session.open("group_1");
  await settle();
  hear("room.left", { roomId: "group_1", userId: "ann" });
  assert.equal(session.list.has("group_1"), false);
  assert.equal(session.current, null);
  assert.equal(told.length, 1);
});

test("who is banned is told so, and out of the room; another one's ban is not theirs", async () => {
  const { session, enter, hear, told } = scene();
  await enter();
  session.open("lobby");
  await settle();
  hear("room.banned", { roomId: "lobby", userId: "ben" });
  hear("room.banned", { roomId: "lobby", userId: "ann", until: time(1) });
  assert.equal(session.list.has("lobby"), true);
  hear("room.banned", { roomId: "lobby", userId: "ann" });
  assert.equal(session.list.has("lobby"), false);
  assert.deepEqual(told, ["You are banned from that room"]);
});

test("another one's leaving is only that", async () => {
  const { session, enter, hear } = scene();
  await enter();
  session.open("group_1");
  await settle();
  hear("room.left", { roomId: "group_1", userId: "ben", userName: "Ben" });
  assert.equal(session.list.get("group_1").memberCount, 1);
  assert.equal(session.current.roomId, "group_1");
});

test("settings and roles change while one looks on", async () => {
  const { session, enter, hear } = scene();
  await enter();
  const room = session.open("group_1");
  await settle();
  assert.equal(room.may.settings, false);
  hear("room.members.role", { roomId: "group_1", userId: "ann", role: "admin" });
  assert.equal(room.may.settings, true);
  hear("room.updated", { roomId: "group_1", type: "group", name: "Long trip", memberCount: 2 });
  assert.equal(room.summary.name, "Long trip");
  hear("room.deleted", { roomId: "group_1" });
  assert.equal(session.list.has("group_1"), false);
});

test("receipts, reactions, pins, edits and deletions change the message they are about", async () => {
  const { session, enter, hear } = scene({ "message.history": () => ({ messages: [message("group_1", 1, { senderId: "ann" })], nextCursor: null, hasMore: false }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  const [shown] = room.timeline.messages;
  const about = { roomId: "group_1", messageId: "m1", userId: "ben" };
  hear("message.delivered", { ...about, messageIds: ["m1"], seq: 1 });
  assert.equal(room.marks.of(shown).status, "delivered");
  hear("message.read", { ...about, messageIds: ["m1"], seq: 1 });
  assert.equal(room.marks.of(shown).status, "read");
  hear("message.reaction", { ...about, emoji: "👍", action: "add", seq: 2 });
  assert.deepEqual(shown.reactions, [{ emoji: "👍", userIds: ["ben"], count: 1 }]);
  hear("message.reaction", { ...about, emoji: "👍", action: "remove", seq: 3 });
  assert.deepEqual(shown.reactions, []);
  hear("message.pinned", { ...about, seq: 4 });
  assert.deepEqual([shown.pinned, room.pins.map(({ messageId }) => messageId)], [true, ["m1"]]);
  hear("message.edited", { ...about, content: "better", editedAt: time(5), seq: 5 });
  assert.deepEqual([shown.content, room.pins[0].content], ["better", "better"]);
  hear("message.deleted", { ...about, seq: 6 });
  assert.deepEqual([shown.deleted, shown.content, room.pins], [true, "", []]);
});

test("one's own receipts from another device are no marks", async () => {
  const { session, enter, hear } = scene({ "message.history": () => ({ messages: [message("group_1", 1, { senderId: "ann" })], nextCursor: null, hasMore: false }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  hear("message.read", { roomId: "group_1", userId: "ann", messageIds: ["m1"], seq: 1 });
  assert.equal(room.marks.of(room.timeline.messages[0]).status, "sent");
});

test("a new start is caught up by the events that were missed, the other rooms when they are opened", async () => {
  const { session, enter, lost, answers, of } = scene({ "message.history": ({ roomId }) => ({ messages: [message(roomId, 1)], nextCursor: null, hasMore: false }) });
  await enter();
  const lobby = session.open("lobby");
  await settle();
  const trip = session.open("group_1");
  await settle();
  answers["message.sync"] = ({ after }) => ({
    events: after === "1" ? [{ name: "message.edited", data: { roomId: "group_1", messageId: "m1", content: "edited meanwhile", seq: 2 } }, { name: "message.received", data: message("group_1", 3) }] : [],
    nextCursor: "3",
    hasMore: false,
  });
  lost("socket-2");
  await enter([group]);
  assert.deepEqual(trip.timeline.messages.map(({ content }) => content), ["edited meanwhile", "line 3"]);
  assert.deepEqual(of("message.sync").map(({ roomId, after }) => [roomId, after]), [["group_1", "1"]]);
  assert.equal(lobby.stale, true);
});

test("what was written without a connection is sent when the room is entered again, once", async () => {
  const { session, enter, lost, of } = scene({ "message.send": ({ tempId }) => ({ tempId, messageId: "m9", seq: 9, timestamp: time(9), status: "sent" }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  lost("socket-2");
  await room.send("into the dark");
  await settle();
  assert.equal(of("message.send").length, 0);
  assert.equal(room.waiting, true);
  session.open("lobby");
  await enter([group]);
  await settle();
  assert.equal(of("message.send").length, 1);
  assert.equal(room.waiting, false);
});

test("a reply, mentions and a file are sent as the vocabulary says", async () => {
  const { session, enter, of } = scene({ "message.send": ({ tempId }) => ({ tempId, messageId: "m9", seq: 9, timestamp: time(9), status: "sent" }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  room.replyTo = { messageId: "m1", senderId: "ben", content: "line 1" };
  await room.send("cat.png", { type: "image", metadata: { fileId: "f1" }, mentions: ["ben"] });
  await settle();
  const [{ tempId, ...sent }] = of("message.send");
  assert.match(tempId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(sent, { roomId: "group_1", content: "cat.png", type: "image", metadata: { fileId: "f1" }, mentions: ["ben"], replyToId: "m1" });
  assert.equal(room.replyTo, null);
});

test("a server that lacks pins, topics, members and receipts still has a room with messages", async () => {
  const { session, enter } = scene({ "message.history": () => ({ messages: [message("group_1", 1, { senderId: "ann" })], nextCursor: null, hasMore: false }) });
  await enter();
  const room = session.open("group_1");
  await settle();
  assert.deepEqual([room.state, room.pins, room.topics, room.people.size], ["ready", [], [], 0]);
});

test("rooms beyond what is kept in memory are put away, but not with unsent words", async () => {
  const { session, enter, hear } = scene();
  await enter();
  const first = session.open("room 0");
  await settle();
  first.outbox.ready = false;
  await first.send("unsent");
  for (let i = 1; i < 40; i++) session.open(`room ${i}`);
  await settle(20);
  assert.equal(session.open("room 0"), first);
  hear("message.received", message("room 5", 50));
  assert.equal(session.open("room 39").roomId, "room 39");
});
