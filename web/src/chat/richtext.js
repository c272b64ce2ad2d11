// What a message's text holds beside words: addresses that can be followed, and names of those it mentions.

const LINK = /https?:\/\/[^\s<>"]+/g;

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** `@name` as a whole: nothing that goes on as a word follows, so that `@Ann` is not in `@Anna`. */
const mentioning = (names) =>
  names.length ? new RegExp(`@(?:${[...names].sort((a, b) => b.length - a.length).map(escaped).join("|")})(?![\\p{L}\\p{N}_])`, "gu") : null;

/** Who of `people` (`[{userId, name}]`) the text mentions: their ids, each once. */
export function mentioned(text, people) {
  const pattern = mentioning(people.map(({ name }) => name));
  if (!pattern) return [];
  const names = new Set(Array.from(text.matchAll(pattern), ([found]) => found.slice(1)));
  return [...new Set(people.filter(({ name }) => names.has(name)).map(({ userId }) => userId))];
}

/** `[{text, kind: "text"|"link"|"mention"}]`; joined, the texts are what was given. */
export function parts(text, names = []) {
  const found = [];
  const note = (pattern, kind) => {
    for (const match of text.matchAll(pattern)) {
      // The full stop after an address is the sentence's.
      const word = kind === "link" ? match[0].replace(/[.,;:!?)\]}'’]+$/, "") : match[0];
      found.push({ at: match.index, word, kind });
    }
  };
  note(LINK, "link");
  const pattern = mentioning(names);
  if (pattern) note(pattern, "mention");
  found.sort((a, b) => a.at - b.at);
  const made = [];
  let end = 0;
  for (const { at, word, kind } of found) {
    if (at < end) continue;
    if (at > end) made.push({ text: text.slice(end, at), kind: "text" });
    made.push({ text: word, kind });
    end = at + word.length;
  }
  if (end < text.length) made.push({ text: text.slice(end), kind: "text" });
  return made;
}
