// A chat in the terminal: node chat.mjs NAME [ROOM]
// Signs NAME up (or logs in), joins the room, prints what is said there, and sends each line that you type.
// AETHER_URL (default http://localhost:3000) and AETHER_PASSWORD (default "correct horse") may be set.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [name, roomName = "general"] = process.argv.slice(2);
if (!name) {
  console.error("usage: node chat.mjs NAME [ROOM]");
  process.exit(2);
}
const url = process.env.AETHER_URL ?? "http://localhost:3000";
const password = process.env.AETHER_PASSWORD ?? "correct horse";
const email = `${name}@example.com`;

async function call(method, path, { token, body } = {}) {
  const response = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const profile = { email, password, username: name, firstName: name, lastName: "Example" };
let session = await call("POST", "/api/auth/register", { body: profile });
if (session.status !== 201) session = await call("POST", "/api/auth/login", { body: { email, password } });
if (!session.body.accessToken) {
  console.error(`cannot sign in: ${session.body.message}`);
  process.exit(1);
}
const token = session.body.accessToken;

// The WebSocket token lives for 60 seconds, so each connection asks for a new one.
const socket = io(url, {
  path: "/socket",
  transports: ["websocket"],
  auth: (give) => call("GET", "/api/auth/ws-token", { token }).then(({ body }) => give({ token: body.token })),
});

let roomId;
let lastSeq; // what was seen last: after a cut, the server sends what came since
const unsent = new Map(); // by tempId: sent again after a cut, stored once

socket.on("connect", () => {
  socket.emit("join_room", { roomId: roomId ?? roomName, afterSeq: lastSeq }, (answer) => {
    if (!answer.success) {
      console.error(`cannot join: ${answer.message}`);
      process.exit(1);
    }
    roomId = answer.roomId;
    for (const message of unsent.values()) deliver(message);
  });
});
socket.on("connect_error", (error) => console.log(`* not connected: ${error.message}`));
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
    if (!answer.success) console.log(`* not sent: ${answer.message}`);
  });
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (content) => {
  const message = { content, tempId: randomUUID() };
  unsent.set(message.tempId, message);
  if (roomId && socket.connected) deliver(message);
});
lines.on("close", () => {
  const leave = setInterval(() => {
    if (unsent.size > 0) return;
    clearInterval(leave);
    socket.disconnect();
  }, 20);
});
