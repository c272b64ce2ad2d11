// What becomes of texts: highlights, links, mentions, names of files. All of it stays text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { highlighted } from "../src/chat/highlight.js";
import { FileUrls, inWords, messageType, safeUrl, sizeWords } from "../src/chat/media.js";
import { mentioned, parts } from "../src/chat/richtext.js";

test("a highlight becomes marked and unmarked text, with its escapes undone once", () => {
  assert.deepEqual(highlighted("a <mark>b</mark> &lt;mark&gt; &amp;lt; &quot;&#39;"), [
    { text: "a ", marked: false },
    { text: "b", marked: true },
    { text: " <mark> &lt; \"'", marked: false },
  ]);
});

test("what a highlight should not hold is text all the same", () => {
  const made = highlighted("<img src=x onerror=alert(1)><mark><script></mark>&bogus;&#x3c;");
  assert.equal(made.map(({ text }) => text).join(""), "<img src=x onerror=alert(1)><script>&bogus;&#x3c;");
  assert.deepEqual(made.map(({ marked }) => marked), [false, true, false]);
  assert.deepEqual(highlighted("never <mark>closed").at(-1), { text: "closed", marked: true });
});

test("addresses can be followed and end where the sentence does; nothing but http and https is one", () => {
  assert.deepEqual(parts("see https://a.example/x?y=1, or (http://b.example)."), [
    { text: "see ", kind: "text" },
    { text: "https://a.example/x?y=1", kind: "link" },
    { text: ", or (", kind: "text" },
    { text: "http://b.example", kind: "link" },
    { text: ").", kind: "text" },
  ]);
  for (const text of ["javascript:alert(1)", "data:text/html,x", "<a href=x>"]) assert.deepEqual(parts(text), [{ text, kind: "text" }]);
});

test("the parts of any text are that text", () => {
  for (const text of ["", "@Ann", "x@Ann https://a.example @Ann!", "((https://a.example)) @@Ann", "\n\n https://…"]) {
    assert.equal(parts(text, ["Ann", "a.example"]).map((part) => part.text).join(""), text);
  }
});

test("a mention is a whole name, the longest that fits", () => {
  const people = [{ userId: "1", name: "Ann" }, { userId: "2", name: "Ann Lee" }, { userId: "3", name: "C++ (he)" }];
  assert.deepEqual(mentioned("@Ann Lee and @C++ (he)", people), ["2", "3"]);
  assert.deepEqual(mentioned("@Anna, Ann", people), []);
  assert.deepEqual(mentioned("@Ann, @Ann!", people), ["1"]);
  assert.deepEqual(mentioned("@Ann", []), []);
});

test("a file becomes the message that shows it, and one that can run script is only a file", () => {
  assert.equal(messageType("image/png"), "image");
  assert.equal(messageType("video/mp4"), "video");
  assert.equal(messageType("application/pdf"), "file");
  assert.equal(messageType("image/svg+xml"), "file");
  assert.equal(messageType(""), "file");
});

test("sizes are told as people say them", () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 10 * 1024 * 1024, NaN].map(sizeWords), ["0 B", "1 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", ""]);
});

test("an address that is none of the web's is not followed", () => {
  const base = "https://chat.example/";
  assert.equal(safeUrl("/api/files/1", base), "https://chat.example/api/files/1");
  assert.equal(safeUrl("https://s3.example/x?sig=1", base), "https://s3.example/x?sig=1");
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "https://", "blob:x"]) assert.equal(safeUrl(bad, base), null);
});

test("a message in a few words tells what it is", () => {
  assert.equal(inWords({ type: "text", content: "hi" }), "hi");
  assert.equal(inWords({ type: "voice", content: "" }), "Voice message");
  assert.equal(inWords({ type: "image", content: "look", metadata: { fileName: "a.png" } }), "Photo: look");
  assert.equal(inWords({ type: "file", content: "a.pdf", metadata: { fileName: "a.pdf" } }), "a.pdf");
  assert.equal(inWords({ type: "text", content: "", deleted: true }), "Message deleted");
});

test("a file's address is asked for once, and again before it ends", async () => {
  let [now, asked] = [0, 0];
  const urls = new FileUrls(async () => ({ url: `/f/${++asked}`, expiresAt: new Date(now + 60_000).toISOString() }), () => now);
  assert.deepEqual(await Promise.all([urls.get("a"), urls.get("a")]), ["/f/1", "/f/1"]);
  now = 49_000;
  assert.equal(await urls.get("a"), "/f/1");
  now = 51_000;
  assert.equal(await urls.get("a"), "/f/2");
});

test("an address that could not be had is asked for again", async () => {
  const answers = [Promise.reject(new Error("busy")), Promise.resolve({ url: "/f", expiresAt: new Date(Date.now() + 60_000).toISOString() })];
  const urls = new FileUrls(() => answers.shift());
  await assert.rejects(urls.get("a"), /busy/);
  assert.equal(await urls.get("a"), "/f");
});
