import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Typing } from "../src/chat/typing.js";

function scene(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const told = [];
  return { told, typing: new Typing((event) => told.push(event), () => {}) };
}

test("typing is told at its beginning, again while it goes on, and ends five seconds after the last key", (t) => {
  const { told, typing } = scene(t);
  for (let ms = 0; ms <= 8_000; ms += 1_000) {
    typing.press(1_000_000 + ms);
    mock.timers.tick(1_000);
  }
  assert.deepEqual(told, ["typing.start", "typing.start"]);
  mock.timers.tick(3_900);
  assert.equal(told.length, 2);
  mock.timers.tick(200);
  assert.deepEqual(told.at(-1), "typing.stop");
  typing.stop();
  assert.equal(told.length, 3);
});

test("sending ends typing at once", (t) => {
  const { told, typing } = scene(t);
  typing.press(1_000_000);
  typing.stop();
  mock.timers.tick(10_000);
  assert.deepEqual(told, ["typing.start", "typing.stop"]);
});

test("others type until they stop, send, or are silent for too long", (t) => {
  const { typing } = scene(t);
  typing.heard({ userId: "ann", userName: "Ann", isTyping: true });
  typing.heard({ userId: "ben", userName: "Ben", isTyping: true });
  assert.deepEqual(typing.names, ["Ann", "Ben"]);
  typing.heard({ userId: "ann", userName: "Ann", isTyping: false });
  assert.deepEqual(typing.names, ["Ben"]);
  mock.timers.tick(6_000);
  assert.deepEqual(typing.names, []);
});
