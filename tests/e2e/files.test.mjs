// Files: declared, brought, checked, referred to by messages, fetched by members and by nobody else.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ask, connect, done, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { as, bytesOf, declare, png, put, upload } from "../lib/files.mjs";
import { NGINX, S3 } from "../lib/place.mjs";
import { extraGateway, solo } from "../lib/process.mjs";
import { heard, until } from "../lib/wait.mjs";

const MAX = 10_000;

/** Ann and Ben in a group, and Eve who is not. */
async function people(t, url = NGINX) {
  const [ann, ben, eve] = ["Ann", "Ben", "Eve"].map(newUser);
  const sockets = await Promise.all([ann, ben, eve].map((user) => connect(t, user, { url })));
  const [a, b, e] = [ann, ben, eve].map((user, i) => ({ user, socket: sockets[i] }));
  return { ann: a, ben: b, eve: e, roomId: await newGroup(a, [b]) };
}

const refusal = async (response) => ({ status: response.status, ...(await response.json()) });

test("a file is brought with progress, a message refers to it, and a member fetches it whole and in ranges", async (t) => {
  const { ann, ben, roomId } = await people(t);
  const bytes = png(3_000_000);
  const progress = [];
  ann.socket.on("file.upload.progress", (one) => progress.push(one));
  const started = await declare(ann.socket, roomId, bytes, { fileName: "Grüße.png" });
  assert.equal(started.method, "PUT");
  assert.ok(Date.parse(started.expiresAt) > Date.now());
  assert.equal((await put(NGINX, started, bytes)).status, 204);
  await until("the last progress", () => progress.at(-1)?.loaded === bytes.length);
  for (const [i, one] of progress.entries()) {
    assert.deepEqual([one.uploadId, one.total], [started.uploadId, bytes.length]);
    assert.ok(i === 0 || one.loaded > progress[i - 1].loaded);
  }
  const complete = await done(ann.socket, "file.upload.complete", { uploadId: started.uploadId });
  assert.deepEqual([complete.fileName, complete.fileSize, complete.mimeType], ["Grüße.png", bytes.length, "image/png"]);
  const again = await done(ann.socket, "file.upload.complete", { uploadId: started.uploadId });
  assert.equal(again.fileId, complete.fileId, "completing twice is completing once");

  const { fileId } = complete;
  const message = heard(ben.socket, "message.received", ({ type }) => type === "image");
  await send(ann.socket, roomId, "", { type: "image", metadata: { fileId, fileName: "Grüße.png" } });
  assert.equal((await message).metadata.fileId, fileId);

  const url = `${NGINX}/api/files/${fileId}`;
  const whole = await as(ben.user, url);
  assert.equal(whole.status, 200);
  assert.deepEqual(await bytesOf(whole), bytes);
  for (const [name, value] of [
    ["content-type", "image/png"],
    ["content-length", String(bytes.length)],
    ["accept-ranges", "bytes"],
    ["x-content-type-options", "nosniff"],
    ["content-security-policy", "sandbox; default-src 'none'"],
    ["content-disposition", `inline; filename="Gr__e.png"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.png`],
  ]) {
    assert.equal(whole.headers.get(name), value, name);
  }
  assert.match(whole.headers.get("cache-control"), /^private/);
  const etag = whole.headers.get("etag");

  for (const [range, from, to] of [["bytes=0-9", 0, 10], ["bytes=2999990-", 2_999_990, 3_000_000], ["bytes=-5", 2_999_995, 3_000_000]]) {
    const part = await as(ben.user, url, { headers: { range } });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get("content-range"), `bytes ${from}-${to - 1}/${bytes.length}`);
    assert.deepEqual(await bytesOf(part), bytes.subarray(from, to));
  }
  const beyond = await as(ben.user, url, { headers: { range: "bytes=3000000-" } });
  assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, `bytes */${bytes.length}`]);
  const changed = await as(ben.user, url, { headers: { range: "bytes=0-9", "if-range": '"another"' } });
  assert.deepEqual([changed.status, (await bytesOf(changed)).length], [200, bytes.length]);
  assert.equal((await as(ben.user, url, { headers: { "if-none-match": etag } })).status, 304);
  const head = await as(ben.user, url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(bytes.length)]);

  // An address for a page's <img>, which sends no token.
  const address = await done(ben.socket, "file.url", { fileId });
  assert.ok(Date.parse(address.expiresAt) > Date.now());
  const shown = await fetch(new URL(address.url, NGINX), { headers: { range: "bytes=0-3" } });
  assert.deepEqual([shown.status, (await bytesOf(shown)).toString("latin1")], [206, "\x89PNG"]);
  assert.equal((await fetch(new URL(address.url.slice(0, -1), NGINX))).status, 401, "a signature that was cut");
  const other = await (await as(ben.user, `${url}/url`, { method: "POST" })).json();
  assert.equal((await fetch(new URL(other.url, NGINX))).status, 200);
  assert.equal((await fetch(url)).status, 401, "no token at all");

  // Who leaves the room has left its files too, whatever address they hold.
  await done(ben.socket, "room.leave", { roomId });
  const gone = async () => (await fetch(new URL(address.url, NGINX))).status === 404;
  await until("the address is good no more", gone, { within: 10_000 });
  assert.equal((await as(ben.user, url)).status, 404);
  assert.equal((await as(ann.user, url)).status, 200);
});

