// Users, rooms and waiting for what the tests share.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { createClient } from "../src/index.js";

const LIMIT = 30_000; // of a machine that does much else
export const PASSWORD = "correct horse battery";
export const unique = (prefix) => `${prefix}_${randomBytes(4).toString("hex")}`;

/** A client of a new user; it isn't connected yet. `more` adds to its options. */
export async function newClient(t, url, more = {}) {
  const client = createClient({ url, ...more });
  t.after(() => client.close());
  const username = unique("user");
  client.account = { email: `${username}@example.com`, password: PASSWORD };
  const { user } = await client.api.register({ ...client.account, firstName: "Test", lastName: "User", username });
  client.user = user;
  return client;
}

/** Waits until `look` gives something. Looks whenever one of these emitters says anything that it is asked about. */
export async function until(what, look) {
  for (const end = Date.now() + LIMIT; ; ) {
    const found = look();
    if (found) return found;
    assert.ok(Date.now() < end, `no ${typeof what === "function" ? what() : what} within ${LIMIT} ms`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

export const inState = (client, name) => until(() => `${name}, but ${JSON.stringify(client.state)}`, () => client.state.name === name);

/** Joins, and keeps all that is heard. */
export function listen(client, key, from) {
  const room = client.join(key, from);
  room.heard = [];
  room.changes = [];
  room.on("message", (message) => room.heard.push(message));
  room.on("sending", ({ tempId, state }) => room.changes.push([tempId, state]));
  room.on("live", () => (room.isLive = true));
  room.on("ended", ({ reason }) => (room.endedBy = reason));
  return room;
}

export const texts = (room) => room.heard.map(({ content }) => content);
export const hears = (room, content) => until(() => `"${content}" among ${JSON.stringify(texts(room))}`, () => texts(room).includes(content));

/** Fails unless all that was heard is in its order, once, without a gap. */
export function assertOneOrder(room) {
  const first = room.heard[0]?.seq ?? 1;
  assert.deepEqual(room.heard.map(({ seq }) => seq), room.heard.map((_, index) => first + index));
}

/** Two connected users in a room of the first one, whose feed is live. */
export async function pair(t, url, { more = {}, roomType = "public" } = {}) {
  const [ann, bob] = [await newClient(t, url, more), await newClient(t, url)];
  const made = await ann.api.createRoom({ name: unique("room"), description: "", roomType });
  const [a, b] = [listen(ann, made.id), listen(bob, made.name)];
  ann.connect();
  bob.connect();
  await until("both live", () => a.isLive && b.isLive);
  return { ann, bob, a, b, made };
}

/** The same token, but with other claims, signed as the backend signs. */
export function forge(token, secret, claims) {
  const [head, body] = token.split(".");
  const changed = { ...JSON.parse(Buffer.from(body, "base64url")), ...claims };
  const signed = `${head}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
