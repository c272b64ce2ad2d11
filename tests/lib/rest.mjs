// REST requests as a browser or a back end makes them.

/** A request's status, body (JSON, or undefined where there is none) and headers. */
export async function request(url, method, path, { body, token, cookie, origin, headers = {} } = {}) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...(cookie && { cookie }),
      ...(origin && { origin }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined, headers: response.headers };
}

/** As above; a status other than the one expected is an error. */
export async function expecting(status, url, method, path, options) {
  const response = await request(url, method, path, options);
  if (response.status !== status) {
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(response.body)}, not ${status}`);
  }
  return response;
}

/** The refresh cookie that an answer sets, as a browser sends it back; with its attributes. */
export function refreshCookie({ headers }) {
  const line = headers.getSetCookie().find((cookie) => cookie.startsWith("parlor_refresh="));
  return line && { pair: line.split(";")[0], attributes: line.split("; ").slice(1), line };
}
