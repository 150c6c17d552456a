// The HTTP interface of an instance, as a front end uses it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { until } from "./check.mjs";

const password = "correct horse battery";

export class Api {
  constructor(url) {
    this.url = url;
    // The tests may run again and again on one cluster, and no user may be in two instances: names are new each time.
    this.suffix = randomBytes(4).toString("hex");
  }

  /** One request; gives status and body. */
  async call(method, path, { token, body } = {}) {
    const headers = { accept: "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers["content-type"] = "application/json";
    const response = await fetch(this.url + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = text;
    }
    return { status: response.status, body: parsed };
  }

  async expect(status, method, path, options) {
    const answer = await this.call(method, path, options);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  person(name) {
    const username = `${name}_${this.suffix}`;
    return { email: `${username}@example.com`, username, firstName: name, lastName: "Test", password };
  }

  register(person) {
    return this.call("POST", "/api/auth/register", { body: person });
  }

  login({ email }) {
    return this.call("POST", "/api/auth/login", { body: { email, password } });
  }

  /** Registers and logs in a new user. */
  async newUser(name) {
    const person = this.person(name);
    const registered = await this.register(person);
    assert.equal(registered.status, 201, JSON.stringify(registered.body));
    const { status, body } = await this.login(person);
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(body.accessToken, "a login gives an accessToken");
    return { ...person, id: body.user.id, token: body.accessToken };
  }

  async wsToken(user) {
    const body = await this.expect(200, "GET", "/api/auth/ws-token", { token: user.token });
    assert.equal(body.success, true);
    return body.token;
  }

  rooms(user) {
    return this.expect(200, "GET", "/api/rooms", { token: user.token });
  }

  /** One page of a room's history: page 1 is the newest. */
  history(user, room, page = 1, limit = 50) {
    return this.expect(200, "GET", `/api/rooms/${encodeURIComponent(room)}/messages?page=${page}&limit=${limit}`, {
      token: user.token,
    });
  }

  /** The whole history, oldest first. Nobody may write meanwhile, or pages shift. */
  async wholeHistory(user, room) {
    let all = [];
    for (let page = 1; ; page += 1) {
      const { messages, pagination } = await this.history(user, room, page, 100);
      all = [...messages, ...all];
      if (!pagination.hasNext) return all;
    }
  }

  /** Waits until the instance answers through its gateway. */
  answers(timeout = 60_000) {
    return until(`${this.url} answers`, async () => (await this.call("GET", "/health")).status === 200, { timeout });
  }
}
