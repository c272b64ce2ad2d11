// Files as messages: what type of message a file makes, and how it is named in words.

const UNITS = ["B", "KiB", "MiB", "GiB"];

/** The message type for a media type. Pictures that can run script are files like any other. */
export function messageType(mime) {
  if (mime === "image/svg+xml") return "file";
  const kind = mime.split("/")[0];
  return ["image", "audio", "video"].includes(kind) ? kind : "file";
}

export function sizeWords(bytes) {
  if (!Number.isFinite(bytes) || bytes < 0) return "";
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value >= 10 || power === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** An address that a page may follow: http(s), or a path of this server. `null` for `javascript:` and the like. */
export function safeUrl(text, base) {
  try {
    const url = new URL(text, base);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

const WORDS = { image: "Photo", video: "Video", audio: "Audio", voice: "Voice message" };

/** A message in a few words, for a list or a quote. */
export function inWords({ type, content, metadata, deleted, encrypted }) {
  if (deleted) return "Message deleted";
  if (encrypted) return "Encrypted message";
  if (type === "file") return metadata?.fileName ?? (content || "File");
  if (WORDS[type]) return content && content !== metadata?.fileName ? `${WORDS[type]}: ${content}` : WORDS[type];
  return content ?? "";
}

/** Addresses of files: short-lived, so that each is asked for once and again shortly before its end. */
export class FileUrls {
  #known = new Map();

  /** @param {(fileId: string) => Promise<{url: string, expiresAt?: string}>} ask */
  constructor(ask, now = Date.now) {
    this.ask = ask;
    this.now = now;
  }

  async get(fileId) {
    const known = this.#known.get(fileId);
    if (known && (await known.until) > this.now()) return known.url;
    const answer = this.ask(fileId);
    const entry = {
      url: answer.then(({ url }) => url),
      until: answer.then(({ expiresAt }) => (Date.parse(expiresAt) || this.now() + 60_000) - 10_000, () => 0),
    };
    this.#known.set(fileId, entry);
    entry.url.catch(() => this.#known.get(fileId) === entry && this.#known.delete(fileId));
    return entry.url;
  }
}
