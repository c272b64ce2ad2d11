// What operators ask: health, metrics, tokens, settings.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { connect, newChannel, newUser, send } from "../lib/clients.mjs";
import { metrics } from "../lib/metrics.mjs";
import { NGINX, PARLOR, bareEnvironment, gatewayUrl, persisterUrl, workerUrl } from "../lib/place.mjs";
import { gentoken, solo } from "../lib/process.mjs";
import { until } from "../lib/wait.mjs";

const exec = promisify(execFile);

test("every process tells whether it is alive and ready, with each dependency", async () => {
  for (const url of [gatewayUrl("gateway-1"), workerUrl(1), persisterUrl(1)]) {
    for (const path of ["/health/live", "/health/ready", "/health"]) {
      const answer = await fetch(url + path);
      assert.equal(answer.status, 200, url + path);
    }
    const told = JSON.stringify(await (await fetch(`${url}/health/ready`)).json());
    assert.match(told, /kafka|redis|postgres/i, told);
  }
});

test("/health/chat says what the document's does", async (t) => {
  await connect(t, newUser("Ann"));
  for (const url of [NGINX, await solo(t)]) {
    const answer = await fetch(`${url}/health/chat`);
    assert.equal(answer.status, 200);
    const { status, redis, connections, timestamp } = await answer.json();
    assert.equal(status, "healthy");
    assert.equal(redis, "up");
    assert.ok(Number.isInteger(connections));
    assert.ok(!Number.isNaN(Date.parse(timestamp)));
  }
});

test("metrics count connections, events, latencies and lag", async (t) => {
  const gateway = gatewayUrl("gateway-1");
  const before = await metrics(gateway);
  const sockets = [await connect(t, newUser("Ann"), { url: gateway }), await connect(t, newUser("Ben"), { url: gateway })];
  const roomId = await newChannel(...sockets);
  for (let i = 0; i < 20; i++) await send(sockets[0], roomId, `m${i}`);
  await until("the gateway has counted it", async () => {
    const now = await metrics(gateway);
    const rose = (name, by) => (now(name) ?? 0) - (before(name) ?? 0) >= by;
    return rose("parlor_events_in_total", 22) && rose("parlor_events_out_total", 40)
      && rose("parlor_send_to_ack_seconds_count", 20) && rose("parlor_send_to_device_seconds_count", 20)
      && now("parlor_socketio_connections") >= 2;
  }, { within: 20_000 });
  for (const url of [workerUrl(1), workerUrl(2), persisterUrl(1), persisterUrl(2)]) {
    const now = await metrics(url);
    for (const name of ["parlor_consumer_lag_records", "parlor_consumer_lag_seconds"]) {
      assert.notEqual(now(name), undefined, `${url} tells ${name}`);
    }
  }
});

test("gentoken, checktoken, genconfig, checkconfig and version do what they say", async () => {
  const parlor = (...args) => exec(PARLOR, args, { env: bareEnvironment() });
  const token = await gentoken("u1", "User 1");
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  const { stdout: checked } = await parlor("checktoken", token);
  assert.match(checked, /"sub": "u1"/);
  await assert.rejects(parlor("checktoken", `${token}x`));
  const { stdout: config } = await parlor("genconfig");
  assert.match(config, /^\[limits\]$/m);
  await parlor("checkconfig");
  await assert.rejects(parlor("checkconfig", "--set", "limits.mesage=off"), /message/, "an unknown key names the nearest known one");
  assert.match((await parlor("version")).stdout, /^parlor \d+\.\d+\.\d+/);
});

test("production refuses the development secret", async () => {
  const env = bareEnvironment({ PARLOR_MODE: "production" });
  await assert.rejects(exec(PARLOR, ["gateway", "--listen", "127.0.0.1:1"], { env, timeout: 20_000 }), /secret/);
});
