import assert from "node:assert/strict";
import { test } from "node:test";
import { assertKeys, connect, history, newRoom, newUser, pair, unique } from "./support.mjs";

const STORED = ["id", "userId", "username", "roomId", "content", "messageType", "metadata", "createdAt", "updatedAt"];

for (const transports of [["websocket"], ["polling"]]) {
  test(`by ${transports} a message comes to every member as in the history, with seq and tempId`, async (t) => {
    const { ann, room, a, b } = await pair(t, { transports });
    const tempId = unique("temp");
    const ack = await a.send(room.name, "  Hello, world!  ", { tempId, messageType: "text" });
    assert.deepEqual(ack, { success: true, id: ack.id, seq: 1, tempId });
    for (const client of [a, b]) {
      const message = await client.event("new_message");
      assertKeys(message, [...STORED, "seq", "tempId"]);
      const { seq, tempId: sentAs, ...stored } = message;
      assert.deepEqual([seq, sentAs], [1, tempId]);
      assert.deepEqual([stored.userId, stored.username, stored.roomId], [ann.id, ann.username, room.id]);
      assert.deepEqual([stored.content, stored.messageType, stored.metadata], ["Hello, world!", "text", null]);
      assert.deepEqual(await history(ann, room.id), [stored]);
    }
  });
}

test("a message is in the history by the time that anyone gets it", async (t) => {
  const { bob, room, a, b } = await pair(t);
  for (let number = 0; number < 10; number++) {
    a.emit("send_message", { roomId: room.id, content: `message ${number}` });
    const message = await b.event("new_message", ({ content }) => content === `message ${number}`);
    assert.ok((await history(bob, room.id)).some(({ id }) => id === message.id));
  }
});

test("message_confirmed comes to each of the sender's sockets, after its new_message, and to nobody else", async (t) => {
  const { ann, room, a, b } = await pair(t);
  const second = await connect(t, ann);
  await second.join(room.id);
  const tempId = unique("temp");
  const ack = await a.send(room.id, "to be confirmed", { tempId });
  for (const client of [a, second]) {
    const confirmed = await client.event("message_confirmed");
    assert.equal(confirmed.id, ack.id);
    assert.deepEqual([confirmed.tempId, confirmed.roomId, confirmed.status], [tempId, room.id, "confirmed"]);
    const order = client.log.map(([event]) => event).filter((event) => /^(new_message|message_confirmed)$/.test(event));
    assert.deepEqual(order, ["new_message", "message_confirmed"]);
  }
  await b.event("new_message");
  await b.settled();
  assert.deepEqual(b.all("message_confirmed"), []);
});

test("a sender who has not joined the feed gets his own message and its confirmation", async (t) => {
  const ann = await newUser("nofeed");
  const room = await newRoom(ann);
  const client = await connect(t, ann);
  const ack = await client.send(room.id, "no join_room before");
  assert.equal((await client.event("new_message")).id, ack.id);
  assert.equal((await client.event("message_confirmed")).id, ack.id);
});

test("without an acknowledgement callback a message is sent all the same", async (t) => {
  const { room, a, b } = await pair(t);
  a.emit("send_message", { roomId: room.id, content: "no callback" });
  assert.equal((await b.event("new_message")).content, "no callback");
  await a.event("message_confirmed");
});

test("a message resent with its tempId gets the first one's answer and makes no second", async (t) => {
  const { ann, room, a, b } = await pair(t);
  const tempId = unique("temp");
  const first = await a.send(room.id, "once", { tempId });
  const later = await connect(t, ann);
  for (const client of [a, a, later]) assert.deepEqual(await client.send(room.id, "once", { tempId }), first);
  const after = await a.send(room.id, "after");
  await b.event("new_message", ({ id }) => id === after.id);
  assert.deepEqual(b.all("new_message").map(({ content }) => content), ["once", "after"]);
  assert.deepEqual((await history(ann, room.id)).map(({ id }) => id), [first.id, after.id]);
});

test("one tempId of two senders makes two messages", async (t) => {
  const { room, a, b } = await pair(t);
  const tempId = unique("temp");
  const [first, second] = [await a.send(room.id, "mine", { tempId }), await b.send(room.id, "mine too", { tempId })];
  assert.notEqual(first.id, second.id);
});

test("tempIds sent at once, twice each, make one message each", async (t) => {
  const { ann, room, a } = await pair(t);
  const ids = Array.from({ length: 5 }, () => unique("temp"));
  const acks = await Promise.all([...ids, ...ids].map((tempId) => a.send(room.id, tempId, { tempId })));
  ids.forEach((_, index) => assert.deepEqual(acks[index], acks[index + 5]));
  assert.equal((await history(ann, room.id)).length, 5);
});

test("many messages of one sender come in the order in which they were sent, without a gap", async (t) => {
  const { room, a, b } = await pair(t);
  const contents = Array.from({ length: 100 }, (_, number) => `message ${number}`);
  const acks = await Promise.all(contents.map((content) => a.send(room.id, content)));
  assert.deepEqual(acks.map(({ seq }) => seq), contents.map((_, index) => index + 1));
  for (const client of [a, b]) {
    await client.event("new_message", ({ content }) => content === contents.at(-1));
    assert.deepEqual(client.all("new_message").map(({ content }) => content), contents);
    assert.deepEqual(client.all("new_message").map(({ seq }) => seq), acks.map(({ seq }) => seq));
  }
});

test("a non-member's message is refused, in public rooms too, and seen by nobody", async (t) => {
  const { room, a } = await pair(t);
  const stranger = await newUser("stranger");
  const client = await connect(t, stranger);
  const tempId = unique("temp");
  const ack = await client.call("send_message", { roomId: room.id, content: "let me in", tempId });
  assertKeys(ack, ["success", "message", "error"]);
  assert.equal(ack.success, false);
  const error = await client.event("message_error");
  assertKeys(error, ["message", "error", "tempId", "timestamp"]);
  assert.equal(error.tempId, tempId);
  assert.ok(!Number.isNaN(Date.parse(error.timestamp)) && error.error);
  await a.settled();
  assert.deepEqual(a.all("new_message"), []);
});

test("an impossible message is acknowledged as an error and told by message_error", async (t) => {
  const { room, a } = await pair(t);
  const payloads = [
    { roomId: room.id, content: "" },
    { roomId: room.id, content: "  " },
    { roomId: room.id, content: "x".repeat(1001) },
    { roomId: room.id, content: 5 },
    { roomId: room.id },
    { content: "where to?" },
    "no object",
    null,
  ];
  for (const [index, payload] of payloads.entries()) {
    const ack = await a.call("send_message", payload);
    assertKeys(ack, ["success", "message", "error"]);
    assert.equal(ack.success, false);
    await a.event("message_error", () => a.all("message_error").length > index);
  }
  await a.send(room.id, "x".repeat(1000));
});
