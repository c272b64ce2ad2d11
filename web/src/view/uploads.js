// Files on their way to the open room: each with its progress, and with a way to give up or try again.

import { messageType, sizeWords } from "../chat/media.js";
import { Upload } from "../chat/upload.js";
import { $, arrange, button, element } from "./dom.js";

const WORDS = { declaring: "waiting…", sending: "", checking: "checking…" };

export class Uploads {
  #rows = new Map();

  send(room, files) {
    for (const file of files) this.#start(room, file);
  }

  /** Those of this room, or of none. */
  show(room) {
    const mine = [...this.#rows].filter(([upload]) => upload.roomId === room?.roomId);
    arrange($("uploads"), mine.map(([, row]) => row.node));
  }

  async #start(room, file) {
    const { session } = room;
    const upload = new Upload(file, room.roomId, {
      ask: (event, payload) => session.ask(event, payload),
      changed: () => this.#draw(upload),
    });
    const bar = element("progress", { max: file.size || 1, value: 0, ariaLabel: `Sending ${file.name}` });
    const note = element("span", { className: "note", role: "status" });
    const ends = element("span", {});
    this.#rows.set(upload, { node: element("li", {}, element("span", { className: "name" }, file.name), bar, note, ends), bar, note, ends, room });
    session.uploads.add(upload);
    this.#draw(upload);
    this.show(session.current);
    const sent = await upload.run();
    session.uploads.delete(upload);
    if (sent) {
      const { fileId, fileName, fileSize, mimeType } = sent;
      const dimensions = await sizeOf(file);
      this.#drop(upload);
      room.send(fileName, { type: messageType(mimeType), metadata: { fileId, fileName, fileSize, mimeType, ...(dimensions ? { dimensions } : {}) } });
    } else if (upload.state === "cancelled") {
      this.#drop(upload);
    }
  }

  #draw(upload) {
    const row = this.#rows.get(upload);
    if (!row) return;
    const { state, loaded, total, error, file } = upload;
    row.bar.hidden = upload.over;
    row.bar.value = loaded;
    row.note.textContent = state === "failed" ? `not sent: ${error}` : WORDS[state] || `${sizeWords(loaded)} of ${sizeWords(total)}`;
    row.note.classList.toggle("error", state === "failed");
    const again = () => {
      this.#drop(upload);
      this.#start(row.room, file);
    };
    const wanted = state === "failed" ? "failed" : "running";
    if (row.shown === wanted) return;
    row.shown = wanted;
    row.ends.replaceChildren(
      ...(state === "failed"
        ? [button("Try again", again, { className: "link" }), button("Discard", () => this.#drop(upload), { className: "link" })]
        : [button("Cancel", () => upload.cancel(), { className: "link", ariaLabel: `Do not send ${file.name}` })]),
    );
  }

  #drop(upload) {
    this.#rows.get(upload)?.node.remove();
    this.#rows.delete(upload);
  }
}

/** A picture's width and height, so that others keep a place for it. */
async function sizeOf(file) {
  if (messageType(file.type) !== "image") return null;
  try {
    const { width, height } = await createImageBitmap(file);
    return { width, height };
  } catch {
    return null;
  }
}
