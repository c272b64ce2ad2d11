// Where everything is: told by `tests/run` through the environment, so that a test run by hand against another cluster
// needs nothing but these variables.
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

function told(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run tests/run, which brings a cluster up and says where it is`);
  return value;
}

/** The directory of the cluster (`PARLOR_CLUSTER_DIR` of infra/local/cluster). */
export const CLUSTER_DIR = told("E2E_CLUSTER_DIR");
const shift = Number(told("E2E_CLUSTER_PORTS"));
/** The binary under test. */
export const PARLOR = process.env.PARLOR_BIN || `${ROOT}/target/fast/parlor`;
/** Python with what tests/clients/python needs, and the client of tests/clients/rust: made by `tests/run`. */
export const PYTHON_CLIENT = `${ROOT}/.tools/clients/python/bin/python`;
export const RUST_CLIENT = `${ROOT}/.tools/clients/rust/debug/scenario-client`;
/** `socketio/examples/echo.rs`, the transport by itself. */
export const ECHO = process.env.ECHO_BIN || `${ROOT}/target/fast/examples/echo`;

export const GATEWAYS = ["gateway-1", "gateway-2", "gateway-3"];
/** Where users come in. */
export const NGINX = `http://127.0.0.1:${8080 + shift}`;
/** One gateway by name, without nginx. */
export const gatewayUrl = (name) => `http://127.0.0.1:${3000 + shift + Number(name.split("-").pop())}`;
export const workerUrl = (n) => `http://127.0.0.1:${9100 + shift + n}`;
export const persisterUrl = (n) => `http://127.0.0.1:${9110 + shift + n}`;
export const REDIS_PORT = 16379 + shift;
export const POSTGRES_URL = `postgres://parlor:parlor@127.0.0.1:${15432 + shift}/parlor`;
/** A server that speaks S3: `infra/local/s3/s3proxy.conf`. */
export const S3 = { endpoint: `http://127.0.0.1:${19000 + shift}`, bucket: "parlor", id: "parlor", secret: "parlor-files" };
/** The first of the ports that tests may take for processes of their own. */
export const FREE_PORTS = 9200 + shift;

/** The environment for a Parlor process of our own: nothing that steers scripts, no settings from outside. */
export function bareEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PARLOR_|E2E_|NODE_TEST)/.test(name));
  return { ...Object.fromEntries(kept), PARLOR_MODE: "development", ...more };
}
