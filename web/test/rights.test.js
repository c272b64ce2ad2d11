import assert from "node:assert/strict";
import { test } from "node:test";
import { mayRemove, rights } from "../src/chat/rights.js";

const may = (type, role, made) => Object.entries(rights({ type, role }, made)).filter(([, yes]) => yes).map(([what]) => what);

test("each role is offered what it may do, and nothing else", () => {
  assert.deepEqual(may("group", "member"), ["leave"]);
  assert.deepEqual(may("group", "moderator"), ["addMembers", "removeMembers", "deleteOthers", "pin", "leave"]);
  assert.deepEqual(may("group", "admin"), ["addMembers", "removeMembers", "setRoles", "settings", "deleteRoom", "deleteOthers", "pin", "leave"]);
  assert.deepEqual(may("direct", "member"), ["pin"]);
  assert.deepEqual(may("direct", "admin"), ["pin"]);
});

test("a channel is its maker's to lead", () => {
  assert.deepEqual(may("channel", undefined, true), ["settings", "deleteRoom", "deleteOthers", "pin", "leave"]);
  assert.deepEqual(may("channel", undefined, false), ["leave"]);
});

test("nobody removes somebody above them", () => {
  assert.equal(mayRemove("moderator", "member"), true);
  assert.equal(mayRemove("moderator", "moderator"), false);
  assert.equal(mayRemove("admin", "moderator"), true);
  assert.equal(mayRemove("member", "member"), false);
});
