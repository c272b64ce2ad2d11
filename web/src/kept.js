// What outlives the page: in the tab, or in the browser. Storage may be forbidden; the page works without.

function place(storage) {
  return {
    get(key) { try { return storage()[key]; } catch { return undefined; } },
    set(key, value) { try { storage()[key] = value; } catch { /* then not */ } },
    drop(key) { try { delete storage()[key]; } catch { /* then not */ } },
  };
}

export const tab = place(() => sessionStorage);
export const browser = place(() => localStorage);

/** A list of texts under a key. */
export function listIn(where, key, most) {
  return {
    get() {
      try {
        const list = JSON.parse(where.get(key) ?? "[]");
        return Array.isArray(list) ? list.filter((item) => typeof item === "string").slice(0, most) : [];
      } catch {
        return [];
      }
    },
    set: (list) => where.set(key, JSON.stringify(list.slice(0, most))),
  };
}
