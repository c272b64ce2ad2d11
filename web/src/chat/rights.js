// What somebody may do in a room, as the server will decide it: so that the page offers nothing that would be refused.

const LEADS = new Set(["admin", "moderator"]);

/** @param {{type: string, role?: string}} room @param {boolean} made whether one has made it (a channel has no roles for others) */
export function rights({ type, role }, made = false) {
  const known = role ?? (made ? "admin" : "member");
  const leads = LEADS.has(known);
  const group = type === "group";
  return {
    addMembers: group && leads,
    removeMembers: group && leads,
    setRoles: group && known === "admin",
    settings: type !== "direct" && known === "admin",
    deleteRoom: type !== "direct" && known === "admin",
    deleteOthers: type !== "direct" && leads,
    pin: type === "direct" || leads,
    leave: type !== "direct",
  };
}

/** Nobody acts on somebody who stands as high or higher, but an admin. */
export function mayRemove(own, role) {
  return own === "admin" ? role !== "admin" : own === "moderator" && role === "member";
}
