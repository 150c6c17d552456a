// Rooms, and who is in them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Laptop } from "../../../tests/tools/laptop.mjs";
import { assertOneOrder, hears, listen, newClient, pair, texts, unique, until } from "./support.js";

let url;
const ends = [];
before(async () => ({ url } = await Laptop.start({ after: (end) => ends.push(end) })));
after(() => Promise.all(ends.map((end) => end())));

test("two clients that send at once see one order, and each message once", async (t) => {
  const { a, b } = await pair(t, url);
  for (let number = 1; number <= 100; number++) [a, b].forEach((room) => room.send(`${number}`));
  await until("all of it", () => a.heard.length === 200 && b.heard.length === 200);
  assertOneOrder(a);
  assert.deepEqual(a.heard.map(({ id }) => id), b.heard.map(({ id }) => id));
});

test("a room begins with its newest messages, and the earlier ones can be asked for page by page", async (t) => {
  const { bob, a } = await pair(t, url);
  const all = Array.from({ length: 120 }, (_, index) => `message ${index + 1}`);
  for (const text of all) a.send(text);
  await hears(a, all.at(-1));
  const room = listen(bob, a.id, { last: 10 });
  await hears(room, all.at(-1));
  assert.deepEqual(texts(room), all.slice(-10));
  const before = [];
  for (let page; (page = await room.earlier()).length > 0; ) before.unshift(...page.map(({ content }) => content));
  assert.deepEqual([...before, ...texts(room)], all);
});

test("typing is seen while it goes on, and who comes and goes is, too", async (t) => {
  const { ann, bob, a, b } = await pair(t, url);
  await until("bob here", () => a.here.get(bob.user.id) === bob.user.username);
  assert.equal(b.here.get(ann.user.id), ann.user.username, "who enters is told who is there");
  b.type();
  await until("typing", () => a.typing.get(bob.user.id) === bob.user.username);
  b.send("done");
  await until("no more", () => a.typing.size === 0);
  await hears(a, "done");
  a.send("seen");
  await until("ann seen", () => b.here.has(ann.user.id));
  bob.close();
  await until("bob gone", () => !a.here.has(bob.user.id));
});

test("a message that the server refuses says why, and can be sent again under its name", async (t) => {
  const { bob, b, made } = await pair(t, url);
  await bob.api.leaveRoom(made.id);
  const stranger = await newClient(t, url);
  const secret = await stranger.api.createRoom({ name: unique("secret"), description: "", roomType: "private" });
  const refused = listen(bob, secret.id);
  const sending = b.send("   ");
  await until("ended", () => b.endedBy && refused.endedBy);
  assert.equal(sending.state, "pending");

  const room = listen(stranger, secret.id);
  stranger.connect();
  const empty = room.send("   ");
  await until("refused", () => empty.state === "refused");
  assert.match(empty.reason, /content/i);
  room.retry(empty);
  assert.equal(empty.state, "pending");
  await until("refused again", () => empty.state === "refused");
  assert.deepEqual([room.pending, texts(room)], [[], []]);
});

test("leaving ends the feed here, and joining again begins another", async (t) => {
  const { bob, a, b } = await pair(t, url);
  b.close();
  assert.equal(b.endedBy, "closed");
  a.send("nobody there");
  await hears(a, "nobody there");
  const again = listen(bob, a.id);
  await hears(again, "nobody there");
  assert.deepEqual(texts(b), []);
});

test("a name that no room has ends the wait for it", async (t) => {
  const client = await newClient(t, url);
  const room = listen(client, unique("none"));
  client.connect();
  await until("ended", () => room.endedBy);
});
