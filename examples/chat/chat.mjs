// A chat in the terminal: node chat.mjs NAME [ROOM]
// Signs NAME up (or logs in), joins the room, prints what is said there, and sends each line that you type.
// AETHER_URL (default http://localhost:3000) and AETHER_PASSWORD (default "correct horse") may be set.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";

const [name, roomName = "general"] = process.argv.slice(2);
if (!name) fail("usage: node chat.mjs NAME [ROOM]");
const url = process.env.AETHER_URL ?? "http://localhost:3000";
const password = process.env.AETHER_PASSWORD ?? "correct horse";
const email = `${name}@example.com`;
const LONGEST = 1000; // characters; a packet of more than 64 KiB would cost the connection

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

async function call(method, path, { token, body } = {}) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return { status: response.status, wait: Number(response.headers.get("retry-after") ?? 1), body: await response.json() };
}

async function signIn() {
  const profile = { email, password, username: name, firstName: name, lastName: "Example" };
  const registered = await call("POST", "/api/auth/register", { body: profile });
  if (registered.status === 201) return registered.body.accessToken;
  const login = await call("POST", "/api/auth/login", { body: { email, password } });
  if (login.status === 200) return login.body.accessToken;
  return fail(`cannot sign up: ${registered.body.message}; nor log in: ${login.body.message}`);
}

const token = await signIn().catch(() => fail(`nothing answers at ${url}: is \`make run\` running?`));

// The WebSocket token lives for 60 seconds, so each connection asks for a new one, until there is one.
async function websocketToken() {
  for (;;) {
    const answer = await call("GET", "/api/auth/ws-token", { token }).catch(() => ({ wait: 1, body: { message: "no answer" } }));
    if (answer.status === 200) return answer.body.token;
    if (answer.status === 401) fail("* your session is over; start again to log in");
    console.log(`* not connected: ${answer.body.message}; trying again in ${answer.wait} s`);
    await sleep(answer.wait * 1000);
  }
}

const socket = io(url, {
  path: "/socket",
  transports: ["websocket"],
  auth: (give) => websocketToken().then((fresh) => give({ token: fresh })),
});

let roomId;
let lastSeq; // what was seen last: after a cut, the server sends what came since
let lastSent = 0; // what was stored last of one's own
const unsent = new Map(); // by tempId: sent again after a cut, stored once

socket.on("connect", () => {
  socket.emit("join_room", { roomId: roomId ?? roomName, afterSeq: lastSeq }, (answer) => {
    if (!answer.success) fail(`cannot join: ${answer.message}`);
    roomId = answer.roomId;
    for (const message of unsent.values()) deliver(message);
  });
});
socket.on("connect_error", (error) => {
  console.log(`* not connected: ${error.message}`);
  // The client goes on by itself but for a connection that the server refused.
  if (!socket.active) sleep(1000).then(() => socket.connect());
});
socket.on("disconnect", (reason) => {
  if (reason !== "io client disconnect") console.log(`* connection lost (${reason}), trying again`);
});
socket.on("joined_room", () => console.log(`* you are in ${roomName}; type a line to send it, Ctrl-D to leave`));
socket.on("user_joined", ({ username }) => console.log(`* ${username} came in`));
socket.on("user_left", ({ username }) => console.log(`* ${username} left`));
socket.on("new_message", (message) => {
  lastSeq = message.seq;
  console.log(`${message.username}: ${message.content}`);
});

function deliver(message) {
  socket.emit("send_message", { roomId, ...message }, (answer) => {
    unsent.delete(message.tempId);
    if (answer.success) lastSent = answer.seq;
    else console.log(`* not sent: ${answer.message}`);
  });
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (content) => {
  if (content.length > LONGEST) return console.log(`* not sent: more than ${LONGEST} characters`);
  const message = { content, tempId: randomUUID() };
  unsent.set(message.tempId, message);
  if (roomId && socket.connected) deliver(message);
});
lines.on("close", async () => {
  while (unsent.size > 0 || lastSent > (lastSeq ?? 0)) await sleep(20);
  socket.disconnect();
  process.exit();
});
