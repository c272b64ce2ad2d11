import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomList, preview, title } from "../src/chat/rooms.js";

const message = (roomId, seq, more = {}) => ({ roomId, seq, messageId: `m${seq}`, content: `line ${seq}`, type: "text", senderId: "ben", senderName: "Ben", timestamp: new Date(seq * 1000).toISOString(), ...more });
const group = (roomId, more = {}) => ({ roomId, type: "group", name: roomId, unreadCount: 0, createdAt: new Date(0).toISOString(), lastMessage: null, ...more });

test("the room with the latest message stands first", () => {
  const list = new RoomList();
  list.reset([group("a", { lastMessage: message("a", 1) }), group("b", { lastMessage: message("b", 2) })]);
  assert.deepEqual(list.sorted.map(({ roomId }) => roomId), ["b", "a"]);
  list.received(message("a", 3), { mine: false, seen: false });
  assert.deepEqual(list.sorted.map(({ roomId }) => roomId), ["a", "b"]);
});

test("a message is unread unless one's own eyes or hands were on it, and is counted once", () => {
  const list = new RoomList();
  list.reset([group("a")]);
  list.received(message("a", 1), { mine: false, seen: false });
  list.received(message("a", 1), { mine: false, seen: false });
  assert.equal(list.get("a").unreadCount, 1);
  list.received(message("a", 2), { mine: false, seen: true });
  assert.equal(list.get("a").unreadCount, 0);
  list.unread("a", 7);
  assert.equal(list.unreadInAll, 7);
  list.received(message("a", 3), { mine: true, seen: false });
  assert.equal(list.unreadInAll, 0);
});

test("a muted room shows its count and does not call", () => {
  const list = new RoomList();
  list.reset([group("a", { unreadCount: 3, muted: true }), group("b", { unreadCount: 2 })]);
  assert.equal(list.unreadInAll, 2);
});

test("after a break rooms that one has left are gone, channels stay", () => {
  const list = new RoomList();
  list.reset([group("a"), group("b")]);
  list.put({ roomId: "lobby", type: "channel", name: "lobby" });
  list.reset([group("b", { unreadCount: 4 })]);
  assert.equal(list.has("a"), false);
  assert.deepEqual(list.channels, ["lobby"]);
  assert.equal(list.get("b").unreadCount, 4);
});

test("what an event leaves out stays as it was", () => {
  const list = new RoomList();
  list.reset([group("a", { role: "admin", description: "words" })]);
  list.put({ roomId: "a", name: "renamed", role: undefined });
  assert.deepEqual([list.get("a").name, list.get("a").role, list.get("a").description], ["renamed", "admin", "words"]);
});

test("an edit or a deletion shows in the list where it is the last message", () => {
  const list = new RoomList();
  list.reset([group("a", { lastMessage: message("a", 5) })]);
  list.edited({ roomId: "a", messageId: "m5", content: "better" });
  assert.equal(list.get("a").lastMessage.content, "better");
  list.edited({ roomId: "a", messageId: "m4", content: "older" });
  assert.equal(list.get("a").lastMessage.content, "better");
  list.deleted({ roomId: "a", messageId: "m5" });
  assert.equal(preview(list.get("a"), new Set()), "Message deleted");
});

test("a direct room is called by its other user, and is found by them", () => {
  const list = new RoomList();
  list.reset([{ roomId: "direct_ann_ben", type: "direct", name: null, partner: { userId: "ben", userName: "Ben" }, unreadCount: 0 }]);
  assert.equal(title(list.get("direct_ann_ben")), "Ben");
  assert.equal(list.directWith("ben").roomId, "direct_ann_ben");
  assert.equal(list.directWith("cem"), undefined);
});

test("the last message is told in a line, with its sender where several could be", () => {
  const own = new Set(["ann"]);
  const room = (lastMessage, type = "group") => ({ type, lastMessage });
  assert.equal(preview(room(message("a", 1, { content: "two\n lines" })), own), "Ben: two lines");
  assert.equal(preview(room(message("a", 1), "direct"), own), "line 1");
  assert.equal(preview(room(message("a", 1, { senderId: "ann" })), own), "You: line 1");
  assert.equal(preview(room(message("a", 1, { type: "system", content: "Ann added Ben" })), own), "Ann added Ben");
  assert.equal(preview(room(message("a", 1, { type: "image", content: "cat.png", metadata: { fileName: "cat.png" } })), own), "Ben: Photo");
  assert.equal(preview(room(null), own), "");
});
