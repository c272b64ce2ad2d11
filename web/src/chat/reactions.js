// The reactions under one message: `[{emoji, userIds, count}]`, in the order in which each emoji was first used.

/** What is offered without looking further. */
export const PALETTE = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

/** The list after somebody reacted, or took it back. Saying the same twice changes nothing. */
export function reacted(list, { emoji, userId, on }) {
  const before = list ?? [];
  const found = before.find((reaction) => reaction.emoji === emoji);
  if (!found) return on ? [...before, { emoji, userIds: [userId], count: 1 }] : before;
  if (found.userIds.includes(userId) === on) return before;
  const count = Math.max(0, found.count + (on ? 1 : -1));
  const userIds = on ? [...found.userIds, userId] : found.userIds.filter((id) => id !== userId);
  return before.map((reaction) => (reaction === found ? { emoji, userIds, count } : reaction)).filter((r) => r.count > 0);
}

/** Whether one of `own` has reacted so. */
export function mine(list, emoji, own) {
  return (list ?? []).some((reaction) => reaction.emoji === emoji && reaction.userIds.some((id) => own.has(id)));
}
