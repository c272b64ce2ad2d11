// People, named in a form: by a name that the page has heard, or by an id.

/** What a field offers: names, each with the id in small print. */
export const known = (session) =>
  session.people.named.filter(({ userId }) => !session.own.has(userId)).map(({ userId, name }) => [userId, name]);

/** The ids in a text of ids or known names, separated by commas or lines. */
export function ids(session, text) {
  const { named } = session.people;
  const words = text.split(/[,\n]/).map((word) => word.trim()).filter(Boolean);
  const found = words.map((word) => {
    if (named.some(({ userId }) => userId === word)) return word;
    const same = named.filter(({ name, userId }) => name.toLowerCase() === word.toLowerCase() && !session.own.has(userId));
    if (same.length > 1) throw new Error(`Several people are called ${word}: take their id`);
    return same[0]?.userId ?? word;
  });
  return [...new Set(found)];
}
