// What a room does when the server leaves something out, which the real one doesn't.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Emitter } from "../src/emitter.js";
import { Room } from "../src/room.js";
import { texts, until } from "./support.js";

/** A server in memory: `stored` is the room's history, `calls` what it was asked. */
function fake() {
  const socket = new Emitter();
  const [stored, calls] = [[], []];
  const say = (content, { deliver = true } = {}) => {
    const message = { id: content, content, roomId: "r", userId: "1", username: "ann", seq: stored.length + 1 };
    stored.push(message);
    if (deliver) socket.emit("new_message", message);
  };
  const connection = {
    async call(_, event, payload) {
      calls.push([event, payload]);
      setImmediate(() => stored.filter(({ seq }) => seq > (payload.afterSeq ?? Infinity)).forEach((it) => socket.emit("new_message", it)));
      return { success: true, roomId: "r", seq: stored.length };
    },
  };
  const room = new Room("name", connection, {}, { last: 50 });
  room.heard = [];
  room.on("message", (message) => room.heard.push(message));
  return { room, socket, say, calls };
}

test("a gap in the feed is filled from the server, and what came behind it waits for its turn", async () => {
  const { room, socket, say, calls } = fake();
  room.connected(socket);
  await until("live", () => calls.length === 2);
  await new Promise((done) => setImmediate(done));
  say("one");
  say("two", { deliver: false });
  say("three", { deliver: false });
  say("four");
  assert.deepEqual(texts(room), ["one"]);
  await until("all", () => room.heard.length === 4);
  assert.deepEqual(texts(room), ["one", "two", "three", "four"]);
  assert.deepEqual(calls.slice(2), [["join_room", { roomId: "r", afterSeq: 1 }]]);
});

test("a listener that fails costs no message, and its fault is reported", async (t) => {
  const { room, socket, say } = fake();
  room.on("message", () => {
    throw new Error("the page's own fault");
  });
  const heard = [];
  room.on("message", ({ content }) => heard.push(content));
  room.connected(socket);
  await new Promise((done) => setImmediate(done));
  const later = t.mock.method(globalThis, "setTimeout", () => {});
  say("one");
  assert.deepEqual(heard, ["one"]);
  assert.throws(later.mock.calls[0].arguments[0], /the page's own fault/);
});
