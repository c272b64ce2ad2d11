// Times as people say them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const DAY_MS = 86_400_000;

export const hour = (at) => clock.format(at);
export const day = (at) => full.format(at);

/** Short, for a list: the hour today, the weekday this week, else the date. */
export function brief(text, now = new Date()) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  return now - at < 6 * DAY_MS ? weekday.format(at) : date.format(at);
}

export function seenAgo(text, now = Date.now()) {
  const at = Date.parse(text ?? "");
  if (Number.isNaN(at)) return "offline";
  const minutes = Math.max(0, Math.round((now - at) / 60_000));
  if (minutes < 1) return "last seen just now";
  if (minutes < 60) return `last seen ${minutes} min ago`;
  if (minutes < 24 * 60) return `last seen ${Math.round(minutes / 60)} h ago`;
  return `last seen ${date.format(at)}`;
}
