// An account, over REST. The token stays in memory; what outlives the page is the refresh cookie, which no script sees.

/** A token is renewed when it has less than this left. */
const MARGIN_MS = 30_000;

export class Account {
  user = null;
  #token = null;
  #expires = 0;
  #refreshing = null;

  /** @param {typeof fetch} request */
  constructor(request = (...args) => fetch(...args), now = Date.now) {
    this.request = request;
    this.now = now;
  }

  register({ username, email, password, displayName }) {
    const optional = { email: email || undefined, displayName: displayName || undefined };
    return this.#enter("register", { username, password, ...optional });
  }

  /** @param {string} name a user name or an e-mail address */
  login(name, password) {
    return this.#enter("login", { [name.includes("@") ? "email" : "username"]: name, password });
  }

  /** A token that is good for a while yet. */
  async token() {
    return this.#token && this.now() < this.#expires - MARGIN_MS ? this.#token : this.refresh();
  }

  /** A new token. Those who ask at once share one. Throws with `final` where the cookie is good no more. */
  refresh() {
    this.#refreshing ??= this.#enter("refresh").finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async logout() {
    const token = this.#token;
    this.#token = this.user = null;
    await this.#post("logout", undefined, token).catch(() => {});
  }

  async #enter(route, body) {
    const answer = await this.#post(route, body);
    this.#token = answer.token;
    this.#expires = Date.parse(answer.expiresAt) || this.now() + 60_000;
    this.user = answer.user ?? this.user;
    return this.#token;
  }

  async #post(route, body, token) {
    let response;
    try {
      response = await this.request(`/api/auth/${route}`, {
        method: "POST",
        credentials: "same-origin",
        headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
        body: JSON.stringify(body ?? {}),
      });
    } catch {
      throw Object.assign(new Error("The server cannot be reached"), { final: false });
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    // A server that is busy or broken has not said no.
    const final = response.status < 500 && response.status !== 429;
    throw Object.assign(new Error(answer.message ?? `The server answered ${response.status}`), { final, field: answer.field });
  }
}
