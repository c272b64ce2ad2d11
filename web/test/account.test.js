import assert from "node:assert/strict";
import { test } from "node:test";
import { Account } from "../src/chat/account.js";

/** An account whose server answers with these, one after the other. */
function scene(...answers) {
  const asked = [];
  const clock = { now: 0 };
  const account = new Account(async (path, { body, headers }) => {
    asked.push([path, JSON.parse(body), headers.authorization]);
    const { status = 200, ...answer } = answers.shift() ?? { status: 503 };
    return { ok: status < 300, status, json: async () => answer };
  }, () => clock.now);
  return { account, asked, clock };
}

const token = (name, expires) => ({ token: name, expiresAt: new Date(expires).toISOString(), user: { userId: "ann" } });

test("one signs in with a user name or with an e-mail address", async () => {
  const { account, asked } = scene(token("t1", 900_000), token("t2", 900_000));
  await account.login("ann", "secret");
  await account.login("ann@example.com", "secret");
  assert.deepEqual(asked.map(([, body]) => body), [{ username: "ann", password: "secret" }, { email: "ann@example.com", password: "secret" }]);
});

test("what was left empty is not sent", async () => {
  const { account, asked } = scene(token("t1", 900_000));
  await account.register({ username: "ann", email: "", password: "long enough", displayName: "" });
  assert.deepEqual(asked[0], ["/api/auth/register", { username: "ann", password: "long enough" }, undefined]);
});

test("a token is used until shortly before its end, then renewed, once for all who ask", async () => {
  const { account, asked, clock } = scene(token("t1", 900_000), token("t2", 1_800_000));
  await account.login("ann", "secret");
  assert.equal(await account.token(), "t1");
  clock.now = 880_000;
  assert.deepEqual(await Promise.all([account.token(), account.token()]), ["t2", "t2"]);
  assert.equal(asked.length, 2);
});

test("a refused renewal is final, a server that is away is not", async () => {
  const { account } = scene({ status: 401, message: "Please sign in again" }, { status: 503 }, { status: 429 });
  await assert.rejects(account.refresh(), { final: true, message: "Please sign in again" });
  await assert.rejects(account.refresh(), { final: false });
  await assert.rejects(account.refresh(), { final: false });
});

test("signing out forgets the token, whatever the server says", async () => {
  const { account, asked } = scene(token("t1", 900_000), { status: 503 });
  await account.login("ann", "secret");
  await account.logout();
  assert.deepEqual(asked[1].slice(0, 1).concat(asked[1][2]), ["/api/auth/logout", "Bearer t1"]);
  assert.equal(account.user, null);
});
