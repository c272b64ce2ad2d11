// A stock client that goes away and comes back, and all that it heard.
import { heard, until } from "./wait.mjs";

/**
 * Listens to everything that a socket hears. `heard` is what came since the last connection, as `{...payload, name}` with
 * the event's name, in its order; `all` is what came ever.
 */
export class Listener {
  heard = [];
  all = [];
  connections = 0;

  constructor(socket) {
    this.socket = socket;
    socket.onAny((name, payload) => {
      if (name === "parlor.offset") return (this.offset = payload);
      const event = { ...payload, name };
      this.heard.push(event);
      this.all.push(event);
    });
    socket.on("connect", () => {
      this.connections++;
      this.heard = [];
      // A stock client keeps the offset of a session that is over; of the one that has begun it says nothing.
      this.stale = socket.recovered ? undefined : socket._lastOffset;
    });
  }

  /** What came of a room since the last connection; of some events if they are named. */
  of(roomId, ...names) {
    return this.heard.filter((event) => event.roomId === roomId && (names.length === 0 || names.includes(event.name)));
  }

  /** What users said in a room since the last connection. */
  contents(roomId) {
    const spoken = this.of(roomId, "message.received").filter(({ type }) => type !== "system");
    return spoken.map(({ content }) => content);
  }
}

/** Waits until the client's offset covers what it has heard: the next offset comes right behind each flush. */
export async function settled(listener) {
  await until("the client was told where it stands", () => ![undefined, listener.stale].includes(listener.socket._lastOffset));
  let before;
  await until("nothing more comes", () => {
    const now = `${listener.all.length} ${listener.socket._lastOffset}`;
    const quiet = before === now;
    before = now;
    return quiet;
  }, { every: 200 });
}

/** Cuts the transport, as a network does, and keeps the client away until `comeBack`. */
export async function goAway(socket) {
  const gone = heard(socket, "disconnect");
  socket.io.reconnection(false);
  const { ws } = socket.io.engine.transport;
  if (ws) ws.terminate();
  else socket.io.engine.close();
  await gone;
}

/** Connects again, by itself as a stock client would. Resolves to whether the session was recovered. */
export async function comeBack(socket) {
  const back = heard(socket, "connect", () => true, 15_000);
  socket.io.reconnection(true);
  socket.connect();
  await back;
  return socket.recovered === true;
}
