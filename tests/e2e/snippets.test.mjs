// The documents' snippets run unchanged, against the cluster and against one process.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { io } from "socket.io-client";
import { bundledPage } from "../lib/browser.mjs";
import { ask, client, connect, done, history, newChannel, newUser, send, tokenOf } from "../lib/clients.mjs";
import { NGINX, ROOT } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";
import { rest } from "../lib/rest.mjs";
import { bundle, run, text } from "../lib/snippets.mjs";
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

  test(`the conversations document's events run against ${place}`, async (t) => {
    const url = await address(t);
    const [ann, ben] = ["Ann", "Ben"].map((name) => newUser(name));
    // The document's ids are dots: a conversation of that name.
    const room = { conversationId: "..." };
    const peer = await connect(t, ben, { url, auth: { vocabulary: "conversations" } });
    assert.equal((await ask(peer, "conversation:join", room)).success, true);
    const socket = await connect(t, ann, { url, auth: { vocabulary: "conversations" } });
    assert.equal((await ask(socket, "conversation:join", room)).success, true);

    // What it listens for, told before by another pair of eyes.
    const told = Object.fromEntries(["user:status_changed", "chat:message_received", "chat:user_typing"].map((event) => [event, []]));
    for (const [event, list] of Object.entries(told)) peer.on(event, (payload) => list.push(payload));
    await run("conversations/on.ts", { names: { socket } });
    const answers = [];
    await run("conversations/emit.ts", { names: { socket, callback: (answer) => answers.push(answer) } });
    await until("the callback is called", () => answers.length);
    assert.equal(answers[0].success, true, JSON.stringify(answers[0]));
    await until("the peer has it", () => told["chat:message_received"].some(({ id }) => id === answers[0].messageId));
    const message = told["chat:message_received"].find(({ id }) => id === answers[0].messageId);
    assert.deepEqual([message.sender_id, message.content_encrypted], [ann.id, "..."]);
    assert.ok(!Number.isNaN(Date.parse(message.created_at)));
    await until("the peer sees typing", () => told["chat:user_typing"].length);
    const { userId, username, isTyping, timestamp } = told["chat:user_typing"][0];
    assert.deepEqual([userId, username, isTyping], [ann.id, ann.name, true]);
    assert.ok(!Number.isNaN(Date.parse(timestamp)));

    // The first example names no conversation: that is said, and the socket lives.
    await run("conversations/communication.ts", { names: { socket } });
    const refused = await ask(socket, "chat:message_send", { content: "Hello" });
    assert.deepEqual([refused.success, refused.error, refused.field], [false, "bad_request", "conversationId"]);
    assert.equal(socket.connected, true);
  });

  test(`the conversations document's reconnection runs against ${place}`, async (t) => {
    const url = await address(t);
    let fetched = 0;
    const names = { io, url, fetchNewMessages: () => fetched++ };
    const { socket } = await run("conversations/reconnect.ts", { names, declares: ["socket"], wants: ["socket"] });
    t.after(() => socket.close());
    // It carries no token: a guest, from its first event on.
    assert.equal((await ask(socket, "conversation:join", { conversationId: `conversation-${Date.now()}` })).success, true);
    await until("it may come back", () => socket._lastOffset);
    socket.io.engine.close();
    await until("the snippet fetches what is new", () => fetched === 1, { within: 20_000 });
    assert.equal(socket.recovered, true);
  });

  test(`the cafe document's requests are answered as it says, against ${place}`, async (t) => {
    const url = await address(t);
    const user = newUser("HappyOtter42");
    const socket = await connect(t, user, { url, auth: { vocabulary: "cafe" } });
    const cafeId = `cafe-${Date.now()}`;
    await ask(socket, "join:cafe", { cafeId });
    const { id: messageId } = await ask(socket, "message:send", { cafeId, content: "Hello everyone! coffee" });
    for (const name of ["messages", "presence", "topics", "delete"]) {
      const snippet = await text(`cafe/${name}.http`);
      const [, method, path] = /^(\w+) (\S+)/.exec(snippet);
      const [, status, documented] = /Response (\d+):\n([\s\S]*)$/.exec(snippet);
      const response = await rest(user, method, path.replace(":cafeId", cafeId).replace(":messageId", messageId), undefined, { url });
      assert.equal(response.status, Number(status), `${name}: ${JSON.stringify(response.body)}`);
      alike(JSON.parse(documented), response.body, name);
    }
  });

  test(`the conversations document's requests are answered as it says, against ${place}`, async (t) => {
    const url = await address(t);
    const [ann, ben, cem] = ["Ann", "Ben", "Cem"].map((name) => newUser(name));
    for (const user of [ann, ben, cem]) (await connect(t, user, { url })).close();
    const blocks = (await text("conversations/conversations.txt")) + "\n" + (await text("conversations/messages.txt"));
    const ids = {};
    // What takes something away comes after what needs it.
    const order = (block) => (block.startsWith("DELETE") ? 1 : 0);
    const requests = blocks.trim().split(/\n\n+/).sort((a, b) => order(a) - order(b));
    assert.equal(requests.length, 12);
    for (const block of requests) {
      const [, method, path] = /^(\w+) (\S+)/.exec(block);
      const query = /Query: (\S+)/.exec(block)?.[1] ?? "";
      const wanted = Object.keys(fields(/Response: (.*)/.exec(block)[1]));
      const example = /Request: (.*)/.exec(block)?.[1];
      const body = example && fill(fields(example), path, { ...ids, ann, ben, cem });
      const messageRoute = path.startsWith("/api/messages/");
      const real = path
        .replace(":conversationId", ids.group)
        .replace(":userId", cem.id)
        .replace(":messageId", messageRoute ? ids.message : "");
      const request = () => rest(ann, method, real + query, body, { url });
      const response = await until(`${method} ${path} is answered`, async () => {
        const response = await request();
        return response.status < 500 && response.status !== 404 && response;
      });
      assert.ok(response.status < 300, `${method} ${path}: ${response.status} ${JSON.stringify(response.body)}`);
      for (const field of wanted) assert.ok(field in response.body, `${method} ${path}: no ${field} in ${JSON.stringify(response.body)}`);
      if (path.endsWith("/group")) ids.group = response.body.id;
      if (method === "POST" && path === "/api/messages") ids.message = response.body.id;
    }
  });
}

