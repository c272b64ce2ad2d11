// Who is who: the names and the presence of everybody that the page has heard of.

export class People {
  #known = new Map();

  /** Takes what an event says of somebody; what it leaves out stays. */
  meet(userId, { userName, status, lastSeen } = {}) {
    if (!userId) return;
    const known = this.#known.get(userId) ?? { userId };
    if (userName) known.name = userName;
    if (status) known.status = status;
    if (lastSeen) known.lastSeen = lastSeen;
    this.#known.set(userId, known);
  }

  name(userId) {
    return this.#known.get(userId)?.name ?? userId;
  }

  status(userId) {
    return this.#known.get(userId)?.status ?? "offline";
  }

  lastSeen(userId) {
    return this.#known.get(userId)?.lastSeen;
  }

  /** Everybody whose name is known, by name. */
  get named() {
    return [...this.#known.values()].filter(({ name }) => name).sort((a, b) => a.name.localeCompare(b.name));
  }
}
