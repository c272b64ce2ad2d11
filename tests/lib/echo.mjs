// The transport alone: `socketio/examples/echo.rs` as a process of its own.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { after } from "node:test";
import { ECHO } from "./place.mjs";
import { freePort } from "./process.mjs";
import { until } from "./wait.mjs";

/**
 * An echo server for the tests of a file. Options are its own: `pingInterval`, `pingTimeout`, `connectTimeout` (ms),
 * `maxPayload` (bytes), and `engine` to echo Engine.IO messages as they are, with no Socket.IO above.
 */
export async function echo(options = {}) {
  const port = await freePort();
  const args = ["--listen", `127.0.0.1:${port}`];
  for (const [name, value] of Object.entries(options)) {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    args.push(...(value === true ? [flag] : [flag, String(value)]));
  }
  const child = spawn(ECHO, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => (said = (said + data).slice(-4_000)));
  }
  const server = new Echo(port, child, options.engine ? "/engine.io/" : "/socket.io/");
  // Also where tests were cut off.
  after(() => child.kill("SIGKILL"));
  process.once("exit", () => child.kill("SIGKILL"));
  await until("echo serves", () => {
    if (!server.alive) throw new Error(`echo ended: ${said}`);
    return reachable(port);
  });
  return server;
}

class Echo {
  constructor(port, child, path) {
    Object.assign(this, { port, child, host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}${path}` });
  }

  /** Neither ended nor killed: a panic of one task leaves it alive, a crash does not. */
  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Bytes of its memory that are resident. */
  rss() {
    return rssOf(this.child.pid);
  }
}

/** Bytes of a process's memory that are resident. */
export async function rssOf(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, "utf8"));
  return Number(kilobytes) * 1024;
}

function reachable(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
