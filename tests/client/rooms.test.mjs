import assert from "node:assert/strict";
import { test } from "node:test";
import { assertKeys, connect, enter, history, newRoom, newUser, pair, request, unique } from "./support.mjs";

test("a room is joined by name or by id, and joined_room carries the id either way", async (t) => {
  const ann = await newUser("joins");
  const room = await newRoom(ann);
  const client = await connect(t, ann);
  for (const key of [room.name, room.id]) {
    assert.equal(await client.join(key), room.id);
    assertKeys(client.all("joined_room").at(-1), ["message", "roomId"]);
  }
});

test("join_room makes a stranger a member of a public room", async (t) => {
  const [ann, bob] = [await newUser("host"), await newUser("stranger")];
  const room = await newRoom(ann);
  const client = await connect(t, bob);
  await client.join(room.name);
  const listed = await request("GET", "/api/rooms", { token: bob.token });
  assert.deepEqual(listed.body.rooms.map(({ id, members }) => [id, members]), [[room.id, [ann.id, bob.id]]]);
});

test("the others learn who comes and goes, and the one who does gets an answer", async (t) => {
  const { bob, room, a, b } = await pair(t);
  const about = { userId: bob.id, username: bob.username, roomId: room.id };
  assert.deepEqual(await a.event("user_joined"), about);
  b.emit("leave_room", { roomId: room.name });
  assert.deepEqual(await a.event("user_left"), about);
  const left = await b.event("left_room");
  assertKeys(left, ["message", "roomId"]);
  assert.equal(left.roomId, room.id);
  assert.deepEqual(b.all("user_joined"), [], "nobody is told of himself");
});

test("leave_room ends the live feed but not the membership", async (t) => {
  const { bob, room, a, b } = await pair(t);
  b.emit("leave_room", { roomId: room.id });
  await b.event("left_room");
  await a.send(room.id, "can you hear me?");
  await b.settled();
  assert.deepEqual(b.all("new_message"), []);
  assert.equal((await history(bob, room.id)).length, 1);
  await b.send(room.id, "still a member");
});

test("membership that ends by REST ends the live feed and the right to send", async (t) => {
  const { bob, room, a, b } = await pair(t);
  const answer = await request("POST", `/api/rooms/${room.id}/leave`, { token: bob.token, body: {} });
  assert.equal(answer.status, 200);
  const ack = await b.call("send_message", { roomId: room.id, content: "gone" });
  assert.equal(ack.success, false);
  await a.send(room.id, "is he gone?");
  await b.settled();
  assert.deepEqual(b.all("new_message"), []);
});

test("a private room lets its members in and nobody else", async (t) => {
  const [ann, bob] = [await newUser("private"), await newUser("outside")];
  const room = await newRoom(ann, "private");
  const [a, b] = [await connect(t, ann), await connect(t, bob)];
  assert.equal(await a.join(room.id), room.id);
  for (const roomId of [room.id, room.name, unique("none")]) {
    const before = b.all("error").length;
    b.emit("join_room", { roomId });
    await b.event("error", () => b.all("error").length > before);
    assertKeys(b.all("error").at(-1), ["message", "context"]);
    assert.equal(b.all("error").at(-1).context, "join_room");
  }
  assert.equal(new Set(b.all("error").map((error) => error.message)).size, 1, "the answers don't tell them apart");
});

test("a socket that disconnects leaves its rooms", async (t) => {
  const { bob, room, a, b } = await pair(t);
  b.socket.disconnect();
  assert.deepEqual(await a.event("user_left"), { userId: bob.id, username: bob.username, roomId: room.id });
});

test("a user who joined by REST gets the feed once a socket of his joins", async (t) => {
  const [ann, bob] = [await newUser("feed"), await newUser("rest")];
  const room = await newRoom(ann);
  await enter(bob, room);
  const [a, b] = [await connect(t, ann), await connect(t, bob)];
  await a.join(room.id);
  await b.join(room.id);
  await a.send(room.id, "welcome");
  assert.equal((await b.event("new_message")).content, "welcome");
});
