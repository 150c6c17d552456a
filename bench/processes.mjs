// Servers under test: started on the first core, measured through /proc.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

const pinned = spawnSync("taskset", ["-V"]).status === 0;
const ticks = Number(spawnSync("getconf", ["CLK_TCK"]).stdout.toString());
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

export function start(program, args, env = {}, stdio = ["ignore", "pipe", "inherit"]) {
  const [command, ...rest] = pinned ? ["taskset", "-c", "0", program, ...args] : [program, ...args];
  const child = spawn(command, rest, { env: { ...process.env, ...env }, stdio });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

export async function stop(...started) {
  await Promise.all(
    started.map((child) => new Promise((ended) => {
      child.once("exit", ended);
      child.kill("SIGKILL");
    })),
  );
}

/** CPU time so far, in seconds. */
export function cpu(child) {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

/** Resident memory, in KB. */
export function memory(child) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]);
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export async function until(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await condition().catch(() => false)) return;
    await new Promise((again) => setTimeout(again, 5));
  }
  throw new Error(`${what}: not within ${seconds} seconds`);
}

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