test("strangers are told of a file what they are told of one that is not there", async (t) => {
  const { ann, eve, roomId } = await people(t);
  const { fileId } = await upload(NGINX, ann.socket, roomId, png(100));
  const started = await declare(ann.socket, roomId, png(100));
  for (const [method, path] of [["GET", ""], ["HEAD", ""], ["GET", "/photo.png"], ["POST", "/url"], ["POST", "/complete"], ["DELETE", ""]]) {
    const tell = async (id) => {
      const response = await as(eve.user, `${NGINX}/api/files/${id}${path}`, { method });
      return [response.status, await response.text()];
    };
    const made = await tell(randomUUID());
    assert.equal(made[0], 404);
    assert.deepEqual(await tell(fileId), made, `${method} ${path}`);
    assert.deepEqual(await tell(started.uploadId), made, `${method} ${path} of one that is not complete`);
    assert.deepEqual(await tell("..%2f..%2fetc%2fpasswd"), made);
  }
  for (const [event, field] of [["file.url", "fileId"], ["file.upload.complete", "uploadId"], ["file.upload.cancel", "uploadId"]]) {
    const made = await ask(eve.socket, event, { [field]: randomUUID() });
    assert.equal(made.error, "not_found");
    assert.deepEqual(await ask(eve.socket, event, { [field]: fileId }), made, event);
  }
  const put404 = await as(eve.user, `${NGINX}/api/files/${started.uploadId}`, { method: "PUT", body: png(100) });
  assert.equal(put404.status, 404);
  const room404 = await ask(eve.socket, "file.upload.start", { roomId, fileName: "a.png", fileSize: 1, mimeType: "image/png" });
  const nowhere = await ask(eve.socket, "file.upload.start", { roomId: "group_none", fileName: "a.png", fileSize: 1, mimeType: "image/png" });
  assert.equal(room404.error, "not_found");
  assert.deepEqual(room404, nowhere);
  // A message of the stranger's own cannot bring it in by its id.
  const eves = await newGroup(eve, [ann]);
  const stolen = await ask(eve.socket, "message.send", { roomId: eves, content: "", type: "image", metadata: { fileId } });
  assert.deepEqual([stolen.error, stolen.field], ["bad_request", "metadata"]);
});

