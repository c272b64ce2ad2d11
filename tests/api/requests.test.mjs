// Requests that nobody would make: schemathesis makes them from the OpenAPI document, good ones and bad ones, and looks at
// the answers. None may be a fault of the server's, and each must be one that the document tells of.
import { execFile } from "node:child_process";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { newGroup, newUser, connect, tokenOf } from "../lib/clients.mjs";
import { NGINX, ROOT } from "../lib/place.mjs";

const exec = promisify(execFile);
const CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"];
/** What ends the very session, or the account, that the other requests need. Nobody's are refused, which is tried. */
const ENDS = ["/api/auth/logout", "/api/auth/logout-all"];

/** Runs for about `seconds`; `token` is whose, if anybody's. */
async function run(t, seconds, token, ...filters) {
  const place = await mkdtemp(join(tmpdir(), "parlor-requests-"));
  t.after(() => rm(place, { recursive: true, force: true }));
  const args = ["run", `${ROOT}/docs/api/openapi.json`, "--url", NGINX];
  args.push("--checks", CHECKS.join(","), "--phases", "examples,coverage,fuzzing,stateful");
  args.push("--max-examples", "12", "--max-time", String(seconds), "--seed", "1", "--no-shrink", "--workers", "1");
  args.push("--request-timeout", "20", "--warnings", "off", "--suppress-health-check", "all", ...filters);
  if (token) args.push("-H", `Authorization: Bearer ${token}`);
  // Where it keeps what it has found before.
  const options = { cwd: place, maxBuffer: 64 * 1024 * 1024, timeout: (seconds + 120) * 1000 };
  const { stdout, failed } = await exec(`${ROOT}/.tools/api/bin/schemathesis`, args, options).catch((error) => ({
    stdout: `${error.stdout}${error.stderr}`,
    failed: true,
  }));
  if (failed) {
    // Bodies that it makes are long, and what is wrong stands before them.
    const lines = stdout.slice(stdout.indexOf("= FAILURES =")).split("\n").map((line) => line.slice(0, 300));
    assert.fail(lines.slice(0, 200).join("\n"));
  }
  assert.match(stdout, /Test cases:|generated/, stdout.slice(-2_000));
}

test("whatever a user asks is answered as the document says, and never with a fault of the server's", async (t) => {
  const user = newUser("Ann");
  const socket = await connect(t, user);
  const person = { user, socket };
  const ben = newUser("Ben");
  await newGroup(person, [{ user: ben, socket: await connect(t, ben) }], "Fuzzed");
  const ends = ENDS.flatMap((path) => ["--exclude-path", path]);
  const erases = ["--exclude-operation-id", "delete_api_me"];
  await run(t, 60, await tokenOf(user), ...ends, ...erases, "--exclude-tag", "server");
});

test("whatever a server key asks is answered as the document says, and never with a fault of the server's", async (t) => {
  const key = process.env.E2E_SERVER_KEY;
  assert.ok(key, "tests/run gives the gateways a server key");
  await run(t, 40, key, "--include-tag", "server");
});

test("whatever somebody asks without a token is answered as the document says, and never with a fault of the server's", async (t) => {
  await run(t, 30, undefined);
});

test("a body far over the limit is read and refused, never cut off half-way", async () => {
  for (let i = 0; i < 5; i++) {
    const body = JSON.stringify({ name: "x".repeat(1_000_000) });
    const answer = await fetch(`${NGINX}/api/rooms`, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(answer.status, 413);
    assert.equal((await answer.json()).error, "too_large");
  }
});
