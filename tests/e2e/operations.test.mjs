// What operators ask: health, metrics, tokens, settings.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Agent, get } from "node:http";
import { test } from "node:test";
import { promisify } from "node:util";
import { ask, connect, done, newChannel, newUser, send } from "../lib/clients.mjs";
import { metrics } from "../lib/metrics.mjs";
import { NGINX, PARLOR, bareEnvironment, gatewayUrl, persisterUrl, workerUrl } from "../lib/place.mjs";
import { gentoken, solo } from "../lib/process.mjs";
import { Listener, comeBack, goAway, settled } from "../lib/returning.mjs";
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

test("cache hits, database time, errors and reconnections are counted, and each number says what it is", async (t) => {
  const url = await solo(t);
  const user = newUser("Ann");
  const socket = await connect(t, user, { url });
  const listener = new Listener(socket);
  const roomId = await newChannel(socket);
  for (let i = 0; i < 5; i++) await send(socket, roomId, `m${i}`);
  const before = await metrics(url);
  await until("a page comes from the cache", async () => {
    await done(socket, "message.history", { roomId, limit: 3 });
    return (await metrics(url))("parlor_recent_cache_total", 'outcome="hit"') > before("parlor_recent_cache_total", 'outcome="hit"');
  });
  await ask(socket, "message.send", { roomId: "nowhere", content: "x" });
  await done(socket, "room.list", {});
  await settled(listener);
  await goAway(socket);
  assert.equal(await comeBack(socket), true);
  const after = await metrics(url);
  for (const [name, label] of [
    ["parlor_recent_cache_total", 'outcome="hit"'],
    ["parlor_errors_total", 'code="not_found"'],
    ["parlor_resumes_total", 'outcome="recovered"'],
    ["parlor_store_call_seconds_count", 'call="list_rooms"'],
    ["parlor_store_call_seconds_sum", ""],
  ]) {
    assert.ok(after(name, label) > (before(name, label) ?? 0), `${name} ${label}: ${before(name, label)}, ${after(name, label)}`);
  }
  assert.notEqual(after("parlor_recent_cache_total", 'outcome="miss"'), undefined, "what a rate is taken of");
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const name of ["parlor_recent_cache_total", "parlor_store_call_seconds", "parlor_errors_total", "parlor_resumes_total", "parlor_events_in_total"]) {
    assert.match(text, new RegExp(`^# HELP ${name} .{20,}`, "m"), name);
  }
});

test("requests share a connection that is kept", async (t) => {
  for (const url of [await solo(t), NGINX]) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const ports = new Set();
    for (let n = 0; n < 5; n++) {
      const { status, port, reused } = await new Promise((resolve, reject) => {
        const request = get(`${url}/api/me`, { agent }, (response) => {
          response.resume();
          const said = { status: response.statusCode, port: request.socket.localPort, reused: request.reusedSocket };
          response.on("end", () => resolve(said));
        });
        request.on("error", reject);
      });
      assert.equal(status, 401, "a refusal is an answer like any other");
      assert.equal(reused, n > 0, `${url}, request ${n + 1}`);
      ports.add(port);
      // The agent takes the connection back a moment after the answer.
      await until("the connection is free", () => Object.keys(agent.freeSockets).length > 0, { every: 5 });
    }
    assert.equal(ports.size, 1, `${url} was asked over one connection`);
  }
});
