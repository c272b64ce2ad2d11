// The document's load test, run shortened: same script, same engine, fewer seconds.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { done, client } from "../lib/clients.mjs";
import { NGINX, ROOT, bareEnvironment } from "../lib/place.mjs";

test("the document's Artillery script passes without errors in a short run", async (t) => {
  const artillery = `${ROOT}/loadtest/node_modules/.bin/artillery`;
  await access(artillery).catch(() => assert.fail(`${artillery} is missing: npm ci in loadtest/`));
  const folder = await mkdtemp(join(tmpdir(), "artillery-"));
  t.after(() => rm(folder, { recursive: true }));
  const report = join(folder, "report.json");
  const overrides = JSON.stringify({ config: { phases: [{ duration: 5, arrivalRate: 10, name: "Short" }] } });

  // Somebody in the script's room, who sees what its users send.
  const witness = client(t, NGINX, { name: "Witness", vocabulary: "snake" });
  const texts = [];
  witness.on("message", ({ content }) => texts.push(content));
  witness.connect();
  await done(witness, "join_room", { roomId: "test-room" });

  const args = ["run", "--target", NGINX, "--overrides", overrides, "--output", report, "artillery.yml"];
  const env = bareEnvironment({ ARTILLERY_DISABLE_TELEMETRY: "true" });
  await promisify(execFile)(artillery, args, { cwd: `${ROOT}/loadtest`, env, timeout: 60_000 });
  const { aggregate } = JSON.parse(await readFile(report, "utf8"));
  const { counters } = aggregate;
  const errors = Object.entries(counters).filter(([name]) => name.startsWith("errors."));
  assert.deepEqual(errors, []);
  assert.equal(counters["vusers.failed"] ?? 0, 0);
  assert.equal(counters["vusers.created"], 50);
  assert.equal(counters["vusers.completed"], 50);
  assert.equal(texts.filter((text) => text.startsWith("Hello from ")).length, 50, "every user's message arrived");
});
