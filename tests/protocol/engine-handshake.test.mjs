// How an Engine.IO session begins (EIO4 § "Handshake", § "HTTP long-polling").
import assert from "node:assert/strict";
import { test } from "node:test";
import { echo } from "../lib/echo.mjs";
import { Polling, Wire, address, assertRefused, request } from "../lib/engine.mjs";

const server = await echo({ engine: true, pingInterval: 7_000, pingTimeout: 3_000, maxPayload: 50_000 });

/** What a WebSocket handshake is refused with. */
function refusal(query) {
  const wire = new Wire(server.url, { query });
  return new Promise((resolve, reject) => {
    wire.ws.once("open", () => reject(new Error("it was accepted")));
    wire.ws.once("unexpected-response", async (_, response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    });
  });
}

test("a polling session begins with an open packet that tells its sid and the server's settings", async () => {
  // EIO4 § "Handshake"; the type is that of text, EIO4 § "Headers".
  const { status, text, type } = await request(server.url);
  assert.equal(status, 200);
  assert.match(type, /^text\/plain; ?charset=utf-8$/i);
  assert.equal(text[0], "0");
  const { sid, ...settings } = JSON.parse(text.slice(1));
  assert.match(sid, /^\S{16,}$/);
  assert.equal(encodeURIComponent(sid), sid, "it stands in a URL as it is");
  assert.deepEqual(settings, { upgrades: ["websocket"], pingInterval: 7_000, pingTimeout: 3_000, maxPayload: 50_000 });
});

test("a WebSocket session begins in the same way, with nothing left to upgrade to", async () => {
  const wire = await Wire.open(server.url);
  const { sid, ...settings } = wire.open;
  assert.equal(typeof sid, "string");
  assert.deepEqual(settings, { upgrades: [], pingInterval: 7_000, pingTimeout: 3_000, maxPayload: 50_000 });
  wire.ws.terminate();
});

test("no two sessions share a sid, and its head is the server's name", async () => {
  const sids = [];
  for (let i = 0; i < 20; i++) sids.push((await Polling.open(server.url)).sid);
  assert.equal(new Set(sids).size, 20);
  assert.equal(new Set(sids.map((sid) => sid.split(".")[0])).size, 1);
});

test("a handshake of another protocol version is refused with code 5", async () => {
  // EIO4 § "Query parameters": EIO is mandatory, and is 4.
  for (const EIO of [undefined, "", "3", "5", "04", "abc", "4abc", "-4"]) {
    assertRefused(await request(server.url, { EIO }), 5);
    assertRefused(await refusal({ EIO }), 5);
  }
});

test("a transport that does not exist is refused with code 0", async () => {
  // EIO4 § "Query parameters": transport is mandatory.
  for (const transport of [undefined, "", "flashsocket", "constructor", "__proto__", "Polling", "websocket,polling"]) {
    assertRefused(await request(server.url, { transport }), 0);
    assertRefused(await refusal({ transport }), 0);
  }
});

test("only a GET begins a session: other methods are refused with code 2", async () => {
  // EIO4 § "HTTP long-polling": data is sent only within a session.
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    assertRefused(await request(server.url, {}, { method }), 2);
    assertRefused(await request(server.url, { transport: "websocket" }, { method }), 2);
  }
});

test("a sid that nobody has is refused with code 1, on every request", async () => {
  // EIO4 § "Sending data", § "Receiving data".
  for (const sid of ["nobody", "echo.nobody", "%00", "a".repeat(4_000)]) {
    assertRefused(await request(server.url, { sid }), 1);
    assertRefused(await request(server.url, { sid }, { method: "POST", body: "4x" }), 1);
    assertRefused(await refusal({ sid }), 1);
  }
});

test("methods that long-polling does not have are refused, and the session lives", async () => {
  const session = await Polling.open(server.url);
  for (const method of ["PUT", "DELETE", "PATCH"]) assert.equal((await session.get({ method })).status, 400, method);
  await session.send("4still here");
  assert.equal(await session.take(), "4still here");
});

test("the WebSocket transport without a WebSocket handshake is refused with code 3", async () => {
  assertRefused(await request(server.url, { transport: "websocket" }), 3);
});

test("a page of another site may ask before it sends", async () => {
  // Fetch standard, "CORS-preflight request".
  const preflight = await fetch(address(server.url), {
    method: "OPTIONS",
    headers: { Origin: "https://chat.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" },
  });
  assert.ok(preflight.status === 200 || preflight.status === 204);
  assert.match(preflight.headers.get("access-control-allow-methods"), /POST/);
  assert.match(preflight.headers.get("access-control-allow-headers"), /content-type/i);
  assert.ok(preflight.headers.get("access-control-allow-origin"));
  const answer = await request(server.url, {}, { headers: { Origin: "https://chat.example.com" } });
  assert.ok(answer.headers.get("access-control-allow-origin"), "and it may read the answer");
});
