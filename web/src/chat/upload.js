// One file on its way: declared, sent with progress, checked by the server. Then it is a message like any other.

/** Sends the bytes. `XMLHttpRequest`, because `fetch` does not tell how far an upload has got. */
export function put({ url, method = "PUT", headers = {} }, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    // The browser says the length itself, and lets no script do it.
    for (const [name, value] of pairs(headers)) if (!/^(content-length|host)$/i.test(name)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(loaded, total);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(words(request))));
    request.onerror = () => reject(new Error("The connection broke off"));
    request.onabort = () => reject(new Error("Cancelled"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const pairs = (headers) => (Array.isArray(headers) ? headers : Object.entries(headers));

function words({ status, responseText }) {
  const known = { 413: "The file is too large", 415: "This type of file is not accepted" };
  try {
    return JSON.parse(responseText).message ?? known[status];
  } catch {
    return known[status] ?? `The server answered ${status}`;
  }
}

export class Upload {
  /** `declaring`, `sending`, `checking`, `done`, `failed` or `cancelled`. */
  state = "declaring";
  loaded = 0;
  error = null;
  #id = null;
  #abort = new AbortController();

  /**
   * @param {File} file
   * @param {string} roomId
   * @param {{ask: (event: string, payload: object) => Promise<object>, put?: typeof put, changed?: () => void}} means
   */
  constructor(file, roomId, { ask, put: send = put, changed = () => {} }) {
    Object.assign(this, { file, roomId, ask, send, changed });
    this.total = file.size;
  }

  get over() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }

  /** Runs to the end. The file as the server has it, or null where it failed or was cancelled. */
  async run() {
    const { file, roomId } = this;
    try {
      const mimeType = file.type || "application/octet-stream";
      const started = await this.ask("file.upload.start", { roomId, fileName: file.name, fileSize: file.size, mimeType });
      this.#id = started.uploadId;
      if (this.over) return this.#withdraw();
      this.#become("sending");
      await this.send(started, file, (loaded) => this.#progress(loaded), this.#abort.signal);
      if (this.over) return null;
      this.#become("checking");
      const done = await this.ask("file.upload.complete", { uploadId: this.#id });
      if (this.over) return null;
      this.#become("done");
      return { fileName: file.name, fileSize: file.size, mimeType, ...done };
    } catch (error) {
      if (!this.over) this.fail(error.message);
      return null;
    }
  }

  /** The server may say so on its own: `file.upload.error`. */
  fail(message) {
    this.error = message;
    this.#abort.abort();
    this.#become("failed");
  }

  cancel() {
    if (this.over) return;
    this.#become("cancelled");
    this.#abort.abort();
    this.#withdraw();
  }

  is(uploadId) {
    return this.#id === uploadId;
  }

  #withdraw() {
    if (this.#id) this.ask("file.upload.cancel", { uploadId: this.#id }).catch(() => {});
    return null;
  }

  #progress(loaded) {
    this.loaded = loaded;
    if (!this.over) this.changed();
  }

  #become(state) {
    this.state = state;
    this.changed();
  }
}
