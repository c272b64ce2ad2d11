import assert from "node:assert/strict";
import { test } from "node:test";
import { Upload } from "../src/chat/upload.js";

const file = { name: "cat.png", size: 100, type: "image/png" };

/** An upload against a server that answers so; `put` is what becomes of the bytes. */
function scene({ put = async (_, __, progress) => progress(100), refuse = {} } = {}) {
  const asked = [];
  const states = [];
  const upload = new Upload(file, "room", {
    ask: async (event, payload) => {
      asked.push([event, payload]);
      if (refuse[event]) throw new Error(refuse[event]);
      return event === "file.upload.start" ? { uploadId: "u1", url: "/api/files/u1", method: "PUT", headers: {} } : { fileId: "f1" };
    },
    put,
    changed: () => states.push(upload.state),
  });
  return { upload, asked, states };
}

test("a file is declared, sent, checked, and then known by its id", async () => {
  const { upload, asked, states } = scene();
  assert.deepEqual(await upload.run(), { fileId: "f1", fileName: "cat.png", fileSize: 100, mimeType: "image/png" });
  assert.deepEqual(asked.map(([event]) => event), ["file.upload.start", "file.upload.complete"]);
  assert.deepEqual(asked[0][1], { roomId: "room", fileName: "cat.png", fileSize: 100, mimeType: "image/png" });
  assert.deepEqual([...new Set(states)], ["sending", "checking", "done"]);
  assert.equal(upload.loaded, 100);
});

for (const [where, refuse] of Object.entries({ "its declaration": "file.upload.start", "its check": "file.upload.complete" })) {
  test(`a file that is refused at ${where} fails with the server's words`, async () => {
    const { upload } = scene({ refuse: { [refuse]: "This type is not accepted" } });
    assert.equal(await upload.run(), null);
    assert.deepEqual([upload.state, upload.error], ["failed", "This type is not accepted"]);
  });
}

test("bytes that do not get through fail the upload, and nothing is checked", async () => {
  const { upload, asked } = scene({ put: async () => Promise.reject(new Error("The connection broke off")) });
  await upload.run();
  assert.equal(upload.error, "The connection broke off");
  assert.deepEqual(asked.map(([event]) => event), ["file.upload.start"]);
});

test("a cancelled upload stops sending and is withdrawn", async () => {
  const put = (_, __, ___, signal) => new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(new Error("Cancelled"))));
  const { upload, asked } = scene({ put });
  const running = upload.run();
  await new Promise((resolve) => setTimeout(resolve));
  upload.cancel();
  assert.equal(await running, null);
  assert.equal(upload.state, "cancelled");
  assert.deepEqual(asked.at(-1), ["file.upload.cancel", { uploadId: "u1" }]);
});

test("an upload that was cancelled before the server knew of it is withdrawn as soon as it does", async () => {
  const { upload, asked } = scene();
  const running = upload.run();
  upload.cancel();
  assert.equal(await running, null);
  assert.deepEqual(asked.map(([event]) => event), ["file.upload.start", "file.upload.cancel"]);
});

test("the server's own word ends it", async () => {
  const put = (_, __, ___, signal) => new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(new Error("Cancelled"))));
  const { upload } = scene({ put });
  const running = upload.run();
  await new Promise((resolve) => setTimeout(resolve));
  upload.fail("The file is too large");
  assert.equal(await running, null);
  assert.deepEqual([upload.state, upload.error], ["failed", "The file is too large"]);
});
