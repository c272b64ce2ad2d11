// What two people do with the page at `/` beyond a channel: direct rooms and groups, receipts, reactions, replies, pins,
// files, search, an account. Each in a browser of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, newUser, randomUUID, send } from "../lib/clients.mjs";
import { act, listed, makeGroup, people, row, say, sees, talkTo, userId } from "../lib/page.mjs";
import { pidAt, solo } from "../lib/process.mjs";

const newRoom = () => `page-${randomUUID().slice(0, 8)}`;

/** Ann and Ben, who have met in a channel. */
async function annAndBen(t, ...settings) {
  const url = await solo(t, ...settings);
  const room = newRoom();
  const all = await people(t, url);
  const [ann, ben] = [await all.tab("Ann", room), await all.tab("Ben", room)];
  await ann.locator("#people-list").getByText("Ben").waitFor();
  await ben.locator("#people-list").getByText("Ann").waitFor();
  t.after(() => {
    for (const page of [ann, ben]) assert.deepEqual(page.errors, [], "no script failed");
  });
  return { url, room, ann, ben, ...all };
}

const marked = (page, text, status) => row(page, text).locator(`.mark[data-status=${status}]`).waitFor();

test("the page: two people talk directly, with unread counts, and one sees what the other has read", async (t) => {
  const { ann, ben, room } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await say(ann, "a word in private");
  await say(ann, "and another");
  // It appears in Ben's list, counted, while another room is open.
  await listed(ben, "Ann").locator(".badge").getByText("2").waitFor();
  assert.match(await ben.title(), /^\(2\)/);
  await marked(ann, "and another", "delivered");
  await listed(ben, "Ann").click();
  await sees(ben, "a word in private");
  await marked(ann, "and another", "read");
  await marked(ann, "a word in private", "read");
  assert.equal(await listed(ben, "Ann").locator(".badge").count(), 0);
  // Presence of the other one stands in the head.
  await ann.locator("#state").getByText("online").waitFor();
  // A message into the room that is on the screen is read at once, and not counted.
  await say(ann, "still there?");
  await marked(ann, "still there?", "read");
  await say(ben, "yes");
  await sees(ann, "yes");
  await listed(ben, room).click();
  await ben.close();
  await ann.locator("#state").getByText(/last seen/).waitFor();
});

test("the page: a message to a room that nobody looks at stays unread", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await say(ann, "first");
  await listed(ben, "Ann").click();
  await marked(ann, "first", "read");
  // Another tab of the browser is in front.
  await ben.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await say(ann, "second");
  await listed(ben, "Ann").locator(".badge").getByText("1").waitFor();
  await ben.waitForTimeout(1_500);
  assert.equal(await row(ann, "second").locator(".mark[data-status=read]").count(), 0);
  await ben.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await marked(ann, "second", "read");
});

test("the page: a group is made, renamed, filled and emptied, by who may", async (t) => {
  const { ann, ben, tab, room } = await annAndBen(t);
  const cem = await tab("Cem", room);
  await makeGroup(ann, "Trip", "Ben");
  await say(ann, "who drives?");
  await listed(ben, "Trip").click();
  await sees(ben, "who drives?");
  const about = (page) => page.getByRole("button", { name: "About this room" }).click();
  // Ben is a plain member: he is not offered what he may not do.
  await about(ben);
  const dialog = ben.locator("dialog");
  await dialog.getByRole("button", { name: "Leave" }).waitFor();
  assert.equal(await dialog.getByRole("button", { name: "Save" }).count(), 0);
  assert.equal(await dialog.getByRole("button", { name: "Delete room" }).count(), 0);
  await ben.keyboard.press("Escape");
  // Ann is its admin.
  await about(ann);
  await ann.getByLabel("Name", { exact: true }).fill("Long trip");
  await ann.getByRole("button", { name: "Save" }).click();
  await listed(ben, "Long trip").waitFor();
  await about(ann);
  await ann.getByLabel("Names or ids, with commas").fill(await userId(cem));
  await ann.getByRole("button", { name: "Add", exact: true }).click();
  await listed(cem, "Long trip").click();
  await sees(cem, "who drives?");
  await sees(ben, "Ann added Cem");
  await about(ann);
  await ann.locator("dialog li", { hasText: "Cem" }).getByRole("button", { name: "Remove" }).click();
  await listed(cem, "Long trip").waitFor({ state: "detached" });
  await ann.keyboard.press("Escape");
  // Ben leaves by himself.
  ben.on("dialog", (question) => question.accept());
  await about(ben);
  await ben.locator("dialog").getByRole("button", { name: "Leave" }).click();
  await listed(ben, "Long trip").waitFor({ state: "detached" });
  await sees(ann, "Ben left the group");
});

