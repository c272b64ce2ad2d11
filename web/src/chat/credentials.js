// Who comes in, in the three ways that there are: as a guest with a name, with a token from elsewhere, with an account.

/**
 * A guest. The server knows one again by the private id of a connection: its first part, kept in the tab, makes a
 * reloaded page the same guest.
 */
export function guest(name, memory) {
  return {
    name,
    async auth(socket) {
      const kept = memory.get();
      // The client itself presents the id of a connection that it had; what we add would hide that.
      return socket._pid || !kept ? { name } : { name, pid: `${kept}.again` };
    },
    entered(socket) {
      if (socket._pid) memory.set(socket._pid.split(".")[0]);
    },
  };
}

/** The bearer of a token that somebody else made: it cannot be renewed here. */
export function bearer(token) {
  return { auth: async () => ({ token }) };
}

/** The holder of an account. */
export function holder(account) {
  return {
    auth: async () => ({ token: await account.token() }),
    renew: () => account.refresh(),
  };
}
