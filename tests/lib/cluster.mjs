// The cluster's processes: what runs, and how to break it.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { CLUSTER_DIR, POSTGRES_URL, REDIS_PORT, ROOT } from "./place.mjs";
import { until } from "./wait.mjs";

const exec = promisify(execFile);

async function cluster(...args) {
  // The scripts read the rest from the directory's own settings.
  const env = { ...process.env, PARLOR_CLUSTER_DIR: CLUSTER_DIR };
  delete env.PARLOR_CLUSTER_PORTS;
  try {
    return (await exec(`${ROOT}/infra/local/cluster`, args, { env, timeout: 150_000 })).stdout;
  } catch (error) {
    throw new Error(`infra/local/cluster ${args.join(" ")}: ${error.stdout}${error.stderr}`, { cause: error });
  }
}

/** kill -9; it is gone when this returns. */
export const kill = (...names) => cluster("kill", ...names);
/** Asks it to end, and waits until it has. */
export const stop = (...names) => cluster("stop", ...names);
/** Starts what does not run, and waits until it serves. */
export const start = (...names) => cluster("start", ...names);
/** The settings that the cluster's Parlor processes get. */
export async function environment() {
  const lines = (await cluster("environment")).split("\n").filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Mends whatever a test broke, also when it failed half-way. */
export function mendAfter(t, ...names) {
  t.after(() => start(...names));
}

async function pidOf(name) {
  const line = (await readFile(`${CLUSTER_DIR}/pids`, "utf8")).split("\n").find((line) => line.startsWith(`${name} `));
  if (!line) throw new Error(`${name} does not run`);
  return Number(line.split(" ")[1]);
}

/** PostgreSQL's immediate shutdown: sessions are dropped, nothing is written, as at a loss of power. */
export async function stopPostgresImmediately() {
  const pid = await pidOf("postgres");
  process.kill(pid, "SIGQUIT");
  await until("PostgreSQL ended", async () => {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone Z");
    return / Z|^gone/.test(stat);
  });
}

/** Rows of a query, each an array of texts. */
export async function sql(query) {
  const args = ["-qAtX", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", POSTGRES_URL, "-c", query];
  const { stdout } = await exec("psql", args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split("\n").filter(Boolean).map((line) => line.split("\t"));
}

/** One Redis command's answer. */
export async function redis(...args) {
  const { stdout } = await exec("redis-cli", ["-h", "127.0.0.1", "-p", String(REDIS_PORT), "-e", ...args]);
  return stdout.trim();
}

/** Ids of the messages that the store has of a room, in its order. A resend stored twice would be here twice. */
export async function storedIds(room) {
  return (await sql(`SELECT id FROM messages WHERE room_id = '${room.replaceAll("'", "''")}' ORDER BY seq`)).flat();
}
