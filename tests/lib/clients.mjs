// Stock Socket.IO clients: users, the rooms they make, what they send.
import { randomUUID } from "node:crypto";
import { after } from "node:test";
import { io } from "socket.io-client";
import { NGINX } from "./place.mjs";
import { gentoken } from "./process.mjs";
import { heard, until } from "./wait.mjs";

export { randomUUID };

// A test that failed half-way may leave a socket open: that holds up its file no longer than this.
after(() => void setTimeout(() => process.exit(), 5_000).unref());

/** A user nobody has heard of before. */
export function newUser(name) {
  const id = `${name.toLowerCase()}-${randomUUID().slice(0, 8)}`;
  return { id, name };
}

const tokens = new Map();
/** The user's token, made once. */
export function tokenOf(user) {
  if (!tokens.has(user.id)) tokens.set(user.id, gentoken(user.id, user.name));
  return tokens.get(user.id);
}

/** A stock client that has not connected yet; it goes away with the test. */
export function client(t, url, auth, options = {}) {
  const socket = io(url, {
    auth,
    forceNew: true,
    autoConnect: false,
    transports: ["websocket"],
    reconnectionDelay: 100,
    reconnectionDelayMax: 1_000,
    timeout: 5_000,
    ...options,
  });
  t.after(() => socket.close());
  return socket;
}

/** What a vocabulary says first to a client whose token is good. */
const READY = {
  dotted: "connection.authenticated",
  snake: "connect",
  cafe: "connected",
  conversations: "connect",
};

/** A stock client of `user`, connected and in all its rooms. */
export async function connect(t, user, { url = NGINX, auth = {}, ...options } = {}) {
  const socket = client(t, url, { token: await tokenOf(user), ...auth }, options);
  const ready = heard(socket, READY[auth.vocabulary ?? "dotted"]);
  const refused = new Promise((_, reject) => socket.once("connect_error", reject));
  socket.connect();
  // The first try through a proxy may meet a gateway that is just coming up: only a refusal by Parlor is final.
  await Promise.race([ready, refused.catch((error) => (error.data || !socket.active ? Promise.reject(error) : ready))]);
  // In two vocabularies nothing says that the user is known and in their rooms. Events wait for that, so any answer does.
  if (READY[auth.vocabulary] === "connect") await ask(socket, "anybody there?");
  return socket;
}

/** The gateway that a socket is on: the head of its Engine.IO sid. */
export const gatewayOf = (socket) => socket.io.engine.id.split(".")[0];

/** A client of `user` through nginx that has landed on that gateway. */
export async function connectOn(t, gateway, user, options = {}) {
  // A gateway that was away gets newcomers again after nginx's fail_timeout of 2 s.
  const landed = async () => {
    const elsewhere = [];
    try {
      for (let tries = 0; tries < 12; tries++) {
        const socket = await connect(t, user, options);
        if (gatewayOf(socket) === gateway) return socket;
        // Kept for now: nginx sends the next one to whoever has least. Of a client that polls nginx counts only the
        // first request, so a WebSocket keeps its place.
        elsewhere.push(socket);
        if (options.transports?.[0] === "polling") elsewhere.push(await connect(t, user));
      }
    } finally {
      for (const socket of elsewhere) socket.close();
    }
  };
  return until(`nginx sends a newcomer to ${gateway}`, landed, { within: 15_000, every: 250 });
}

/** An event's ack. Rejects if none comes. */
export const ask = (socket, event, payload, within = 10_000) => socket.timeout(within).emitWithAck(event, payload);

/** An event's ack, which must not be a refusal. */
export async function done(socket, event, payload, within) {
  const ack = await ask(socket, event, payload, within);
  if (ack?.error) throw new Error(`${event} was refused: ${JSON.stringify(ack)}`);
  return ack;
}

export const send = (socket, roomId, content, more = {}, within) =>
  done(socket, "message.send", { roomId, content, ...more }, within);

/** A private group of these users' connected sockets, each of them told of it. */
export async function newGroup(maker, others, name = "Test", more = {}) {
  const told = others.map(({ socket }) => heard(socket, "room.created", (room) => room.name === name));
  const payload = { type: "group", name, memberIds: others.map(({ user }) => user.id), isPrivate: true, ...more };
  const { room } = await done(maker.socket, "room.create", payload);
  await Promise.all(told);
  return room.roomId;
}

/** A new channel's name, and these sockets in it. */
export async function newChannel(...sockets) {
  const roomId = `channel-${randomUUID().slice(0, 8)}`;
  for (const socket of sockets) await done(socket, "room.join", { roomId });
  return roomId;
}

/** A room's messages from oldest to newest, read page by page. */
export async function history(socket, roomId, { cursor = null, limit = 100, within = 10_000 } = {}) {
  const messages = [];
  for (;;) {
    const page = await done(socket, "message.history", { roomId, cursor, limit, direction: "after" }, within);
    messages.push(...page.messages);
    if (!page.hasMore) return messages;
    cursor = page.nextCursor;
  }
}
