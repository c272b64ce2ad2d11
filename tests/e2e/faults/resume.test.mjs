// Coming back while something is broken: to another gateway, without PostgreSQL, without Redis.
import assert from "node:assert/strict";
import { test } from "node:test";
import { untilShown } from "../../lib/checker.mjs";
import { kill, mendAfter, start, stopPostgresImmediately } from "../../lib/cluster.mjs";
import { client, connect, done, gatewayOf, newChannel, newGroup, newUser, send, tokenOf } from "../../lib/clients.mjs";
import { pause } from "../../lib/pause.mjs";
import { GATEWAYS, gatewayUrl } from "../../lib/place.mjs";
import { Listener, comeBack, goAway, settled } from "../../lib/returning.mjs";
import { allIsWell, scene } from "../../lib/scene.mjs";
import { Traffic, resendUnsettled } from "../../lib/traffic.mjs";
import { until } from "../../lib/wait.mjs";

test("a gateway killed with -9: a stock client goes on elsewhere as if nothing had been", async (t) => {
  const all = await scene(t, { groups: 8, channels: 2 });
  const { rooms, devices, ledger } = all;
  const [ann, ben] = devices;
  mendAfter(t, "gateway-2");
  const traffic = new Traffic(ledger, devices, rooms, { every: 10 });
  t.after(() => traffic.stop());
  const listener = new Listener(ben.socket);
  await traffic.flows(300);
  assert.equal(gatewayOf(ben.socket), "gateway-2");
  const begun = Date.now();
  await kill("gateway-2");
  await until("Ben is back", () => listener.connections > 0 && ben.socket.connected, { within: 15_000 });
  const away = Date.now() - begun;
  assert.equal(ben.socket.recovered, true);
  await traffic.flows(300);
  await traffic.stop();
  const again = await resendUnsettled(ledger);
  // Nobody asks for history: what Ben shows is what he was given.
  await untilShown(devices, ledger, rooms);
  await allIsWell(all);
  assert.equal(ann.runs.length, 1, "who was elsewhere notices nothing");
  const ids = ben.runs.flat().map(({ messageId }) => messageId);
  const twice = ids.length - new Set(ids).size;
  assert.ok(twice <= 20, `${twice} messages came again`);
  t.diagnostic(`${ledger.sends.length} messages, ${again} sent again, ${twice} given again; Ben was back after ${away} ms`);
});

test("a gateway that is behind gives nothing again to a client that was on one ahead", async (t) => {
  const [ann, ben, cem] = [newUser("Ann"), newUser("Ben"), newUser("Cem")];
  const a = await connect(t, ann, { url: gatewayUrl("gateway-1") });
  const b = await connect(t, ben, { url: gatewayUrl("gateway-1") });
  const c = await connect(t, cem, { url: gatewayUrl("gateway-2") });
  const listener = new Listener(b);
  const roomId = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }, { user: cem, socket: c }]);
  await settled(listener);
  const back = client(t, gatewayUrl("gateway-2"), { token: await tokenOf(ben) });
  const given = new Listener(back);
  await new Promise((opened) => back.io.open(opened));
  const resume = await pause(t, "gateway-2");
  const said = Array.from({ length: 300 }, (_, at) => `said ${at}`);
  for (const content of said) await send(a, roomId, content);
  await until("Ben has all", () => listener.contents(roomId).length === said.length);
  await settled(listener);
  Object.assign(back, { _pid: b._pid, _lastOffset: b._lastOffset });
  await goAway(b);
  back.connect();
  await resume();
  await until("Ben is back", () => back.connected, { within: 15_000 });
  assert.equal(back.recovered, true);
  await until("the gateway is up to date, and Ben hears on", async () => {
    await send(a, roomId, "more");
    return given.contents(roomId).includes("more");
  }, { within: 20_000, every: 500 });
  const again = given.contents(roomId).filter((content) => content !== "more");
  assert.deepEqual(again, [], "he had them all");
});

test("without PostgreSQL a client comes back, gets what it missed, hears and sends", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const earlier = await connect(t, ben);
  const group = await newGroup({ user: ann, socket: a }, [{ user: ben, socket: earlier }]);
  const b = await connect(t, ben);
  const listener = new Listener(b);
  const channel = await newChannel(a, b);
  const rooms = [group, channel];
  for (const room of rooms) await send(a, room, "seen");
  await until("Ben has both", () => rooms.every((room) => listener.contents(room).length === 1));
  await settled(listener);
  mendAfter(t, "postgres");
  await stopPostgresImmediately();
  await goAway(b);
  for (let i = 0; i < 150; i++) await Promise.all(rooms.map((room) => send(a, room, `m${i}`)));
  const begun = Date.now();
  assert.equal(await comeBack(b), true);
  const took = Date.now() - begun;
  const expected = Array.from({ length: 150 }, (_, i) => `m${i}`);
  await until("Ben has all", () => rooms.every((room) => listener.contents(room).length >= 150), { within: 20_000 });
  for (const room of rooms) assert.deepEqual(listener.contents(room), expected);
  for (const room of rooms) await send(a, room, "live");
  await until("and hears on", () => rooms.every((room) => listener.contents(room).includes("live")));
  for (const room of rooms) await send(b, room, "from Ben");
  await start("postgres");
  const whole = async (gateway) => !/down/.test(await (await fetch(`${gatewayUrl(gateway)}/health/ready`)).text());
  for (const gateway of GATEWAYS) await until(`${gateway} is whole again`, () => whole(gateway));
  t.diagnostic(`CONNECT took ${took} ms`);
});

test("without Redis a client begins anew at once, and is remembered when Redis is back", async (t) => {
  const [ann, ben] = [newUser("Ann"), newUser("Ben")];
  const a = await connect(t, ann);
  const b = await connect(t, ben);
  const listener = new Listener(b);
  // The test before this one took PostgreSQL away: a change of rooms may be refused as busy a moment longer.
  const make = () => newGroup({ user: ann, socket: a }, [{ user: ben, socket: b }]);
  const roomId = await until("rooms can be changed", make, { within: 30_000, every: 1_000 });
  await settled(listener);
  await goAway(b);
  mendAfter(t, "redis");
  await kill("redis");
  const begun = Date.now();
  assert.equal(await comeBack(b), false);
  const took = Date.now() - begun;
  const said = listener.offset;
  await done(b, "message.send", { roomId, content: "without Redis" }, 15_000);
  await start("redis");
  await until("Ben is told where he stands", () => listener.offset !== said, { within: 30_000 });
  await until("and hears again", async () => {
    await send(a, roomId, "hello");
    return listener.contents(roomId).includes("hello");
  }, { within: 30_000, every: 500 });
  await settled(listener);
  await goAway(b);
  await send(a, roomId, "missed");
  assert.equal(await comeBack(b), true);
  await until("Ben has it", () => listener.contents(roomId).includes("missed"));
  t.diagnostic(`CONNECT took ${took} ms without Redis`);
});
