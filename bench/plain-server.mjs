// The baseline: a plain Socket.IO server that checks a token when a socket connects, relays messages to a room and
// acknowledges them. It checks no membership. With STORE=file it first inserts each message into SQLite, as an ordinary
// author would: a prepared statement, a write-ahead log, and a commit for each message that survives a power cut.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { path: "/socket", serveClient: false });
const store = process.env.STORE ? await open(process.env.STORE) : undefined;
const secret = process.env.JWT_WS_SECRET;

async function open(file) {
  const { default: Database } = await import("libsql");
  const database = new Database(file);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE messages (seq INTEGER PRIMARY KEY, room TEXT, user TEXT, content TEXT, temp_id TEXT, created TEXT)");
  return database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)");
}

function verify(token) {
  const [header, claims, signature] = String(token).split(".");
  const wanted = createHmac("sha256", secret).update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new Error("forged");
  const { sub, username, exp, type } = JSON.parse(Buffer.from(claims, "base64url"));
  if (type !== "ws" || exp * 1000 <= Date.now()) throw new Error("expired");
  return { id: sub, username };
}

io.use((socket, next) => {
  try {
    socket.data.user = verify(socket.handshake.auth.token);
    next();
  } catch {
    next(new Error("Unauthorized"));
  }
});

let seq = 0;
io.on("connection", (socket) => {
  const { id: userId, username } = socket.data.user;
  socket.emit("connected", { message: "Connected", user: { id: userId, username } });
  socket.on("join_room", ({ roomId }, acknowledge) => {
    socket.join(roomId);
    acknowledge({ success: true, roomId });
  });
  socket.on("send_message", ({ roomId, content, tempId }, acknowledge) => {
    seq += 1;
    const now = new Date().toISOString();
    store?.run(seq, roomId, userId, content, tempId, now);
    acknowledge({ success: true, id: String(seq), seq, tempId });
    const message = { id: String(seq), userId, username, roomId, content, messageType: "text" };
    io.to(roomId).emit("new_message", { ...message, metadata: null, createdAt: now, updatedAt: now, seq, tempId });
  });
});
http.listen(0, "127.0.0.1", 4096, () => console.log(http.address().port));
