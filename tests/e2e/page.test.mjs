// The page at `/`, in a real browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, done, newUser, randomUUID, send } from "../lib/clients.mjs";
import { people, say, sees } from "../lib/page.mjs";
import { NGINX } from "../lib/place.mjs";
import { solo } from "../lib/process.mjs";

for (const [place, address] of Object.entries({ "the cluster": async () => NGINX, "one process": (t) => solo(t) })) {
  test(`the page opened in two tabs shows messages crossing, against ${place}`, async (t) => {
    const url = await address(t);
    const room = `page-${randomUUID().slice(0, 8)}`;
    const { tab } = await people(t, url);
    const ann = await tab("Ann", room);
    const ben = await tab("Ben", room);
    await say(ann, "hello from Ann");
    await sees(ben, "hello from Ann");
    await say(ben, "hello from Ben");
    await sees(ann, "hello from Ben");
    await sees(ann, "hello from Ann");
    // It is text, whatever it looks like.
    await say(ann, "<img src=x onerror=window.hacked=1>");
    await sees(ben, "<img src=x onerror=window.hacked=1>");
    assert.equal(await ben.evaluate(() => window.hacked), undefined);
    // Each once, and in one order.
    const texts = (page) => page.locator("#messages").innerText();
    for (const page of [ann, ben]) {
      const all = await texts(page);
      for (const text of ["hello from Ann", "hello from Ben"]) assert.equal(all.split(text).length, 2, `${text} once`);
      assert.ok(all.indexOf("hello from Ann") < all.indexOf("hello from Ben"));
      assert.deepEqual(page.errors, [], "no script failed");
      assert.deepEqual(page.foreign, [], "nothing comes from another host");
    }
    // Who types and who is there.
    await ben.getByLabel("Message", { exact: true }).pressSequentially("I am typ");
    await ann.locator("#typing").getByText(/Ben/).waitFor();
    await ann.locator("#people-list").getByText("Ben").waitFor({ state: "attached" });
    // A third tab, opened later, reads what was said.
    const cem = await tab("Cem", room);
    await sees(cem, "hello from Ann");
    await sees(cem, "hello from Ben");
  });
}

test("the page scrolls back through all that was said", async (t) => {
  const url = await solo(t);
  const room = `page-${randomUUID().slice(0, 8)}`;
  const socket = await connect(t, newUser("Ann"), { url });
  await done(socket, "room.join", { roomId: room });
  for (let i = 0; i < 120; i++) await send(socket, room, `line ${i}.`);
  const { tab } = await people(t, url);
  const page = await tab("Ben", room);
  await sees(page, "line 119.");
  const first = page.locator("#messages").getByText("line 0.", { exact: true });
  for (let tries = 0; tries < 40 && !(await first.count()); tries++) {
    await page.locator("#scroller").evaluate((scroller) => (scroller.scrollTop = 0));
    await page.waitForTimeout(100);
  }
  await first.waitFor();
});
