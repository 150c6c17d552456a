// wait-for.mjs NAME,PID,LOG,URL…: waits until every server answers; ends with the server's log if one dies or takes over a minute.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";

const DEADLINE = Date.now() + 60_000;

// PostgreSQL listens before it serves: only the answer 'R' (authenticated) to a start-up packet means ready.
const postgresHello = () => {
  const text = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const head = Buffer.alloc(8);
  head.writeInt32BE(text.length + 8, 0);
  head.writeInt32BE(196608, 4);
  return Buffer.concat([head, text]);
};

function tcp(url, hello, expected) {
  return new Promise((done) => {
    const socket = connect(Number(url.port), url.hostname);
    const end = (ok) => (socket.destroy(), done(ok));
    socket.setTimeout(2000, () => end(false));
    socket.on("error", () => end(false));
    socket.on("connect", () => (hello ? socket.write(hello) : end(true)));
    socket.on("data", (data) => end(data.toString("latin1").startsWith(expected)));
    socket.on("close", () => done(false));
  });
}

function https(url) {
  return new Promise((done) => {
    const call = request(url, { rejectUnauthorized: false, timeout: 2000 }, (answer) => {
      answer.resume();
      done(answer.statusCode === 200);
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => done(false));
    call.end();
  });
}

const probes = {
  "tcp:": (url) => tcp(url),
  "postgres:": (url) => tcp(url, postgresHello(), "R"),
  "redis:": (url) => tcp(url, "PING\r\n", "+PONG"),
  "https:": https,
};

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function fail(name, log, why) {
  const tail = readFileSync(log, "utf8").split("\n").slice(-25).join("\n");
  console.error(`The test server '${name}' ${why}. The end of its log:\n${tail}`);
  process.exit(1);
}

async function wait(server) {
  const [name, pid, log, address] = server.split(",");
  const url = new URL(address);
  while (!(await probes[url.protocol](url))) {
    if (!alive(Number(pid))) fail(name, log, "ended while it was starting");
    if (Date.now() > DEADLINE) fail(name, log, "did not answer within a minute");
    await new Promise((done) => setTimeout(done, 50));
  }
}

await Promise.all(process.argv.slice(2).map(wait));