test("a file is as large as it was declared, and no larger than the limit", async (t) => {
  const url = await solo(t, `files.max_size=${MAX}`);
  const { ann, roomId } = await people(t, url);
  for (const size of [MAX - 1, MAX]) {
    const { fileSize } = await upload(url, ann.socket, roomId, png(size));
    assert.equal(fileSize, size);
  }
  const file = { roomId, fileName: "a.png", mimeType: "image/png" };
  const refused = await ask(ann.socket, "file.upload.start", { ...file, fileSize: MAX + 1 });
  assert.deepEqual([refused.error, refused.field, refused.retryable], ["too_large", "fileSize", false]);
  for (const fileSize of [0, -1, 1.5, "10", null, 2 ** 53]) {
    const wrong = await ask(ann.socket, "file.upload.start", { ...file, fileSize });
    assert.deepEqual([wrong.error, wrong.field], ["bad_request", "fileSize"], String(fileSize));
  }
  const overRest = await as(ann.user, `${url}/api/files`, { method: "POST", body: JSON.stringify({ ...file, fileSize: MAX + 1 }) });
  assert.equal(overRest.status, 413);

  const started = await declare(ann.socket, roomId, png(500));
  const longer = await refusal(await put(url, started, png(501)));
  assert.deepEqual([longer.status, longer.error], [413, "too_large"]);
  assert.equal((await put(url, started, png(499))).status, 400);
  // A body that does not say how long it is.
  const chunked = await new Promise((resolve, reject) => {
    const going = request(new URL(started.url, url), { method: "PUT", headers: { "transfer-encoding": "chunked" } });
    going.on("error", reject).on("response", (response) => resolve(response.resume().statusCode));
    going.end(png(500));
  });
  assert.equal(chunked, 400);
  // A client that breaks off is told so, and may try again.
  const retry = await declare(ann.socket, roomId, png(500));
  const failed = heard(ann.socket, "file.upload.error", ({ uploadId }) => uploadId === retry.uploadId);
  await new Promise((resolve) => {
    const going = request(new URL(retry.url, url), { method: "PUT", headers: { "content-length": 500 } });
    going.on("error", resolve);
    going.write(png(100));
    setTimeout(() => going.destroy(new Error("gone")), 200);
  });
  assert.equal((await failed).error, "bad_request");
  assert.equal((await put(url, retry, png(500))).status, 204);
});

