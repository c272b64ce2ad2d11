/** The server's "no" to a command: its error code, its words, and whether the same may succeed later. */
export class Refused extends Error {
  constructor({ error, message, retryable = false, retryAfter }) {
    super(message ?? error);
    Object.assign(this, { code: error, retryable, retryAfter });
  }
}