test("the page: reactions, a reply that leads to its original, an edit and a deletion reach the other one", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await say(ann, "shall we go?");
  await listed(ben, "Ann").click();
  await act(ben, "shall we go?", "React with 👍");
  const chip = row(ann, "shall we go?").locator(".chip");
  await chip.getByText("1").waitFor();
  await chip.click();
  await row(ben, "shall we go?").locator(".chip").getByText("2").waitFor();
  await row(ben, "shall we go?").locator(".chip").click();
  await row(ann, "shall we go?").locator(".chip[aria-pressed=true]").getByText("1").waitFor();
  // The reply quotes, and the quote leads back.
  for (let i = 0; i < 30; i++) await say(ann, `filler ${i}`);
  await sees(ben, "filler 29");
  await ben.locator("#scroller").evaluate((scroller) => (scroller.scrollTop = 0));
  await act(ben, "shall we go?", "Reply");
  await ben.locator("#replying").getByText("Reply to Ann: shall we go?").waitFor();
  await say(ben, "yes, now");
  const quote = row(ann, "yes, now").locator(".quote");
  await quote.getByText("shall we go?").waitFor();
  await quote.click();
  await row(ann, "shall we go?").first().and(ann.locator(".target")).waitFor();
  // Edit and delete.
  await act(ben, "yes, now", "Edit");
  await ben.getByLabel("Edit message").fill("yes, soon");
  await ben.getByRole("button", { name: "Save" }).click();
  await sees(ann, "yes, soon");
  await row(ann, "yes, soon").getByText("edited").waitFor();
  await act(ben, "yes, soon", "Delete");
  await sees(ann, "Message deleted");
  assert.equal(await row(ann, "yes, soon").count(), 0);
});

test("the page: a mention is offered, sent and shown as one", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await ann.getByLabel("Message", { exact: true }).pressSequentially("hello @be");
  await ann.getByRole("option", { name: "Ben" }).waitFor();
  await ann.keyboard.press("Enter");
  await ann.keyboard.type("and all");
  await ann.keyboard.press("Enter");
  await ben.locator(".message.named .mention").getByText("@Ben").waitFor();
  assert.equal(await ben.locator(".message.named p:not(.byline)").innerText(), "hello @Ben and all");
});

test("the page: a pinned message stands above the room for all of it", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await say(ann, "the door's code is 1234");
  await listed(ben, "Ann").click();
  await act(ben, "the door's code is 1234", "Pin");
  await ann.locator("#pin").getByText("the door's code is 1234").waitFor();
  await act(ann, "the door's code is 1234", "Unpin");
  await ben.locator("#pins").waitFor({ state: "hidden" });
});

test("the page: a picture is sent and shown in place, another file is offered to be saved, a bad one is refused in words", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await listed(ben, "Ann").click();
  // The smallest picture there is: one pixel.
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  await ann.locator("#files").setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: png });
  const picture = ben.getByRole("img", { name: "dot.png" });
  await picture.waitFor();
  await ben.waitForFunction(() => document.querySelector(".attachment img")?.naturalWidth === 1);
  assert.deepEqual(ben.foreign, []);
  const words = Buffer.from("the words of a file");
  await ann.locator("#files").setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: words });
  const [download] = await Promise.all([ben.waitForEvent("download"), ben.getByRole("link", { name: /notes\.txt \(19 B\)/ }).click()]);
  assert.equal(download.suggestedFilename(), "notes.txt");
  // What it is not cannot be passed off as a picture.
  await ann.locator("#files").setInputFiles({ name: "fake.png", mimeType: "image/png", buffer: words });
  await ann.locator("#uploads").getByText(/^not sent: /).waitFor();
  await ann.locator("#uploads").getByRole("button", { name: "Discard" }).click();
  assert.equal(await ann.locator("#uploads li").count(), 0);
});

test("the page: a search finds, shows what it found, and leads to a message of long ago and back to now", async (t) => {
  const url = await solo(t);
  const room = newRoom();
  const socket = await connect(t, newUser("Ann"), { url });
  await done(socket, "room.join", { roomId: room });
  await send(socket, room, "the <b>albatross</b> & I");
  for (let i = 0; i < 150; i++) await send(socket, room, `line ${i}.`);
  const { tab } = await people(t, url);
  const page = await tab("Ben", room);
  await sees(page, "line 149.");
  await page.getByLabel("Search messages").fill("albatross");
  const hit = page.locator(".hit");
  await hit.locator("mark").getByText("albatross").waitFor();
  assert.equal(await hit.locator(".preview").innerText(), "the <b>albatross</b> & I");
  await hit.click();
  await row(page, "the <b>albatross</b> & I").and(page.locator(".target")).waitFor();
  assert.equal(await page.getByText("line 149.", { exact: true }).count(), 0, "what lies between is not loaded");
  await page.getByRole("button", { name: "New messages" }).click();
  await sees(page, "line 149.");
  assert.deepEqual(page.errors, []);
});

