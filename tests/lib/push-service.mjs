// A browser and its push service: RFC 8030, decrypting RFC 8291 and checking RFC 8292, with nothing but Node's own crypto.
import assert from "node:assert/strict";
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from "node:crypto";
import { createServer } from "node:http";

/** A service on a port of its own, which takes what comes; `subscription(name)` is what a browser would give. */
export async function pushService(t) {
  const browsers = new Map();
  const requests = [];
  const faults = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const browser = browsers.get(request.url);
    const entry = { name: browser?.name, at: Date.now() };
    requests.push(entry);
    try {
      assert.ok(browser, `nobody subscribed at ${request.url}`);
      Object.assign(entry, browser.read(request, Buffer.concat(chunks)));
      response.writeHead(browser.status).end();
    } catch (error) {
      faults.push(error);
      response.writeHead(400).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close() && server.closeAllConnections());
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    /** Makes a browser, subscribed with the server's key. */
    subscription(name, serverKey) {
      const browser = new Browser(name, origin, serverKey);
      browsers.set(browser.path, browser);
      return browser;
    },
    /** Requests for a browser, oldest first, each with what the browser read. */
    to: (browser) => requests.filter(({ name }) => name === browser.name),
    /** What no service would have taken. */
    faults,
  };
}

class Browser {
  status = 201;
  #keys = createECDH("prime256v1");
  #auth = randomBytes(16);

  constructor(name, origin, serverKey) {
    this.name = `${name}-${randomBytes(4).toString("hex")}`;
    this.path = `/push/${this.name}`;
    this.origin = origin;
    this.serverKey = serverKey;
    this.#keys.generateKeys();
  }

  /** What `push.subscribe` takes: a PushSubscription's JSON. */
  get json() {
    const keys = { p256dh: this.#keys.getPublicKey("base64url"), auth: this.#auth.toString("base64url") };
    return { kind: "web", endpoint: this.origin + this.path, keys };
  }

  read({ method, headers }, body) {
    assert.equal(method, "POST");
    assert.equal(headers["content-encoding"], "aes128gcm");
    assert.match(headers.ttl, /^\d+$/);
    assert.match(headers.topic, /^[\w-]{1,32}$/);
    this.#check(headers.authorization);
    return { topic: headers.topic, notification: JSON.parse(this.#open(body)) };
  }

  /** RFC 8292: a token for this origin, signed by the key that the browser subscribed with. */
  #check(authorization) {
    const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(authorization);
    assert.equal(key, this.serverKey);
    const [header, claims, signature] = token.split(".");
    const point = Buffer.from(key, "base64url");
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
    const jwk = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
    const given = Buffer.from(signature, "base64url");
    assert.ok(verify("sha256", Buffer.from(`${header}.${claims}`), { key: jwk, dsaEncoding: "ieee-p1363" }, given));
    const { aud, exp, sub } = JSON.parse(Buffer.from(claims, "base64url"));
    assert.equal(aud, this.origin);
    assert.match(sub, /^mailto:/);
    assert.ok(exp > Date.now() / 1000 && exp <= Date.now() / 1000 + 24 * 3600);
  }

  /** RFC 8188 §2, with the key of RFC 8291 §3.4. */
  #open(body) {
    const [salt, length] = [body.subarray(0, 16), body[20]];
    const [theirs, sealed] = [body.subarray(21, 21 + length), body.subarray(21 + length)];
    const secret = this.#keys.computeSecret(theirs);
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), this.#keys.getPublicKey(), theirs]);
    const ikm = Buffer.from(hkdfSync("sha256", secret, this.#auth, info, 32));
    const derive = (what, size) => Buffer.from(hkdfSync("sha256", ikm, salt, `Content-Encoding: ${what}\0`, size));
    const decipher = createDecipheriv("aes-128-gcm", derive("aes128gcm", 16), derive("nonce", 12));
    decipher.setAuthTag(sealed.subarray(-16));
    const text = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    const end = text.findLastIndex((byte) => byte !== 0);
    assert.equal(text[end], 2);
    return text.subarray(0, end);
  }
}
