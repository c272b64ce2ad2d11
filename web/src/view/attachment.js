// A file in a message: a picture in place, sound and film with their controls, all else as a link to save it.

import { safeUrl, sizeWords } from "../chat/media.js";
import { element } from "./dom.js";

const INLINE = new Set(["image", "audio", "video", "voice"]);

export function attachment({ type, metadata }, act) {
  const { fileId, fileName, fileSize, mimeType, dimensions } = metadata;
  const name = typeof fileName === "string" && fileName ? fileName : "File";
  const size = sizeWords(fileSize);
  const link = element("a", { className: "file", download: name }, `${name}${size ? ` (${size})` : ""}`);
  const made = element("div", { className: "attachment" });
  const place = async () => {
    try {
      const url = safeUrl(await act.fileUrl(fileId), location.href);
      if (!url) throw new Error("This file's address is not a web address");
      link.href = url;
      return url;
    } catch (error) {
      made.append(element("span", { className: "note error" }, error.message));
      return null;
    }
  };
  // A link is asked for again when it is followed: it lives for a short time only.
  link.onclick = (event) => {
    if (link.href && link.dataset.fresh) return void delete link.dataset.fresh;
    event.preventDefault();
    place().then((url) => {
      if (!url) return;
      link.dataset.fresh = "yes";
      link.click();
    });
  };
  link.href = "#";
  if (!INLINE.has(type) || mimeType === "image/svg+xml") {
    made.append(link);
    return made;
  }
  const shown = type === "image" ? element("img", { alt: name, loading: "lazy", decoding: "async" }) : element(type === "video" ? "video" : "audio", { controls: true, preload: "metadata", ariaLabel: name });
  // The room for a picture is there before it is: what is read does not move.
  if (type === "image" && dimensions?.width > 0 && dimensions?.height > 0) {
    Object.assign(shown, { width: dimensions.width, height: dimensions.height });
  }
  shown.onerror = () => shown.replaceWith(link);
  place().then((url) => url && (shown.src = url));
  made.append(shown);
  if (type !== "image") made.append(link);
  return made;
}