/** The documents' examples with dots in them: their fields. */
function fields(example) {
  const depth = (text, at) => [...text.slice(0, at)].reduce((d, c) => d + ("{[".includes(c) ? 1 : "}]".includes(c) ? -1 : 0), 0);
  const names = [...example.matchAll(/"(\w+)":/g)].filter((match) => depth(example, match.index) === 1);
  return Object.fromEntries(names.map(([, name]) => [name, null]));
}

/** A request's fields with real values. */
function fill(body, path, { group, ben, cem }) {
  const values = {
    user_id: path.includes("participants") ? cem.id : ben.id,
    title: "Project Team",
    participant_ids: [ben.id],
    conversation_id: group,
    content_encrypted: "c2VjcmV0",
    status_type: "read",
    emoji: "😂",
  };
  return Object.fromEntries(Object.keys(body).map((name) => [name, values[name]]));
}

/** Every field of the example is there, of the same kind; lists are compared by their first elements. */
function alike(example, actual, where) {
  assert.equal(typeof actual, typeof example, where);
  if (Array.isArray(example)) {
    assert.ok(Array.isArray(actual), where);
    if (actual.length) alike(example[0], actual[0], `${where}[0]`);
  } else if (example && typeof example === "object") {
    for (const [name, value] of Object.entries(example)) {
      assert.ok(name in actual, `${where}.${name} is missing`);
      alike(value, actual[name], `${where}.${name}`);
    }
  }
}

test("the load test's script is the document's, letter by letter", async () => {
  const [document, ours] = await Promise.all([
    readFile(new URL("../snippets/snake/artillery.yml", import.meta.url), "utf8"),
    readFile(`${ROOT}/loadtest/artillery.yml`, "utf8"),
  ]);
  assert.equal(ours, document);
});

test("the dotted document's infinite scroll runs to the first message", async (t) => {
  const user = newUser("Ann");
  const socket = await connect(t, user);
  const roomId = await newChannel(socket);
  const count = 120;
  for (let n = 0; n < count; n++) await send(socket, roomId, `${n}`);
  // The body of a component, as the document shows it.
  const before = 'import { useEffect, useState } from "react";\nexport const useMessages = (socket, roomId, scrollTop) => {\n';
  const script = await bundle("dotted/infinite-scroll.ts", "scroll-page.mjs", { before, after: "\nreturn { messages, cursor, hasMore };\n};\n" });
  const page = await bundledPage(t, script);
  await page.evaluate(([url, token, roomId]) => window.render(url, token, roomId), [NGINX, await tokenOf(user), roomId]);
  const list = () => page.evaluate(() => ({ ...window.list, messages: window.list.messages.map(({ content }) => content) }));
  for (const loaded of [50, 100, 120]) {
    await until(`${loaded} messages are shown`, async () => (await list()).messages.length === loaded);
    // Away from the top and back to it, for the next page.
    for (const top of [40, 0]) {
      await page.evaluate((top) => (document.querySelector("main").scrollTop = top), top);
      await until("it has scrolled", async () => (await list()).scrollTop === top);
    }
  }
  const { messages, cursor, hasMore } = await list();
  assert.deepEqual(messages, Array.from({ length: count }, (_, n) => `${count - 1 - n}`));
  assert.deepEqual([cursor, hasMore], [null, false]);
  assert.deepEqual(page.errors, []);
});
