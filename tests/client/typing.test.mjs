import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newUser, pair, pause } from "./support.mjs";

const typing = (client, isTyping) => client.event("user_typing", (event) => event.isTyping === isTyping);

test("typing is shown to others, by the room's id, and not to the one who types", async (t) => {
  const { ann, room, a, b } = await pair(t);
  const about = { userId: ann.id, username: ann.username, roomId: room.id };
  a.emit("typing_start", { roomId: room.name });
  assert.deepEqual(await typing(b, true), { ...about, isTyping: true });
  a.emit("typing_stop", { roomId: room.id });
  assert.deepEqual(await typing(b, false), { ...about, isTyping: false });
  await a.settled();
  assert.deepEqual(a.all("user_typing"), []);
});

test("typing turns itself off after three seconds", async (t) => {
  const { room, a, b } = await pair(t);
  a.emit("typing_start", { roomId: room.id });
  await typing(b, true);
  const start = Date.now();
  await typing(b, false);
  const took = Date.now() - start;
  assert.ok(took > 2500 && took < 5000, `${took} ms`);
});

test("a new typing_start puts that off", async (t) => {
  const { room, a, b } = await pair(t);
  a.emit("typing_start", { roomId: room.id });
  await typing(b, true);
  await pause(2000);
  a.emit("typing_start", { roomId: room.id });
  await pause(1700);
  assert.ok(!b.all("user_typing").some(({ isTyping }) => !isTyping), "still typing after 3.7 s");
  await typing(b, false);
});

test("typing goes off when the socket goes, and only this user's does", async (t) => {
  const { ann, bob, room, a, b } = await pair(t);
  const watcher = await connect(t, await newUser("watcher"));
  await watcher.join(room.id);
  b.emit("typing_start", { roomId: room.id });
  await watcher.event("user_typing", (event) => event.userId === bob.id);
  a.emit("typing_start", { roomId: room.id });
  await watcher.event("user_typing", (event) => event.userId === ann.id);
  a.socket.disconnect();
  const off = await watcher.event("user_typing", (event) => !event.isTyping, 2000);
  assert.equal(off.userId, ann.id);
});

test("typing and leaving reach no room that the user is not in", async (t) => {
  const { room, a, b } = await pair(t);
  const outsider = await connect(t, await newUser("outsider"));
  for (const event of ["typing_start", "typing_stop", "leave_room"]) outsider.emit(event, { roomId: room.id });
  await outsider.settled();
  await Promise.all([a.settled(), b.settled()]);
  for (const client of [a, b]) {
    assert.deepEqual(client.all("user_typing"), []);
    assert.deepEqual(client.all("user_left"), []);
  }
});
