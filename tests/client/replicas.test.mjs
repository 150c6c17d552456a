// Two gateways, each with its own replica of the message service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, history, newRoom, newUser, request, unique, urls } from "./support.mjs";

async function apart(test) {
  const [ann, bob] = [await newUser("ann", urls[0]), await newUser("bob", urls[1])];
  const room = await newRoom(ann);
  const [a, b] = [await connect(test, ann, { url: urls[0] }), await connect(test, bob, { url: urls[1] })];
  await a.join(room.id);
  await b.join(room.id);
  return { ann, bob, room, a, b };
}

test("clients of two replicas see each other's messages in one order", async (t) => {
  const { ann, room, a, b } = await apart(t);
  await Promise.all(
    Array.from({ length: 40 }, (_, number) => [a.send(room.id, `a${number}`), b.send(room.id, `b${number}`)]).flat(),
  );
  const stored = (await history(ann, room.id)).map(({ id }) => id);
  for (const client of [a, b]) {
    await client.event("new_message", ({ seq }) => seq === 80);
    assert.deepEqual(client.all("new_message").map(({ seq }) => seq), Array.from({ length: 80 }, (_, i) => i + 1));
    assert.deepEqual(client.all("new_message").slice(-stored.length).map(({ id }) => id), stored);
  }
});

test("a message comes to the other replica within two seconds", async (t) => {
  const { room, a, b } = await apart(t);
  const { id } = await a.send(room.id, "across");
  await b.event("new_message", (message) => message.id === id, 2000);
});

test("a sender's socket at the other replica gets message and confirmation, in this order", async (t) => {
  const { ann, room, a } = await apart(t);
  const second = await connect(t, ann, { url: urls[1] });
  await second.join(room.id);
  const tempId = unique("temp");
  await a.send(room.id, "both", { tempId });
  assert.equal((await second.event("message_confirmed")).tempId, tempId);
  const order = second.log.map(([event]) => event).filter((event) => /^(new_message|message_confirmed)$/.test(event));
  assert.deepEqual(order, ["new_message", "message_confirmed"]);
});

test("one tempId sent to both replicas makes one message", async (t) => {
  const { ann, room, a } = await apart(t);
  const second = await connect(t, ann, { url: urls[1] });
  const tempId = unique("temp");
  const acks = await Promise.all([a, second].map((client) => client.send(room.id, "once", { tempId })));
  assert.deepEqual(acks[0], acks[1]);
  assert.equal((await history(ann, room.id)).length, 1);
});

test("a logout at one gateway closes the sockets at the other within two seconds", async (t) => {
  const { ann } = await apart(t);
  const far = await connect(t, ann, { url: urls[1] });
  await request("POST", "/api/auth/logout", { token: ann.token, body: {}, url: urls[0] });
  await far.event("disconnect", undefined, 2000);
});
