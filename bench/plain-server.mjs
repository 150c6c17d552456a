// The baseline: a plain Socket.IO server that relays messages to a room and acknowledges them. It stores nothing and
// checks nothing.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { path: "/socket" });
let seq = 0;
io.on("connection", (socket) => {
  socket.on("join_room", ({ roomId }, acknowledge) => {
    socket.join(roomId);
    acknowledge({ success: true, roomId });
  });
  socket.on("send_message", ({ roomId, content, tempId }, acknowledge) => {
    seq += 1;
    acknowledge({ success: true, id: String(seq), seq, tempId });
    const now = new Date().toISOString();
    const message = { id: String(seq), userId: "1", username: "ada", roomId, content, messageType: "text" };
    io.to(roomId).emit("new_message", { ...message, metadata: null, createdAt: now, updatedAt: now, seq, tempId });
  });
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
