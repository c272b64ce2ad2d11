import assert from "node:assert/strict";
import { test } from "node:test";
import { guest } from "../src/chat/credentials.js";
import { listIn } from "../src/kept.js";
import { ids } from "../src/view/pick.js";
import { People } from "../src/chat/people.js";

test("a guest whose page is loaded again presents what the tab kept, and the client's own id otherwise", async () => {
  let kept;
  const memory = { get: () => kept, set: (value) => (kept = value) };
  const ann = guest("Ann", memory);
  assert.deepEqual(await ann.auth({}), { name: "Ann" });
  ann.entered({ _pid: "lineage.random" });
  assert.equal(kept, "lineage");
  assert.deepEqual(await ann.auth({ _pid: "lineage.random" }), { name: "Ann" });
  assert.deepEqual(await guest("Ann", memory).auth({}), { name: "Ann", pid: "lineage.again" });
});

test("what is kept is a bounded list of texts, whatever stands there", () => {
  const place = new Map();
  const list = listIn({ get: (key) => place.get(key), set: (key, value) => place.set(key, value) }, "channels", 2);
  assert.deepEqual(list.get(), []);
  list.set(["a", "b", "c"]);
  assert.deepEqual(list.get(), ["a", "b"]);
  for (const bad of ["{", "{}", "null", '[1, "a"]']) {
    place.set("channels", bad);
    assert.deepEqual(list.get(), bad.startsWith("[") ? ["a"] : []);
  }
});

test("people are named in a form by a name that was heard or by an id", () => {
  const people = new People();
  people.meet("u1", { userName: "Ann" });
  people.meet("u2", { userName: "Ben" });
  people.meet("u3", { userName: "ben" });
  const session = { people, own: new Set(["u0"]) };
  assert.deepEqual(ids(session, " ann, u2\nguest-7, Ann"), ["u1", "u2", "guest-7"]);
  assert.throws(() => ids(session, "Ben"), /Several people/);
});
