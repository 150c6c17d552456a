// Prints the figures of issue-sized questions: how quickly it starts, how many users it can register and log in, what a
// delivery costs beside a plain Socket.IO server, and how much memory a connection takes.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { io } from "socket.io-client";
import { cpu, freePort, median, memory, start, stop, until } from "./processes.mjs";

const binaries = process.env.BENCH_BINARIES;
const directory = mkdtempSync(join(tmpdir(), "aether-bench."));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const repeats = Number(process.env.BENCH_REPEATS ?? 3);
const seconds = Number(process.env.BENCH_SECONDS ?? 5);
const print = (what, figure) => console.log(`${what.padEnd(66)} ${figure}`);

async function repeat(measure) {
  const figures = [];
  for (let i = 0; i < repeats; i++) figures.push(await measure(i));
  return median(figures);
}

async function call(url, path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url + path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  return response.json();
}

// --- aetherconnect run
async function timeToReady(i) {
  const port = await freePort();
  const began = performance.now();
  const child = start(join(binaries, "aetherconnect"), ["run", "--data-dir", join(directory, `run${i}`)], {
    API_GATEWAY_PORT: port, AUTH_SERVICE_GRPC_PORT: 0, AUTH_SERVICE_HTTP_PORT: 0, MESSAGE_SERVICE_GRPC_PORT: 0,
    MESSAGE_SERVICE_HTTP_PORT: 0, LOG_LEVEL: "error",
  });
  await until("aetherconnect run", async () => (await fetch(`http://127.0.0.1:${port}/api/health`)).ok);
  const took = performance.now() - began;
  await stop(child);
  return took;
}

// --- three processes, stores embedded
async function backend() {
  const names = ["API_GATEWAY_PORT", "METRICS_PORT", "AUTH_SERVICE_GRPC_PORT", "AUTH_SERVICE_HTTP_PORT",
    "MESSAGE_SERVICE_HTTP_PORT", "MESSAGE_SERVICE_GRPC_PORT"];
  const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
  const local = (name) => `http://127.0.0.1:${ports[name]}`;
  const env = {
    ...ports, LISTEN_ADDRESS: "127.0.0.1", AETHERCONNECT_ENV: "development", RATE_LIMIT_MAX: 0, LOG_LEVEL: "warn",
    JWT_SECRET: randomBytes(32).toString("hex"), JWT_WS_SECRET: randomBytes(32).toString("hex"),
    DATABASE_URL: `sqlite://${directory}/auth.db`, MONGODB_URL: `sqlite://${directory}/message.db`,
    AUTH_SERVICE_GRPC_URL: local("AUTH_SERVICE_GRPC_PORT"), MESSAGE_SERVICE_GRPC_URL: local("MESSAGE_SERVICE_GRPC_PORT"),
    MESSAGE_SERVICE_HTTP_URL: local("MESSAGE_SERVICE_HTTP_PORT"),
  };
  for (const name of ["auth", "message"]) {
    const { status } = spawnSync(join(binaries, `aetherconnect-${name}`), ["migrate"], { env: { ...process.env, ...env }, stdio: "inherit" });
    if (status !== 0) throw new Error(`${name}: migration failed`);
  }
  const [auth, message, gateway] = ["auth", "message", "gateway"].map((name) => start(join(binaries, `aetherconnect-${name}`), [], env));
  await until("gateway", async () => (await fetch(`${local("METRICS_PORT")}/readyz`)).ok);
  return { url: local("API_GATEWAY_PORT"), auth, message, gateway };
}

const user = (name) => ({ email: `${name}@example.com`, password: "correct horse", firstName: "B", lastName: "B", username: name });

/** Calls a second of the auth service's CPU time, eight at once. */
async function callsPerCpuSecond({ url, auth }, path, body) {
  const before = cpu(auth), end = Date.now() + seconds * 1000;
  let calls = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (Date.now() < end) {
      const answer = await call(url, path, body());
      if (!answer.success) throw new Error(`${path}: ${answer.message}`);
      calls += 1;
    }
  }));
  return calls / (cpu(auth) - before);
}