test("bytes that are not what was declared are refused, and nothing of them can be fetched", async (t) => {
  const url = await solo(t);
  const { ann, roomId } = await people(t, url);
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  const html = Buffer.from("<!doctype html><script>alert(1)</script>");
  const gifScript = Buffer.from("GIF89a/*\x01\x00<script>alert(1)</script>*/=1;", "latin1");
  const zipEnd = Buffer.from("504b0506000000000100010000000000000000000000", "hex");
  // By their types alone.
  for (const mimeType of ["image/svg+xml", "text/html", "application/xhtml+xml", "text/javascript", "application/x-msdownload"]) {
    const refused = await ask(ann.socket, "file.upload.start", { roomId, fileName: "a", fileSize: 10, mimeType });
    assert.deepEqual([refused.error, refused.field], ["unsupported_type", "mimeType"], mimeType);
    const overRest = await as(ann.user, `${url}/api/files`, { method: "POST", body: JSON.stringify({ roomId, fileName: "a", fileSize: 10, mimeType }) });
    assert.equal(overRest.status, 415);
  }
  // By their bytes.
  for (const [what, bytes, mimeType] of [
    ["a drawing called a picture", svg, "image/png"],
    ["a page called a picture", html, "image/jpeg"],
    ["a program called a document", Buffer.from("MZ\x90\x00".padEnd(64, "\0"), "latin1"), "application/pdf"],
    ["a picture of another type", png(100), "image/gif"],
    ["a picture that is a script as well", gifScript, "image/gif"],
    ["a picture that is an archive as well", Buffer.concat([png(200), zipEnd]), "image/png"],
    ["no text at all", Buffer.from([0xff, 0xfe, 0, 1, 2]), "text/plain"],
  ]) {
    const started = await declare(ann.socket, roomId, bytes, { mimeType });
    assert.equal((await put(url, started, bytes)).status, 204, what);
    const failed = heard(ann.socket, "file.upload.error", ({ uploadId }) => uploadId === started.uploadId);
    const { error, retryable } = await ask(ann.socket, "file.upload.complete", { uploadId: started.uploadId });
    assert.deepEqual([error, retryable], ["unsupported_type", false], what);
    assert.equal((await failed).error, "unsupported_type");
    assert.equal((await as(ann.user, `${url}/api/files/${started.uploadId}`)).status, 404, what);
    assert.equal((await ask(ann.socket, "file.upload.complete", { uploadId: started.uploadId })).error, "not_found");
  }
  const overRest = await declare(ann.socket, roomId, svg);
  await put(url, overRest, svg);
  assert.equal((await as(ann.user, `${url}/api/files/${overRest.uploadId}/complete`, { method: "POST" })).status, 415);
  // What is not shown in place is a download.
  const note = Buffer.from("<script>alert('this is text')</script> Grüße");
  const text = await upload(url, ann.socket, roomId, note, { fileName: "note.html", mimeType: "text/plain" });
  const served = await as(ann.user, new URL(text.url, url));
  assert.deepEqual(await bytesOf(served), note);
  assert.equal(served.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.match(served.headers.get("content-disposition"), /^attachment; filename="note.html"/);
  assert.equal(served.headers.get("x-content-type-options"), "nosniff");
  assert.match(served.headers.get("content-security-policy"), /^sandbox/);
});

test("a file's name has no folders, and cannot break a header or an address", async (t) => {
  const url = await solo(t);
  const { ann, roomId } = await people(t, url);
  for (const [fileName, cleaned] of [
    ["../../etc/passwd", "passwd"],
    ["..\\..\\boot.ini", "boot.ini"],
    ["a\r\nSet-Cookie: x=1.png", "aSet-Cookie: x=1.png"],
    ['"; filename="evil.html', '"; filename="evil.html'],
    ["..", "file"],
    ["url", "url"],
    ["complete", "complete"],
    ["photo\u202egnp.exe", "photognp.exe"],
  ]) {
    const file = await upload(url, ann.socket, roomId, png(80), { fileName });
    assert.equal(file.fileName, cleaned);
    const served = await fetch(new URL(file.url, url));
    assert.equal(served.status, 200, fileName);
    assert.equal(served.headers.get("set-cookie"), null);
    assert.equal(served.headers.get("content-disposition").split("filename*=UTF-8''")[1], encodeURIComponent(cleaned).replaceAll("*", "%2A"));
  }
  const long = await ask(ann.socket, "file.upload.start", { roomId, fileName: "x".repeat(256), fileSize: 1, mimeType: "image/png" });
  assert.deepEqual([long.error, long.field], ["bad_request", "fileName"]);
});

test("bytes are brought once, by their owner, as they were declared", async (t) => {
  const url = await solo(t);
  const { ann, ben, roomId } = await people(t, url);
  const bytes = png(300);
  const early = await declare(ann.socket, roomId, bytes);
  assert.equal((await ask(ann.socket, "file.upload.complete", { uploadId: early.uploadId })).error, "conflict");
  const plain = `${url}/api/files/${early.uploadId}`;
  assert.equal((await fetch(plain, { method: "PUT", body: bytes })).status, 401);
  assert.equal((await as(ben.user, plain, { method: "PUT", body: bytes })).status, 404, "a member, but not the owner");
  assert.equal((await put(url, early, bytes, { "Content-Type": "text/html" })).status, 415);
  assert.equal((await as(ann.user, plain, { method: "PUT", body: bytes })).status, 204, "the owner's token serves as well");
  assert.equal((await put(url, early, png(300))).status, 409, "a second time");
  await done(ann.socket, "file.upload.complete", { uploadId: early.uploadId });
  assert.equal((await put(url, early, png(300))).status, 409, "after it was completed");
  assert.deepEqual(await bytesOf(await as(ben.user, plain)), bytes);

  const cancelled = await declare(ann.socket, roomId, bytes);
  assert.equal((await ask(ben.socket, "file.upload.cancel", { uploadId: cancelled.uploadId })).error, "not_found");
  await done(ann.socket, "file.upload.cancel", { uploadId: cancelled.uploadId });
  assert.equal((await put(url, cancelled, bytes)).status, 404);
  assert.equal((await ask(ann.socket, "file.upload.complete", { uploadId: cancelled.uploadId })).error, "not_found");
});

test("a message refers to a complete file of its sender and room, or is refused", async (t) => {
  const url = await solo(t);
  const { ann, ben, roomId } = await people(t, url);
  const another = await newGroup(ann, [ben], "Another");
  const bytes = png(300);
  const { fileId } = await upload(url, ann.socket, roomId, bytes);
  const unfinished = await declare(ann.socket, roomId, bytes);
  const image = (fileId, room = roomId) => ({ roomId: room, content: "", type: "image", metadata: { fileId } });
  for (const [what, socket, payload] of [
    ["another's", ben.socket, image(fileId)],
    ["of another room", ann.socket, image(fileId, another)],
    ["not complete", ann.socket, image(unfinished.uploadId)],
    ["made up", ann.socket, image(randomUUID())],
    ["no id", ann.socket, image("../../etc/passwd")],
    ["no text", ann.socket, image(7)],
  ]) {
    const refused = await ask(socket, "message.send", payload);
    assert.deepEqual([refused.error, refused.field, refused.retryable], ["bad_request", "metadata", false], what);
  }
  // Once, and again.
  for (let i = 0; i < 2; i++) await done(ann.socket, "message.send", image(fileId));
  // Plain text may say what it likes.
  await send(ann.socket, roomId, "look", { metadata: { fileId: randomUUID() } });
  const cancel = await ask(ann.socket, "file.upload.cancel", { uploadId: fileId });
  assert.equal(cancel.error, "conflict");
  assert.equal((await as(ben.user, `${url}/api/files/${fileId}`)).status, 200);
});

test("files to which no message refers are removed, bytes and all, and the others stay", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "parlor-files-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const url = await solo(t, "limits.file=off", "files.orphan_age=3s", `files.folder=${folder}`);
  const { ann, roomId } = await people(t, url);
  const stored = async () => {
    const lists = await Promise.all(["incoming", "files"].map((one) => readdir(join(folder, one)).catch(() => [])));
    return lists.flat().length;
  };
  const kept = await upload(url, ann.socket, roomId, png(100));
  await send(ann.socket, roomId, "", { type: "image", metadata: { fileId: kept.fileId } });
  const unreferred = await upload(url, ann.socket, roomId, png(100));
  const unfinished = await declare(ann.socket, roomId, png(100));
  assert.equal((await put(url, unfinished, png(100))).status, 204);
  const cancelled = await upload(url, ann.socket, roomId, png(100));
  await done(ann.socket, "file.upload.cancel", { uploadId: cancelled.fileId });
  assert.equal(await stored(), 3, "a cancelled file's bytes go at once");
  await until("the orphans are gone", async () => (await stored()) === 1, { within: 15_000 });
  for (const [id, status] of [[kept.fileId, 200], [unreferred.fileId, 404], [cancelled.fileId, 404]]) {
    assert.equal((await as(ann.user, `${url}/api/files/${id}`)).status, status);
  }
  const late = await ask(ann.socket, "message.send", { roomId, content: "", type: "image", metadata: { fileId: unreferred.fileId } });
  assert.equal(late.error, "bad_request");
});

