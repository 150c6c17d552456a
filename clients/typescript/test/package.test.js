// The package as others get it, and the README's program.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Laptop } from "../../../tests/tools/laptop.mjs";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = promisify(execFile);

/** A project beside nothing of this checkout, with the packed package and what that depends on installed. */
async function project(t) {
  const place = await mkdtemp(join(tmpdir(), "aether-package-"));
  t.after(() => rm(place, { recursive: true, force: true }));
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", place], { cwd: folder });
  const home = join(place, "node_modules", "@aetherconnect", "client");
  await mkdir(home, { recursive: true });
  await run("tar", ["-xzf", join(place, stdout.trim().split("\n").at(-1)), "-C", home, "--strip-components=1"]);
  await symlink(join(folder, "node_modules", "socket.io-client"), join(place, "node_modules", "socket.io-client"));
  await writeFile(join(place, "package.json"), '{"type": "module"}');
  return place;
}

const PROGRAM = `
import { createClient, ApiError } from "@aetherconnect/client";
import type { components } from "@aetherconnect/client/api";
import type { Message } from "@aetherconnect/client/events";
const client = createClient({ url: "http://localhost:3000", login: async () => null });
const room = client.join("general", { last: 10 });
room.on("message", (message: Message) => console.log(message.content));
room.on("sending", (sending) => console.log(sending.state === "refused" ? sending.reason : sending.seq));
client.on("state", (state) => { if (state.name === "waiting") console.log(state.retryIn); });
const rooms: components["schemas"]["Room"][] = await client.api.rooms();
console.log(rooms.map((it) => it.name), ApiError.name);
// @ts-expect-error a message has no such field
room.on("message", (message) => message.nothing);
// @ts-expect-error there is no such event
room.on("mesage", () => {});
`;

test("a TypeScript program gets the types of the packed package", async (t) => {
  const place = await project(t);
  await writeFile(join(place, "program.ts"), PROGRAM);
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", join(place, "program.ts")];
  const failure = await run(join(folder, "node_modules", ".bin", "tsc"), options).then(() => "", ({ stdout }) => stdout);
  assert.equal(failure, "");
});

test("the README's program runs as it stands, and two of them talk", async (t) => {
  const laptop = await Laptop.start(t);
  const place = await project(t);
  const readme = await readFile(join(folder, "README.md"), "utf8");
  const program = readme.split("```js\n")[1].split("```")[0];
  await writeFile(join(place, "chat.js"), program);
  const start = (name) => {
    const child = spawn(process.execPath, ["chat.js", name], { cwd: place, env: { ...process.env, AETHER_URL: laptop.url }, stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill());
    child.printed = "";
    child.stdout.on("data", (data) => (child.printed += data));
    child.prints = async (pattern) => {
      while (!pattern.test(child.printed)) await new Promise((done, fail) => {
        child.stdout.once("data", done);
        child.once("exit", () => fail(new Error(`${name} ended after: ${child.printed}`)));
      });
    };
    return child;
  };
  const ada = start("ada");
  await ada.prints(/ada: Hello from ada/);
  const grace = start("grace");
  await ada.prints(/grace: Hello from grace/);
  await grace.prints(/ada: Hello from ada/);
  await laptop.stop("SIGKILL");
  await ada.prints(/\* waiting/);
  await laptop.start();
  await ada.prints(/\* waiting[^]*\* connected/);
  assert.equal(ada.printed.split("Hello from grace").length, 2, "each message once");
});
