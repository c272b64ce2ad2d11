// One scenario, step by step (scenario.json), run by four clients on each transport: npm's socket.io-client in Node and
// in Chromium, python-socketio, and rust_socketio.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundledPage } from "../lib/browser.mjs";
import { echo } from "../lib/echo.mjs";
import { PYTHON_CLIENT, RUST_CLIENT } from "../lib/place.mjs";
import { run } from "./stock.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const scenario = JSON.parse(await readFile(here("scenario.json"), "utf8"));
const server = await echo();

/** What a client is told to use, what it must end up on, and what its requests must look like, in the order they come. */
const MODES = {
  "polling alone": { transports: ["polling"], settled: "polling", opens: /transport=polling/, upgrades: false },
  "WebSocket alone": { transports: ["websocket"], settled: "websocket", opens: /transport=websocket/, upgrades: false },
  "polling, then WebSocket": { transports: ["polling", "websocket"], settled: "websocket", opens: /transport=polling/, upgrades: true },
};

/** A way to the server that can be cut, and that knows which requests went through it. */
async function way(t) {
  const through = new Set();
  const requests = [];
  let isDown = false;
  const proxy = createServer((client) => {
    if (isDown) return client.destroy();
    const upstream = connect(server.port, "127.0.0.1");
    const pair = [client, upstream];
    through.add(pair);
    client.on("data", (data) => {
      const line = /^(GET|POST) \S+ HTTP\/1\.1/.exec(data.toString("latin1"));
      if (line) requests.push(line[0]);
    });
    for (const socket of pair) {
      socket.setNoDelay(true);
      // The other one hears of it.
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const one of pair) one.destroy();
        through.delete(pair);
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const cut = () => {
    // Down for a moment, so that no client takes it for a hiccup of a kept connection.
    isDown = true;
    for (const pair of through) for (const socket of pair) socket.destroy();
    setTimeout(() => (isDown = false), 300);
  };
  t.after(() => {
    proxy.close();
    cut();
  });
  return { url: `http://127.0.0.1:${proxy.address().port}`, cut, requests };
}

/** A client that is a process of its own: its standard output says when to cut. */
async function runProcess(t, command, args, cut) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (data) => (said = (said + data).slice(-4_000)));
  child.stdout.on("data", (data) => {
    if (data.toString().includes("cut")) cut();
  });
  const [code] = await once(child, "exit");
  assert.equal(code, 0, said);
}

let script;
/** The same file as in Node, for a browser. */
async function bundled() {
  script ??= build({ entryPoints: [here("stock.mjs")], bundle: true, write: false, format: "iife", globalName: "client" });
  return (await script).outputFiles[0].text;
}

const CLIENTS = {
  "socket.io-client in Node": ({ url, cut }, mode) => run(scenario, { url, cut, ...mode }),
  "socket.io-client in Chromium": async ({ url, cut }, mode, t) => {
    const page = await bundledPage(t, await bundled());
    await page.exposeFunction("cutAll", cut);
    const given = { scenario, options: { url, transports: mode.transports, settled: mode.settled } };
    await page.evaluate(({ scenario, options }) => client.run(scenario, { ...options, cut: window.cutAll }), given);
    assert.deepEqual(page.errors, []);
  },
  "python-socketio": ({ url, cut }, { transports }, t) =>
    runProcess(t, PYTHON_CLIENT, [here("python/client.py"), url, transports.join(), here("scenario.json")], cut),
  "rust_socketio": ({ url, cut }, { transports }, t) => runProcess(t, RUST_CLIENT, [url, transports.join(), here("scenario.json")], cut),
};

for (const [client, runs] of Object.entries(CLIENTS)) {
  for (const [name, mode] of Object.entries(MODES)) {
    test(`the scenario runs with ${client} over ${name}`, async (t) => {
      const to = await way(t);
      await runs(to, mode, t);
      assert.match(to.requests[0], mode.opens);
      const upgrades = to.requests.filter((line) => /transport=websocket.*[?&]sid=|[?&]sid=.*transport=websocket/.test(line));
      assert.equal(upgrades.length > 0, mode.upgrades, `upgrades: ${upgrades}`);
      assert.equal(to.requests.some((line) => line.includes("transport=polling")), mode.transports.includes("polling"));
    });
  }
}
