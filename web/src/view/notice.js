// Something went wrong, or a question was refused: said in a few words, for a few seconds.

import { $, element } from "./dom.js";

const STAYS_MS = 7_000;

export function notice(words) {
  const made = element("p", {}, words);
  $("notices").append(made);
  while ($("notices").children.length > 3) $("notices").firstChild.remove();
  setTimeout(() => made.remove(), STAYS_MS);
}

/** Does it, and says so if it could not be done. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notice(error.message);
    return undefined;
  }
}
