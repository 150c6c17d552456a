// The types of events against what really comes: every event is written down as TypeScript, and compiled.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { io } from "socket.io-client";
import { Laptop } from "../../../tests/tools/laptop.mjs";
import { newClient, pair, unique, until } from "./support.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = promisify(execFile);

/** Compiles a text as a module beside the sources; gives the errors, if any. */
async function compile(t, text) {
  const place = await mkdtemp(join(folder, "node_modules", ".types-"));
  t.after(() => rm(place, { recursive: true, force: true }));
  await writeFile(join(place, "recorded.ts"), text);
  const config = { extends: join(folder, "tsconfig.json"), compilerOptions: { noEmit: true, declaration: false, emitDeclarationOnly: false, rootDir: folder, skipLibCheck: true }, include: [], files: ["recorded.ts"] };
  await writeFile(join(place, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(folder, "node_modules", ".bin", "tsc");
  return run(tsc, ["--project", place]).then(() => "", ({ stdout }) => stdout);
}

const head = `import type { ClientToServerEvents, ServerToClientEvents } from "../../src/events.js";
type Event<Name extends keyof ServerToClientEvents> = Parameters<ServerToClientEvents[Name]>[0];
type Answer<Name extends keyof ClientToServerEvents> = Parameters<NonNullable<Parameters<ClientToServerEvents[Name]>[1]>>[0];
`;

/** All events and answers of a conversation in which each kind of them comes. */
async function record(t) {
  const { url } = await Laptop.start(t);
  const { a, b, made } = await pair(t, url);
  const user = await newClient(t, url);
  const socket = io(url, { path: "/socket", transports: ["websocket"], auth: { token: await user.api.wsToken() }, reconnection: false });
  t.after(() => socket.disconnect());
  const events = [];
  socket.onAny((name, event) => events.push([name, event]));
  const seen = (name) => until(`${name} among ${events.map(([event]) => event)}`, () => events.some(([event]) => event === name));
  await seen("connected");
  const answers = [];
  const ask = async (name, payload) => answers.push([name, await socket.emitWithAck(name, payload)]);
  await ask("join_room", { roomId: made.id });
  await ask("join_room", { roomId: unique("none") });
  await ask("send_message", { roomId: made.id, content: "with a name", tempId: "mine" });
  await ask("send_message", { roomId: made.id, content: "without" });
  await ask("send_message", { roomId: made.id, content: "" });
  await ask("typing_start", { roomId: made.id });
  await ask("typing_stop", { roomId: made.id });
  a.type();
  await seen("user_typing");
  b.close();
  await seen("user_left");
  const another = await newClient(t, url);
  another.join(made.id);
  another.connect();
  await seen("user_joined");
  await ask("leave_room", { roomId: made.id });
  await ask("leave_room", { roomId: unique("none") });
  return { events, answers };
}

test("the types of events and answers fit what really comes, key by key", async (t) => {
  const { events, answers } = await record(t);
  const source = await readFile(join(folder, "src", "events.ts"), "utf8");
  const names = (type) => [...source.split(`interface ${type} {`)[1].split("\n}")[0].matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  assert.deepEqual([...new Set(events.map(([name]) => name))].sort(), names("ServerToClientEvents").sort());
  assert.deepEqual([...new Set(answers.map(([name]) => name))].sort(), names("ClientToServerEvents").sort());
  // A literal may have no key that its type doesn't have, and must have all that it does.
  const told = events.map(([name, event], index) => `export const event${index}: Event<"${name}"> = ${JSON.stringify(event)};`);
  const said = answers.map(([name, answer], index) => `export const answer${index}: Answer<"${name}"> = ${JSON.stringify(answer)};`);
  assert.equal(await compile(t, [head, ...told, ...said].join("\n")), "");
});

test("an event that differs from its type would be found", async (t) => {
  const user = { userId: "1", username: "ann", roomId: "r" };
  for (const wrong of [{ ...user, more: 1 }, { userId: "1", username: "ann" }, { ...user, userId: 1 }]) {
    const errors = await compile(t, `${head}export const event: Event<"user_joined"> = ${JSON.stringify(wrong)};`);
    assert.match(errors, /error TS/, JSON.stringify(wrong));
  }
});
