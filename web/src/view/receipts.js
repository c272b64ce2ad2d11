// Whom a message has reached, and who has read it.

import { element } from "./dom.js";
import { attempt } from "./notice.js";
import { sheet } from "./sheet.js";
import { brief } from "./times.js";

export async function receipts(room, { messageId }) {
  const answer = await attempt(() => room.ask("message.receipts", { messageId }));
  if (!answer) return;
  const { members = [], readCount, deliveredCount } = answer;
  const row = ({ userId, userName, deliveredAt, readAt }) => {
    const words = readAt ? `read ${brief(readAt)}` : deliveredAt ? `delivered ${brief(deliveredAt)}` : "sent";
    return element("li", {}, element("strong", {}, userName ?? room.session.people.name(userId)), element("span", { className: "note" }, words));
  };
  sheet(
    "Who has it",
    element("p", { className: "muted" }, `Read by ${readCount}, delivered to ${deliveredCount}`),
    element("ul", { className: "members" }, members.map(row)),
  );
}
