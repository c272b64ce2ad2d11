// Files as clients bring and fetch them.
import { randomBytes } from "node:crypto";
import { done, tokenOf } from "./clients.mjs";

const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489", "hex");

/** Bytes that begin as a picture does, no two alike. */
export const png = (size) => Buffer.concat([PNG, randomBytes(Math.max(0, size - PNG.length))]).subarray(0, size);

/** Declares bytes as a file; its ack. */
export const declare = (socket, roomId, bytes, { fileName = "photo.png", mimeType = "image/png", fileSize = bytes.length } = {}) =>
  done(socket, "file.upload.start", { roomId, fileName, fileSize, mimeType });

/** PUTs bytes where a declaration said, as it said. */
export function put(base, { url, method, headers }, bytes, more = {}) {
  return fetch(new URL(url, base), { method, headers: { ...headers, ...more }, body: bytes });
}

/** The whole way; the ack of its completion. */
export async function upload(base, socket, roomId, bytes, declared) {
  const started = await declare(socket, roomId, bytes, declared);
  const response = await put(base, started, bytes);
  if (!response.ok) throw new Error(`PUT was refused: ${response.status} ${await response.text()}`);
  return done(socket, "file.upload.complete", { uploadId: started.uploadId });
}

/** A request in a user's name. */
export async function as(user, url, { method = "GET", headers = {}, ...more } = {}) {
  return fetch(url, { method, headers: { authorization: `Bearer ${await tokenOf(user)}`, ...headers }, ...more });
}

export const bytesOf = async (response) => Buffer.from(await response.arrayBuffer());