// --- deliveries
async function connect(url, count, token) {
  const sockets = [];
  for (let begun = 0; begun < count; begun += 50) {
    const batch = Array.from({ length: Math.min(50, count - begun) }, async () => {
      const auth = token ? { token: (await call(url, "/api/auth/ws-token", null, token)).token } : {};
      const socket = io(url, { path: "/socket", transports: ["websocket"], auth, forceNew: true, reconnection: false });
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
      return socket;
    });
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** Deliveries a second of the servers' CPU time in a room of `sockets`, ten messages on their way at any time. */
async function deliveriesPerCpuSecond(servers, sockets, roomId) {
  let delivered = 0, sent = 0;
  for (const socket of sockets) {
    await socket.emitWithAck("join_room", { roomId });
    socket.on("new_message", () => { delivered += 1; });
  }
  const total = () => servers.reduce((sum, server) => sum + cpu(server), 0);
  const before = total(), end = Date.now() + seconds * 1000;
  await Promise.all(sockets.slice(0, 10).map(async (socket) => {
    while (Date.now() < end) {
      const answer = await socket.emitWithAck("send_message", { roomId, content: "a message of usual length, more or less", tempId: randomUUID() });
      if (!answer.success) throw new Error(answer.message);
      sent += 1;
    }
  }));
  await until("every delivery", async () => delivered === sent * sockets.length);
  const rate = delivered / (total() - before);
  for (const socket of sockets) socket.off("new_message");
  return rate;
}

async function plainServer() {
  const child = start(process.execPath, [new URL("plain-server.mjs", import.meta.url).pathname]);
  const port = await new Promise((resolve) => child.stdout.once("data", (line) => resolve(Number(line))));
  return { url: `http://127.0.0.1:${port}`, child };
}

// --- kind
function applyToReady() {
  const k = (...args) => spawnSync("kubectl", ["--context", "kind-aetherconnect", ...args], { encoding: "utf8" });
  if (k("get", "--raw", "/readyz").status !== 0) return "no kind cluster; `make up` makes one";
  k("create", "namespace", "aether-bench");
  const resource = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: bench}\nspec: {deletionPolicy: Delete}\n";
  const began = performance.now();
  spawnSync("kubectl", ["--context", "kind-aetherconnect", "-n", "aether-bench", "apply", "-f", "-"], { input: resource });
  const ready = k("-n", "aether-bench", "wait", "--for=condition=Ready", "ac/bench", "--timeout=300s").status === 0;
  const took = `${((performance.now() - began) / 1000).toFixed(1)} s`;
  k("delete", "namespace", "aether-bench", "--wait=false");
  return ready ? took : "not ready after 300 s";
}

console.log(`${cpus()[0].model}, ${cpus().length} cores; medians of ${repeats}\n`);
print("`kubectl apply` to Ready, images present", applyToReady());
print("`aetherconnect run` to its first answer, new data directory", `${(await repeat(timeToReady)).toFixed(0)} ms`);

const ours = await backend();
const { accessToken } = await call(ours.url, "/api/auth/register", user("bench"));
print("registrations a CPU-second (auth)", (await repeat(() => callsPerCpuSecond(ours, "/api/auth/register", () => user(`u${randomBytes(8).toString("hex")}`)))).toFixed(0));
print("logins a CPU-second (auth)", (await repeat(() => callsPerCpuSecond(ours, "/api/auth/login", () => ({ email: "bench@example.com", password: "correct horse" })))).toFixed(0));
for (const name of ["gateway", "auth", "message"]) print(`memory of ${name} before the first connection`, `${(memory(ours[name]) / 1024).toFixed(1)} MB`);

const plain = await plainServer();
const theirs = await connect(plain.url, 100);
const baseline = await repeat(() => deliveriesPerCpuSecond([plain.child], theirs, "general"));
theirs.forEach((socket) => socket.disconnect());
print("deliveries a CPU-second, room of 100: plain Socket.IO server", baseline.toFixed(0));

const sockets = await connect(ours.url, 100, accessToken);
const direct = await repeat(() => deliveriesPerCpuSecond([ours.message], sockets, "general"));
print("  message service alone (authorised, stored, acknowledged)", `${direct.toFixed(0)} = ${(direct / baseline).toFixed(2)} of it`);
const through = await repeat(() => deliveriesPerCpuSecond([ours.message, ours.gateway], sockets, "general"));
print("  gateway and message together", `${through.toFixed(0)} = ${(through / baseline).toFixed(2)} of it`);
sockets.forEach((socket) => socket.disconnect());

const idle = 1000;
const base = { gateway: memory(ours.gateway), message: memory(ours.message), plain: memory(plain.child) };
const many = await connect(ours.url, idle, accessToken);
for (const name of ["gateway", "message"]) print(`memory of ${name} for each of ${idle} idle connections`, `${((memory(ours[name]) - base[name]) / idle).toFixed(1)} KB`);
const plainMany = await connect(plain.url, idle);
print("  plain Socket.IO server", `${((memory(plain.child) - base.plain) / idle).toFixed(1)} KB`);
[...many, ...plainMany].forEach((socket) => socket.disconnect());
await stop(ours.gateway, ours.message, ours.auth, plain.child);
process.exit(0);
