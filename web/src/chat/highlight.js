// A search's highlight: text that is escaped for HTML, with `<mark>` around what was found. Read here, never rendered as
// markup: what comes out is plain text in parts.

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&apos;": "'", "&#34;": '"', "&#x2F;": "/", "&#47;": "/" };

const plain = (text) => text.replace(/&[#\w]+;/g, (entity) => ENTITIES[entity] ?? entity);

/** `[{text, marked}]`. A mark that is never closed goes on to the end; any other tag is text. */
export function highlighted(source) {
  const parts = [];
  let marked = false;
  for (const piece of source.split(/(<\/?mark>)/)) {
    if (piece === "<mark>" || piece === "</mark>") marked = piece === "<mark>";
    else if (piece) parts.push({ text: plain(piece), marked });
  }
  return parts;
}
