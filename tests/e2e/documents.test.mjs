// The documents for clients, as the servers serve them at /docs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { NGINX, ROOT } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { browser } from "../lib/browser.mjs";

/** An answer, read to its end. */
async function get(url) {
  const answer = await fetch(url);
  return { status: answer.status, type: answer.headers.get("content-type"), headers: answer.headers, text: await answer.text() };
}

const PAGES = ["", "/clients", "/accounts", "/dotted", "/snake", "/cafe", "/conversations", "/events", "/requests", "/errors"];

test("gateways serve the documents of this repository, and a page for each vocabulary", async () => {
  for (const name of ["openapi.json", "asyncapi.json"]) {
    const answer = await get(`${NGINX}/docs/${name}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.type, "application/json");
    assert.equal(answer.text, await readFile(`${ROOT}/docs/api/${name}`, "utf8"), name);
  }
  for (const path of PAGES) {
    const answer = await get(`${NGINX}/docs${path}`);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get("content-security-policy"), /default-src 'none'/);
    assert.match(answer.text, /<nav aria-label="Documents">/, `${path}: built without web/dist?`);
  }
  assert.equal((await get(`${NGINX}/docs/nothing`)).status, 404);
});

test("every link of the documents leads somewhere, and nothing on them breaks their policy", async (t) => {
  const page = await (await browser(t)).newPage();
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  for (const path of PAGES) {
    await page.goto(`${NGINX}/docs${path}`);
    const links = await page.$$eval("a[href]", (all) => all.map((link) => link.href));
    for (const link of new Set(links.filter((link) => link.startsWith(NGINX)))) {
      const url = new URL(link);
      if (url.pathname === new URL(page.url()).pathname && url.hash) {
        assert.ok(await page.$(`[id="${decodeURIComponent(url.hash.slice(1))}"]`), `${path}: ${link}`);
      } else {
        assert.equal((await get(link)).status, 200, `${path}: ${link}`);
      }
    }
  }
  assert.deepEqual(faults, []);
});

test("the requests about a process's health are answered as the document says", async () => {
  const { paths } = JSON.parse(await readFile(`${ROOT}/docs/api/openapi.json`, "utf8"));
  const health = Object.keys(paths).filter((path) => path.startsWith("/health"));
  assert.deepEqual(health.sort(), ["/health", "/health/chat", "/health/live", "/health/ready"]);
  for (const path of health) {
    const answer = await get(NGINX + path);
    assert.ok(String(answer.status) in paths[path].get.responses, path);
    assert.match(answer.type, /^application\/json/, path);
  }
});

test("a server that is told so serves no documents", async (t) => {
  const url = await solo(t, "http.docs=false");
  assert.equal((await get(`${url}/docs`)).status, 404);
  assert.equal((await get(`${url}/docs/openapi.json`)).status, 404);
});
