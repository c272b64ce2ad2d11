// Parlor processes of a test's own: a solo, a gateway with other settings, tokens.
import { execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { environment } from "./cluster.mjs";
import { FREE_PORTS, PARLOR, bareEnvironment } from "./place.mjs";
import { until } from "./wait.mjs";

const exec = promisify(execFile);

/** What `parlor gentoken` prints. */
export async function gentoken(user, name, ...more) {
  const args = ["gentoken", "--user", user, ...(name ? ["--name", name] : []), ...more];
  const { stdout } = await exec(PARLOR, args, { env: bareEnvironment() });
  return stdout.trim();
}

/** A token made by somebody else: any header, any claims, any key. */
export function forge(claims, { header = { alg: "HS256", typ: "JWT" }, secret = "a key that is not Parlor's own key" } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part(header)}.${part(claims)}`;
  const signature = header.alg === "none" ? "" : createHmac("sha256", secret).update(signed).digest("base64url");
  return `${signed}.${signature}`;
}

/**
 * One process with everything in it, on a port of its own and with data that go with it. `settings` are
 * `section.name=value` texts; limits are off unless they say otherwise.
 */
export const solo = (t, ...settings) => soloIn(t, {}, ...settings);

/** The same, with these variables in its environment. */
export async function soloIn(t, variables, ...settings) {
  const data = await mkdtemp(join(tmpdir(), "parlor-solo-"));
  const tiers = ["message", "file", "room_create", "typing", "login", "register"];
  const limits = tiers.map((tier) => `limits.${tier}=off`).concat("limits.spam=0s");
  const own = settings.some((setting) => setting.startsWith("limits.")) ? [] : limits;
  const port = await freePort();
  const args = ["solo", "--listen", `127.0.0.1:${port}`, "--data-dir", data];
  const sets = [...own, ...settings].flatMap((setting) => ["--set", setting]);
  const url = await serve(t, [...args, ...sets], bareEnvironment(variables), port);
  t.after(() => rm(data, { recursive: true, force: true }));
  return url;
}

/** A gateway beside the cluster's own, on the same Kafka, Redis and PostgreSQL. */
export async function extraGateway(t, name, ...settings) {
  const port = await freePort();
  const args = ["gateway", "--name", name, "--listen", `127.0.0.1:${port}`];
  const sets = settings.flatMap((setting) => ["--set", setting]);
  const given = await environment();
  // Set again below where a test wants them.
  for (const key of Object.keys(given)) if (key.startsWith("PARLOR_LIMITS__")) delete given[key];
  return serve(t, [...args, ...sets], bareEnvironment(given), port);
}

/** A delivery-worker beside the cluster's own, in their groups. */
export async function extraWorker(t, name, ...settings) {
  const port = await freePort();
  const args = ["delivery-worker", "--name", name, "--listen", `127.0.0.1:${port}`];
  const sets = settings.flatMap((setting) => ["--set", setting]);
  return serve(t, [...args, ...sets], bareEnvironment(await environment()), port);
}

/** A key as `parlor genvapid` makes it. */
export async function genvapid() {
  const { stdout } = await exec(PARLOR, ["genvapid"], { env: bareEnvironment() });
  return /^PARLOR_PUSH__VAPID_KEY=(\S+)$/m.exec(stdout)[1];
}

const pids = new Map();
/** The process of a test's own that serves there. */
export const pidAt = (url) => pids.get(url);

const logs = new Map();
/** The lines that the process there has logged so far: the newest 256 KiB. With `log.format=json` they are objects. */
export const logOf = (url) => logs.get(url)().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));

async function serve(t, args, env, port) {
  const child = spawn(PARLOR, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => (said = (said + data).slice(-256 * 1024)));
  }
  const ended = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGTERM");
    const slow = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(slow);
  });
  const url = `http://127.0.0.1:${port}`;
  pids.set(url, child.pid);
  logs.set(url, () => said.slice(said.indexOf("\n{") + 1, said.lastIndexOf("\n") + 1));
  const serves = async () => {
    if (child.exitCode !== null) return "ended";
    return (await fetch(`${url}/health/ready`)).ok && "ready";
  };
  const state = await until(`parlor ${args[0]} serves`, serves, { within: 30_000 }).catch((error) => error);
  if (state !== "ready") throw new Error(`parlor ${args.join(" ")} does not serve (${state}):\n${said.slice(-8_000)}`);
  return url;
}

/** A port below those that Linux hands to clients, so that none of ours is in its way. */
export async function freePort() {
  for (let tries = 0; tries < 200; tries++) {
    const port = FREE_PORTS + ((process.pid + Math.floor(Math.random() * 997)) % 997);
    const free = await new Promise((resolve) => {
      const server = createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port");
}
