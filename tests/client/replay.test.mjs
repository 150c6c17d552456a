import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, pair } from "./support.mjs";

test("join_room with afterSeq replays what was missed, once and in order", async (t) => {
  const { bob, room, a, b } = await pair(t);
  await a.send(room.id, "one");
  const { seq } = await b.event("new_message");
  b.socket.disconnect();
  for (const content of ["two", "three", "four"]) await a.send(room.id, content);
  const back = await connect(t, bob);
  await back.join(room.id, { afterSeq: seq });
  await a.send(room.id, "five");
  await back.event("new_message", ({ content }) => content === "five");
  assert.deepEqual(back.all("new_message").map(({ content }) => content), ["two", "three", "four", "five"]);
  assert.deepEqual(back.all("new_message").map((message) => message.seq), [2, 3, 4, 5]);
});

test("a replay while messages come in has every one of them once and in order", async (t) => {
  const { bob, room, a } = await pair(t);
  const total = 150;
  const sending = (async () => {
    for (let number = 1; number <= total; number++) await a.send(room.id, `${number}`);
  })();
  await a.event("new_message", ({ seq }) => seq === 40);
  const late = await connect(t, bob);
  await late.join(room.id, { afterSeq: 0 });
  await sending;
  await late.event("new_message", ({ seq }) => seq === total);
  assert.deepEqual(late.all("new_message").map(({ seq }) => seq), Array.from({ length: total }, (_, i) => i + 1));
});

test("without afterSeq nothing old is replayed", async (t) => {
  const { bob, room, a } = await pair(t);
  await a.send(room.id, "old");
  const late = await connect(t, bob);
  await late.join(room.id);
  await a.send(room.id, "new");
  await late.event("new_message", ({ content }) => content === "new");
  assert.deepEqual(late.all("new_message").map(({ content }) => content), ["new"]);
});

test("what a client sends before it joins again is not in its replay a second time", async (t) => {
  const { bob, room, a, b } = await pair(t);
  await a.send(room.id, "one");
  const { seq } = await b.event("new_message");
  b.socket.disconnect();
  await a.send(room.id, "two");
  const back = await connect(t, bob);
  await back.send(room.id, "kept while offline");
  await back.join(room.id, { afterSeq: seq });
  await a.send(room.id, "four");
  await back.event("new_message", ({ content }) => content === "four");
  assert.deepEqual(back.all("new_message").map((message) => message.seq).toSorted(), [2, 3, 4]);
});