test("a user declares five files in five minutes, over socket and REST together", async (t) => {
  const url = await solo(t, "limits.file=5/300s");
  const { ann, ben, roomId } = await people(t, url);
  const file = { roomId, fileName: "a.png", fileSize: 100, mimeType: "image/png" };
  for (let i = 0; i < 3; i++) await done(ann.socket, "file.upload.start", file);
  for (let i = 0; i < 2; i++) {
    assert.equal((await as(ann.user, `${url}/api/files`, { method: "POST", body: JSON.stringify(file) })).status, 201);
  }
  const { error, limit, window, retryAfter } = await ask(ann.socket, "file.upload.start", file);
  assert.deepEqual([error, limit, window], ["RATE_LIMIT_EXCEEDED", 5, 300]);
  assert.ok(retryAfter > 0 && retryAfter <= 300);
  assert.equal((await as(ann.user, `${url}/api/files`, { method: "POST", body: JSON.stringify(file) })).status, 429);
  await done(ben.socket, "file.upload.start", file);
});

test("with a bucket clients bring and fetch the bytes there by themselves, and what was checked is what is served", async (t) => {
  const gateway = await extraGateway(
    t,
    "gateway-files",
    ...["message", "file", "room_create"].map((tier) => `limits.${tier}=off`),
    "files.folder=",
    `files.bucket=${S3.bucket}`,
    `files.endpoint=${S3.endpoint}`,
    `files.access_key=${S3.id}`,
    `files.secret_key=${S3.secret}`,
  );
  const { ann, ben, roomId } = await people(t, gateway);
  const bytes = png(200_000);
  const started = await declare(ann.socket, roomId, bytes, { fileName: "é.png" });
  assert.ok(started.url.startsWith(`${S3.endpoint}/${S3.bucket}/incoming/${started.uploadId}?`), started.url);
  assert.equal((await put(gateway, started, png(200_001))).status, 403, "another size");
  assert.equal((await put(gateway, started, bytes, { "Content-Type": "text/html" })).status, 403, "another type");
  assert.equal((await put(gateway, { ...started, url: started.url.replace(started.uploadId, randomUUID()) }, bytes)).status, 403);
  assert.equal((await put(gateway, started, bytes)).status, 200);
  const { fileId } = await done(ann.socket, "file.upload.complete", { uploadId: started.uploadId });
  await send(ann.socket, roomId, "", { type: "image", metadata: { fileId } });
  // The address is good for a while yet, but not for the file.
  const evil = Buffer.from("<script>".padEnd(200_000));
  await put(gateway, started, evil);
  await done(ann.socket, "file.upload.complete", { uploadId: started.uploadId });

  const away = await as(ben.user, `${gateway}/api/files/${fileId}`, { redirect: "manual" });
  assert.equal(away.status, 302);
  const there = away.headers.get("location");
  assert.ok(there.startsWith(`${S3.endpoint}/${S3.bucket}/files/`), there);
  const served = await fetch(there);
  assert.deepEqual(await bytesOf(served), bytes);
  assert.equal(served.headers.get("content-type"), "image/png");
  assert.equal(served.headers.get("content-disposition"), `inline; filename="_.png"; filename*=UTF-8''%C3%A9.png`);
  const part = await fetch(there, { headers: { range: "bytes=0-3" } });
  assert.deepEqual([part.status, await bytesOf(part)], [206, bytes.subarray(0, 4)]);
  const head = await as(ben.user, `${gateway}/api/files/${fileId}`, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "200000"]);
  assert.equal((await fetch(there.split("?")[0])).status, 403, "without a signature");

  const wrong = await declare(ann.socket, roomId, evil);
  assert.equal((await put(gateway, wrong, evil)).status, 200);
  assert.equal((await ask(ann.socket, "file.upload.complete", { uploadId: wrong.uploadId })).error, "unsupported_type");
  assert.equal((await (await fetch(`${gateway}/health/ready`)).json()).dependencies.files.state, "up");
});
