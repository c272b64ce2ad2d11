// Requests to Parlor's REST routes, as a front end, a browser or a team's own back end makes them.
import { tokenOf } from "./clients.mjs";
import { NGINX } from "./place.mjs";

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

/** One request of `user` (nobody: without a token). Returns status, headers and the JSON body. */
export async function rest(user, method, path, body, { url = NGINX, headers = {} } = {}) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(user && { authorization: `Bearer ${await tokenOf(user)}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

/** The same, which must be answered with this status. */
export async function answered(status, ...request) {
  const response = await rest(...request);
  if (response.status !== status) {
    throw new Error(`${request[1]} ${request[2]}: ${response.status}, not ${status}: ${JSON.stringify(response.body)}`);
  }
  return response.body;
}