test("the page: one makes an account, is still in after a reload, signs out and in again", async (t) => {
  const url = await solo(t);
  const { fresh } = await people(t, url);
  const page = await fresh();
  const name = `ann${randomUUID().slice(0, 8)}`;
  await page.getByRole("button", { name: "New account" }).click();
  await page.locator("#register-name").fill(name);
  await page.locator("#register-shown").fill("Ann");
  await page.locator("#register-password").fill("correct horse battery");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.locator("#me").getByText("Ann").waitFor();
  const id = await userId(page);
  await page.reload();
  await page.locator("#me").getByText("Ann").waitFor();
  assert.equal(await userId(page), id);
  await page.locator("#me").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("#lobby").waitFor();
  await page.reload();
  await page.locator("#lobby").waitFor();
  await page.getByRole("button", { name: "Sign in" }).first().click();
  await page.locator("#login-name").fill(name);
  await page.locator("#login-password").fill("not the password");
  await page.locator("#login [type=submit]").click();
  await page.locator("#lobby-error").getByText(/./).waitFor();
  await page.locator("#login-password").fill("correct horse battery");
  await page.locator("#login [type=submit]").click();
  await page.locator("#me").getByText("Ann").waitFor();
  assert.equal(await userId(page), id);
  assert.deepEqual(page.errors, []);
});

test("the page: a reloaded guest is the same one, in the same rooms", async (t) => {
  const { ann, ben } = await annAndBen(t);
  await talkTo(ann, "Ben");
  await say(ann, "before");
  await sees(ann, "before");
  const id = await userId(ann);
  await ann.reload();
  await row(ann, "before").and(ann.locator(".own")).waitFor();
  assert.equal(await userId(ann), id);
  assert.equal(await ann.locator("#rooms .room").count(), 2);
  await say(ann, "after");
  await listed(ben, "Ann").click();
  await sees(ben, "after");
});

test("the page: what is written while the server does not answer is sent once, when it does again", async (t) => {
  const { url, ann, ben } = await annAndBen(t);
  process.kill(pidAt(url), "SIGSTOP");
  await say(ann, "into the dark");
  await row(ann, "into the dark").getByText(/sending|trying/).waitFor();
  await ann.waitForTimeout(11_000);
  process.kill(pidAt(url), "SIGCONT");
  await sees(ben, "into the dark");
  await row(ann, "into the dark").locator(".mark").waitFor();
  assert.equal(await row(ben, "into the dark").count(), 1);
  assert.equal(await row(ann, "into the dark").count(), 1);
});

test("the page: on a phone the rooms and the open room are a screen each, and a keyboard alone is enough", async (t) => {
  const url = await solo(t);
  const room = newRoom();
  const { tab, fresh } = await people(t, url);
  const phone = await tab("Ann", room, { viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true });
  await phone.locator("#side").waitFor({ state: "hidden" });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, "nothing sticks out at the side");
  await phone.getByRole("button", { name: "Back to the rooms" }).click();
  await phone.locator("#conversation").waitFor({ state: "hidden" });
  await listed(phone, room).click();
  await phone.goBack();
  await listed(phone, room).waitFor();
  // From the door to a message and a reaction without a mouse.
  const page = await fresh();
  await page.getByLabel("Your name").focus();
  await page.keyboard.type("Ben");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(room);
  await page.keyboard.press("Enter");
  await page.locator("#state[data-state=connected]").waitFor();
  await page.keyboard.type("by hand");
  await page.keyboard.press("Enter");
  await sees(page, "by hand");
  await row(page, "by hand").locator(".mark").waitFor();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.type(", edited");
  await page.keyboard.press("Enter");
  await sees(page, "by hand, edited");
  await page.keyboard.press("Control+k");
  assert.equal(await page.evaluate(() => document.activeElement.id), "query");
});

test("the page: everything that can be pressed has a name, and every field a label", async (t) => {
  const { ann } = await annAndBen(t);
  await say(ann, "something to act on");
  await sees(ann, "something to act on");
  for (const open of [null, "New conversation", "About this room"]) {
    if (open) await ann.getByRole("button", { name: open }).click();
    const nameless = await ann.evaluate(() =>
      [...document.querySelectorAll("button, input, textarea, a, dialog")]
        .filter((one) => one.checkVisibility())
        .filter((one) => !(one.ariaLabel || one.getAttribute("aria-labelledby") || one.textContent.trim() || one.labels?.length))
        .map((one) => one.outerHTML));
    assert.deepEqual(nameless, []);
    if (open) await ann.keyboard.press("Escape");
  }
});

test("the page: a token that expires is renewed on the live connection, and nobody notices", async (t) => {
  const url = await solo(t, "auth.ttl=5s");
  const { fresh } = await people(t, url);
  const page = await fresh();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket));
  await page.getByRole("button", { name: "New account" }).click();
  await page.locator("#register-name").fill(`ben${randomUUID().slice(0, 8)}`);
  await page.locator("#register-password").fill("correct horse battery");
  const renewed = page.waitForResponse((response) => response.url().endsWith("/api/auth/refresh") && response.ok());
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByLabel("Channel").fill(newRoom());
  await page.getByRole("button", { name: "Join", exact: true }).click();
  await page.locator("#state[data-state=connected]").waitFor();
  const opened = sockets.length;
  await renewed;
  await page.waitForTimeout(6_000);
  await say(page, "still the same connection");
  await row(page, "still the same connection").locator(".mark").waitFor();
  assert.equal(sockets.length, opened);
  assert.deepEqual(page.errors, []);
});
