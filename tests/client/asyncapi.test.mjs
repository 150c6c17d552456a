import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { description, wrong } from "./description.mjs";
import { connect, enter, newUser, pair, unique } from "./support.mjs";

// The client contract's.
const FROM_CLIENT = ["join_room", "leave_room", "send_message", "typing_start", "typing_stop"];
const FROM_SERVER = [
  ...["connected", "error", "joined_room", "left_room", "message_confirmed", "message_error", "new_message"],
  ...["user_joined", "user_left", "user_typing"],
];

const operations = (action) => Object.keys(description.operations).filter((name) => description.operations[name].action === action);

test("the description is AsyncAPI 3.0 by its official schema", async () => {
  const file = createRequire(import.meta.url).resolve("@asyncapi/specs/schemas/3.0.0.json");
  // The schema brings its own copy of draft 7.
  const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false });
  formats.default(ajv);
  const validate = ajv.compile(JSON.parse(await readFile(file)));
  assert.ok(validate(description), ajv.errorsText(validate.errors));
});

test("the description has every event of the contract and no other", () => {
  assert.deepEqual(operations("receive").sort(), FROM_CLIENT);
  assert.deepEqual(operations("send").sort(), FROM_SERVER);
  for (const name of FROM_CLIENT) assert.ok(description.operations[name].reply.messages.length === 2, name);
});

test("the check of events finds what is wrong", () => {
  assert.deepEqual(wrong("left_room", { message: "Left room", roomId: "1" }), []);
  for (const payload of [{ message: "Left room" }, { message: "", roomId: 1 }, { message: "", roomId: "", more: 1 }, null]) {
    assert.equal(wrong("left_room", payload).length, 1, JSON.stringify(payload));
  }
  assert.equal(wrong("no_such_event", {}).length, 1);
});

test("each event and answer comes as it is described", async (t) => {
  const { room, a, b } = await pair(t);
  for (const event of FROM_CLIENT) await a.call(event, { roomId: room.id, content: "hello", afterSeq: 0, tempId: unique("temp") });
  await a.send(room.id, "without an id of its own");
  await a.call("typing_start", { roomId: room.id });
  await b.event("user_typing");
  for (const event of FROM_CLIENT) assert.equal((await b.call(event, { roomId: unique("none") })).success, false, event);
  await b.call("send_message", { roomId: unique("none"), content: "nowhere" });
  const carol = await newUser("carol");
  const late = await connect(t, carol);
  await enter(carol, room);
  await late.join(room.id, { afterSeq: 0 });
  await late.event("new_message");
  late.emit("leave_room", { roomId: room.id });
  await b.event("user_left");
  const seen = new Set([a, b, late].flatMap((client) => client.log.map(([event]) => event)));
  assert.deepEqual([...seen].sort(), FROM_SERVER);
  assert.deepEqual([...a.wrong, ...b.wrong, ...late.wrong], []);
});
