// What holds while connections are cut and the backend is killed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cable } from "../../../tests/tools/cable.mjs";
import { Laptop } from "../../../tests/tools/laptop.mjs";
import { assertOneOrder, hears, inState, listen, newClient, pair, texts, until } from "./support.js";

const numbers = (count, prefix = "message") => Array.from({ length: count }, (_, index) => `${prefix} ${index + 1}`);
const settled = (room) => until(() => `end of ${room.pending.length} sendings`, () => room.pending.length === 0);

test("a message whose acknowledgement is lost by a cut is sent again, and stored once", async (t) => {
  const laptop = await Laptop.start(t);
  const cable = await Cable.to(t, laptop.port);
  const [ann, bob] = [await newClient(t, cable.url), await newClient(t, laptop.url)];
  const { id } = await bob.api.createRoom({ name: "cut", description: "" });
  const [a, b] = [listen(ann, id), listen(bob, id)];
  ann.connect();
  bob.connect();
  await until("both live", () => a.isLive && b.isLive);
  cable.mute();
  const sending = a.send("once");
  await hears(b, "once");
  assert.deepEqual([sending.state, texts(a)], ["pending", []]);
  await cable.cut();
  await inState(ann, "waiting");
  await cable.mend();
  await until("stored", () => sending.state === "stored");
  await hears(a, "once");
  b.send("after");
  await hears(a, "after");
  for (const room of [a, b]) assert.deepEqual(texts(room), ["once", "after"]);
  assert.equal(sending.seq, 1);
  assert.deepEqual(a.changes.map(([, state]) => state), ["pending", "stored"]);
});

test("what is sent while offline comes in its order, after what was missed", async (t) => {
  const laptop = await Laptop.start(t);
  const cable = await Cable.to(t, laptop.port);
  const [ann, bob] = [await newClient(t, cable.url), await newClient(t, laptop.url)];
  const { id } = await bob.api.createRoom({ name: "offline", description: "" });
  const [a, b] = [listen(ann, id), listen(bob, id)];
  ann.connect();
  bob.connect();
  await until("both live", () => a.isLive && b.isLive);
  await cable.cut();
  await inState(ann, "waiting");
  const mine = numbers(20, "mine");
  for (const text of mine) a.send(text);
  // More than the server replays in one page.
  const theirs = numbers(230, "theirs");
  for (const text of theirs) b.send(text);
  await settled(b);
  await cable.mend();
  ann.retryNow();
  await settled(a);
  await hears(b, mine.at(-1));
  await hears(a, mine.at(-1));
  for (const room of [a, b]) assert.deepEqual(texts(room), [...theirs, ...mine]);
});

test("killed in the middle of a stream and started again, the backend loses and doubles nothing", async (t) => {
  const laptop = await Laptop.start(t);
  const { a, b } = await pair(t, laptop.url);
  const [ones, others] = [numbers(150, "a"), numbers(150, "b")];
  for (let index = 0; index < 150; index++) {
    a.send(ones[index]);
    b.send(others[index]);
    if (index === 50 || index === 100) {
      await until("some of it stored", () => a.lastSeq > index);
      await laptop.stop("SIGKILL");
      await laptop.start();
    }
    if (index % 10 === 0) await new Promise((done) => setTimeout(done, 1));
  }
  await settled(a);
  await settled(b);
  await until("all heard", () => a.heard.length === 300 && b.heard.length === 300);
  for (const room of [a, b]) assertOneOrder(room);
  assert.deepEqual(texts(a), texts(b));
  assert.deepEqual(texts(a).filter((text) => text.startsWith("a")), ones);
  assert.deepEqual(texts(b).filter((text) => text.startsWith("b")), others);
});

test("a server that answers no more is given up, and the next connection goes on", async (t) => {
  const laptop = await Laptop.start(t);
  const cable = await Cable.to(t, laptop.port);
  const client = await newClient(t, cable.url, { answerLimit: 500 });
  const { id } = await client.api.createRoom({ name: "silent", description: "" });
  const room = listen(client, id);
  client.connect();
  await until("live", () => room.isLive);
  cable.mute();
  room.send("into the silence");
  await inState(client, "waiting");
  await cable.cut();
  await cable.mend();
  await settled(room);
  await hears(room, "into the silence");
  assert.deepEqual(texts(room), ["into the silence"]);
});

test("a client goes on from where an earlier one of the same user stopped", async (t) => {
  const laptop = await Laptop.start(t);
  const { bob, a, b } = await pair(t, laptop.url);
  a.send("one");
  await hears(b, "one");
  const { lastSeq } = b;
  bob.close();
  for (const text of ["two", "three"]) a.send(text);
  await settled(a);
  const again = listen(bob, a.id, { afterSeq: lastSeq });
  bob.connect();
  await hears(again, "three");
  assert.deepEqual(texts(again), ["two", "three"]);
});

test("a client that starts before its backend connects once that is there", async (t) => {
  const laptop = await Laptop.start(t);
  const client = await newClient(t, laptop.url);
  await laptop.stop();
  const room = listen(client, "general");
  client.connect();
  await inState(client, "waiting");
  const sending = room.send("early");
  await laptop.start();
  await until("stored", () => sending.state === "stored");
  await hears(room, "early");
});
