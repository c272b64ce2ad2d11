// A process of the cluster that hangs, and wakes.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CLUSTER_DIR, ROOT } from "./place.mjs";

const exec = promisify(execFile);

function cluster(...args) {
  const env = { ...process.env, PARLOR_CLUSTER_DIR: CLUSTER_DIR };
  delete env.PARLOR_CLUSTER_PORTS;
  return exec(`${ROOT}/infra/local/cluster`, args, { env, timeout: 30_000 });
}

/** SIGSTOP. Returns what wakes them; a test that fails half-way wakes them too. */
export async function pause(t, ...names) {
  let asleep = true;
  const resume = async () => {
    if (asleep) await cluster("resume", ...names);
    asleep = false;
  };
  t.after(resume);
  await cluster("pause", ...names);
  return resume;
}
