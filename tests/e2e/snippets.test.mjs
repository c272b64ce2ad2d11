// The documents' snippets run unchanged, against the cluster and against one process.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { bundledPage } from "../lib/browser.mjs";
import { client, connect, done, history, tokenOf } from "../lib/clients.mjs";
import { NGINX, ROOT } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { bundle, run } from "../lib/snippets.mjs";
import { heard, until } from "../lib/wait.mjs";

const places = { "the cluster": async () => NGINX, "one process": (t) => solo(t) };
/** The users whom the documents name. */
const [user1, user2, user3] = [1, 2, 3].map((n) => ({ id: `user${n}`, name: `User ${n}` }));

for (const [place, address] of Object.entries(places)) {
  test(`the dotted README's API usage runs against ${place}`, async (t) => {
    const url = await address(t);
    const partner = await connect(t, user2, { url });
    // Named in the group; users exist from their first connection on.
    (await connect(t, user3, { url })).close();
    const token = await tokenOf(user1);

    const connection = await run("dotted/connection.ts", { url, token, wants: ["socket"] });
    const { socket } = connection;
    t.after(() => socket.close());
    await until("the snippet says that it is authenticated", () => connection.said.length >= 2);
    assert.deepEqual(connection.said[0], ["Connected!"]);
    const [label, authenticated] = connection.said[1];
    assert.equal(label, "Authenticated:");
    assert.equal(authenticated.userId, "user1");
    assert.ok(Array.isArray(authenticated.rooms));
    assert.equal(socket.io.engine.transport.name, "websocket");

    const listening = await run("dotted/listen.ts", { names: { socket } });
    const received = heard(partner, "message.received", (message) => message.content === "Hello!");
    const sending = await run("dotted/send-message.ts", { names: { socket }, wants: ["response"] });
    assert.deepEqual(sending.said, [["Message sent:", sending.response]]);
    const { response } = sending;
    assert.equal(response.status, "sent", JSON.stringify(response));
    assert.equal(response.roomId, "direct_user1_user2");
    assert.equal(response.tempId, "temp_123");
    const message = await received;
    assert.equal(message.messageId, response.messageId);
    assert.equal(message.senderName, "User 1");
    await until("the snippet has heard its own message", () => listening.said.length);
    assert.equal(listening.said[0][0], "New message:");
    assert.equal(listening.said[0][1].messageId, response.messageId);

    const typing = [];
    partner.on("typing.user", (event) => typing.push(event));
    const typed = await run("dotted/typing.ts", { names: { socket } });
    await until("the partner sees it begin and end", () => typing.length >= 2);
    assert.deepEqual(typing.map(({ isTyping }) => isTyping), [true, false]);
    assert.ok(typing.every((event) => event.userName === "User 1" && event.roomId === "direct_user1_user2"));
    await done(partner, "typing.start", { roomId: "direct_user1_user2" });
    await until("the snippet says who types", () => typed.said.length);
    assert.deepEqual(typed.said[0], ["User 2 is typing..."]);

    const past = await run("dotted/history.ts", { names: { socket }, wants: ["history"] });
    assert.equal(past.history.error, undefined, JSON.stringify(past.history));
    // The document's cursor is a day in 2025: nothing here is older.
    assert.deepEqual(past.said, [["Messages:", []], ["Has more:", false]]);
    const stored = await history(partner, "direct_user1_user2");
    assert.ok(stored.some(({ messageId }) => messageId === response.messageId));

    const invited = heard(partner, "room.created", (room) => room.name === "Team Chat");
    const creating = await run("dotted/create-group.ts", { names: { socket }, wants: ["response"] });
    const { room } = creating.response;
    assert.deepEqual(creating.said, [["Room created:", room]]);
    assert.match(room.roomId, /^group_[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.equal(room.name, "Team Chat");
    assert.equal(room.description, "Our awesome team");
    assert.equal(room.isPrivate, false);
    assert.deepEqual(room.members.map(({ userId }) => userId).sort(), ["user1", "user2", "user3"]);
    assert.equal(room.members.find(({ userId }) => userId === "user1").role, "admin");
    assert.equal((await invited).roomId, room.roomId);
  });

  test(`the snake document's TypeScript client runs against ${place}`, async (t) => {
    const url = await address(t);
    const user = { id: "user-456", name: "User 456" };
    const peer = client(t, url, { token: await tokenOf({ id: "user-789", name: "User 789" }) });
    const shown = [];
    const joined = heard(peer, "user_joined", ({ userId }) => userId === "user-456");
    peer.connect();
    await done(peer, "join_room", { roomId: "room-123" });

    const names = { displayMessage: (message) => shown.push(message) };
    const wants = ["socket", "sendMessage", "onTyping"];
    const snippet = await run("snake/client.ts", { url, token: await tokenOf(user), names, wants });
    t.after(() => snippet.socket.close());
    await joined;
    assert.deepEqual(snippet.said[0], ["Connected:", snippet.socket.id]);

    const received = heard(peer, "message", (message) => message.content === "Hello from the snippet");
    snippet.sendMessage("Hello from the snippet");
    const message = await received;
    assert.equal(message.userId, "user-456");
    assert.equal(message.roomId, "room-123");
    assert.ok(!Number.isNaN(Date.parse(message.timestamp)));
    await until("it shows its own message", () => shown.some(({ id }) => id === message.id));

    await done(peer, "send_message", { roomId: "room-123", content: "And back", type: "text" });
    await until("it shows the peer's message", () => shown.some(({ content }) => content === "And back"));

    const typist = heard(peer, "typing");
    snippet.onTyping();
    assert.deepEqual(await typist, { roomId: "room-123", userId: "user-456", username: "User 456" });
    await done(peer, "typing_start", { roomId: "room-123" });
    const says = (text) => until(`it says "${text}"`, () => snippet.said.some(([line]) => line === text), { within: 15_000 });
    await says("User 789 is typing...");

    // Another member comes and goes.
    const third = client(t, url, { token: await tokenOf({ id: "user-third", name: "Third" }) });
    third.connect();
    await done(third, "join_room", { roomId: "room-123" });
    await says("user-third is online");

    snippet.socket.emit("send_message", { roomId: "nowhere-to-be-found", content: "x", type: "text" });
    await until("it says what was refused", () => snippet.said.some(([kind, label]) => kind === "error" && label === "Socket error:"));
    const error = snippet.said.find(([kind]) => kind === "error")[2];
    assert.equal(error.code, "not_found");
    assert.ok(error.message);

    // A lost connection: the snippet's client comes back and joins again by itself.
    const again = heard(peer, "user_joined", ({ userId }) => userId === "user-456");
    snippet.socket.io.engine.close();
    await again;
    assert.ok(snippet.said.some(([line, reason]) => line === "Disconnected:" && reason === "forced close"));
    await done(peer, "send_message", { roomId: "room-123", content: "After the break" });
    await until("it goes on", () => shown.some(({ content }) => content === "After the break"));
    const ids = shown.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "no message was shown twice");
  });

  test(`the snake document's React hook runs against ${place}`, async (t) => {
    const url = await address(t);
    const roomId = `react-${place.replaceAll(" ", "-")}`;
    const peer = client(t, url, { token: await tokenOf({ id: "react-peer", name: "Peer" }) });
    peer.connect();
    await done(peer, "join_room", { roomId });
    const joined = heard(peer, "user_joined", ({ userId }) => userId !== "react-peer");

    // In a browser, on a page of another origin, as the document's front end is.
    const page = await bundledPage(t, await bundle("snake/use-chat.ts", "react-page.mjs", { url }));
    await page.evaluate((roomId) => window.render(roomId), roomId);
    const hook = () => page.evaluate(() => ({ messages: window.hook.messages.map((m) => m.content), typing: window.hook.typing }));
    assert.deepEqual(await hook(), { messages: [], typing: [] });
    const guest = await joined;
    assert.match(guest.userId, /^guest-/);

    const received = heard(peer, "message", ({ content }) => content === "from the hook");
    await page.evaluate(() => window.hook.sendMessage("from the hook"));
    assert.equal((await received).userId, guest.userId);
    await done(peer, "send_message", { roomId, content: "to the hook" });
    const shows = (messages) => until(`the hook has ${messages}`, async () => {
      assert.deepEqual((await hook()).messages, messages);
      return true;
    });
    await shows(["from the hook", "to the hook"]);

    await done(peer, "typing_start", { roomId });
    await until("the hook shows who types", async () => (await hook()).typing.includes("Peer"));
    await until("the name fades by itself", async () => !(await hook()).typing.length);

    const left = heard(peer, "user_left", ({ userId }) => userId === guest.userId);
    await page.evaluate(() => window.unmount());
    await left;
    assert.deepEqual(page.errors, []);
  });
}

test("the load test's script is the document's, letter by letter", async () => {
  const [document, ours] = await Promise.all([
    readFile(new URL("../snippets/snake/artillery.yml", import.meta.url), "utf8"),
    readFile(`${ROOT}/loadtest/artillery.yml`, "utf8"),
  ]);
  assert.equal(ours, document);
});
