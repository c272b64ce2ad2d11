// A user is in a room or is not, with all sockets on all gateways: however fast they come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newGroup, newUser, send } from "../lib/clients.mjs";
import { GATEWAYS, gatewayUrl } from "../lib/place.mjs";
import { heard, sleep, until } from "../lib/wait.mjs";

const on = (t, gateway, user) => connect(t, user, { url: gatewayUrl(gateway) });

/** Waits until each of these sockets of a user was told whatever the user's inbox had before. */
const inboxRead = (maker, user, sockets) => newGroup(maker, sockets.map((socket) => ({ user, socket })), "A marker");

test("who joins and leaves at once hears nothing of the room afterwards, on any socket", async (t) => {
  const ann = newUser("Ann");
  const owner = { user: ann, socket: await on(t, "gateway-1", ann) };
  const ben = newUser("Ben");
  const sockets = await Promise.all(GATEWAYS.map((gateway) => on(t, gateway, ben)));
  // Nobody else on Ben's other gateways is in these rooms: each joining opens the room there anew.
  const rooms = [];
  for (let i = 0; i < 20; i++) rooms.push(await newGroup(owner, [], `Open ${i}`, { isPrivate: false }));

  for (const roomId of rooms) {
    sockets[0].emit("room.join", { roomId });
    await done(sockets[0], "room.leave", { roomId });
  }
  await inboxRead(owner, ben, sockets);

  // Beside each of Ben's sockets now one that is in every room: what it has heard, its gateway has handed out.
  const cem = newUser("Cem");
  const witnesses = await Promise.all(GATEWAYS.map((gateway) => on(t, gateway, cem)));
  for (const socket of witnesses) await Promise.all(rooms.map((roomId) => done(socket, "room.join", { roomId })));

  const overheard = new Set();
  for (const [i, socket] of sockets.entries()) {
    socket.on("message.received", ({ roomId, content }) => {
      if (content.startsWith("secret")) overheard.add(`${GATEWAYS[i]} ${roomId}`);
    });
  }
  const seen = witnesses.map(() => new Set());
  witnesses.forEach((socket, i) => socket.on("message.received", ({ messageId }) => seen[i].add(messageId)));
  // Several times over a second: a socket that enters late would miss what is said at once.
  for (let wave = 0; wave < 4; wave++) {
    const sent = await Promise.all(rooms.map((roomId) => send(owner.socket, roomId, `secret ${wave}`)));
    await until("the members have heard it", () => seen.every((ids) => sent.every(({ messageId }) => ids.has(messageId))));
    if (wave < 3) await sleep(400);
  }
  // An ack comes after whatever was handed to its socket before.
  const acks = await Promise.all(sockets.flatMap((socket) => rooms.map((roomId) => ask(socket, "typing.start", { roomId }))));
  assert.deepEqual([...overheard], [], "sockets that heard what was said after the leaving");
  assert.ok(acks.every(({ error }) => error === "not_found"), "and none of them is in a room");
});

test("a user's other sockets hear of their own joining exactly once", async (t) => {
  const ann = newUser("Ann");
  const owner = { user: ann, socket: await on(t, "gateway-1", ann) };
  for (let round = 0; round < 5; round++) {
    const ben = newUser("Ben");
    const sockets = await Promise.all(GATEWAYS.map((gateway) => on(t, gateway, ben)));
    const roomId = await newGroup(owner, [], "Open", { isPrivate: false });
    const joined = sockets.map(() => 0);
    sockets.forEach((socket, i) =>
      socket.on("room.joined", (event) => void (event.roomId === roomId && event.userId === ben.id && joined[i]++)));
    await done(sockets[0], "room.join", { roomId });
    const [, ...others] = sockets;
    await until("the others are told", () => joined.slice(1).every((count) => count > 0));
    // Both ways by which a second telling could come are read beyond the joining: the room and the user's inbox.
    const beyond = others.map((socket) => heard(socket, "message.received", ({ content }) => content === "welcome"));
    await send(owner.socket, roomId, "welcome");
    await Promise.all(beyond);
    await inboxRead(owner, ben, sockets);
    assert.deepEqual(joined.slice(1), [1, 1], `times told, in round ${round}`);
    for (const socket of sockets) socket.close();
  }
});
