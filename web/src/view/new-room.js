// Beginning a conversation: a public channel by its name, one other person, or a group.

import { ids, known } from "./pick.js";
import { form, sheet } from "./sheet.js";

export function newRoom(session, open) {
  const people = known(session);
  sheet(
    "New conversation",
    form({
      legend: "Join or make a channel",
      inputs: [{ name: "name", label: "Channel", required: true, maxLength: 100, autocapitalize: "none", spellcheck: false }],
      submit: "Join",
      done: ({ name }) => open(name),
    }),
    form({
      legend: "Talk to one person",
      inputs: [{ name: "who", label: "Name or user id", required: true, list: people, spellcheck: false }],
      submit: "Talk",
      done: async ({ who }) => {
        const [userId, ...more] = ids(session, who);
        if (more.length) throw new Error("One person; make a group for several");
        open(await session.direct(userId));
      },
    }),
    form({
      legend: "Make a group",
      inputs: [
        { name: "name", label: "Group name", required: true, maxLength: 255 },
        { name: "members", label: "Members: names or ids, with commas", required: true, list: people, spellcheck: false },
      ],
      submit: "Make the group",
      done: async ({ name, members }) => open(await session.group(name, ids(session, members))),
    }),
  );
}
