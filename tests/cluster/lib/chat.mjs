// Sockets of the official client: a plain one, and one that survives whatever happens to the servers.
import { io } from "socket.io-client";
import { pause, until } from "./check.mjs";

const events = [
  "connected",
  "joined_room",
  "left_room",
  "user_joined",
  "new_message",
  "message_confirmed",
  "message_error",
  "user_typing",
  "error",
];

/** A socket that notes everything it is sent, so that a test can wait for events that may be there already. */
export class Chat {
  constructor(api, user, { transports = ["websocket"], reconnection = false, token } = {}) {
    this.api = api;
    this.user = user;
    this.heard = [];
    this.socket = io(api.url, {
      path: "/socket",
      transports,
      reconnection,
      forceNew: true,
      reconnectionDelayMax: 1000,
      timeout: 5000,
      // Asked for at every connect: a WebSocket token lives for a minute only.
      auth: (give) => {
        this.#token(token).then((value) => give({ token: value }));
      },
    });
    for (const event of events) this.socket.on(event, (payload) => this.heard.push({ event, payload }));
    this.socket.on("connect_error", (error) => {
      this.refused = error;
    });
    this.socket.on("disconnect", (reason) => {
      this.disconnected = reason;
    });
  }

  async #token(given) {
    if (given) return given;
    for (;;) {
      try {
        return await this.api.wsToken(this.user);
      } catch (error) {
        this.refused = error;
        if (!this.socket.io.reconnection()) return "";
        await pause(500);
      }
    }
  }

  /** Waits for an event that satisfies `test`; gives its payload. */
  async hear(event, test = () => true, timeout = 10_000) {
    const found = await until(
      `'${event}' at ${this.user.username}`,
      () => this.heard.find((one) => one.event === event && test(one.payload)),
      { timeout, every: 20 },
    );
    return found.payload;
  }

  connected() {
    return this.hear("connected");
  }

  async join(roomId) {
    this.socket.emit("join_room", { roomId });
    return this.hear("joined_room");
  }

  /** Sends one message and gives its acknowledgement. */
  send(message) {
    return this.socket.timeout(10_000).emitWithAck("send_message", message);
  }

  /** Waits until the server has closed the connection. */
  closed() {
    return until(`${this.user.username} is disconnected`, () => this.disconnected, { timeout: 10_000, every: 20 });
  }

  close() {
    this.socket.disconnect();
  }
}

/** Waits for a refusal of the connection; a connection that is granted is a failure. */
export async function refusal(chat) {
  await until(
    "the connection is refused",
    () => {
      if (chat.heard.some((one) => one.event === "connected")) throw new Error("it was granted");
      return chat.refused;
    },
    { timeout: 10_000, every: 20 },
  );
  return chat.refused;
}

/**
 * Connects again whatever happens, follows the room, and notes its messages. The client library doesn't come back by
 * itself when the server, rather than the network, ended or refused the connection; a good front end does this.
 */
export class Faithful extends Chat {
  constructor(api, user, roomId, transports) {
    super(api, user, { transports, reconnection: true });
    this.roomId = roomId;
    this.messages = [];
    this.last = 0;
    this.socket.on("connect", () =>
      this.socket.emit("join_room", { roomId, ...(this.last > 0 && { afterSeq: this.last }) }),
    );
    // What is sent before the room is joined again is shown at once, and a second time among what was missed.
    this.socket.on("joined_room", () => {
      this.joined = true;
    });
    this.socket.on("disconnect", () => {
      this.joined = false;
    });
    this.socket.on("new_message", (message) => {
      this.messages.push(message);
      this.last = Math.max(this.last, message.seq);
    });
    const again = () => {
      if (!this.socket.active && !this.ended) setTimeout(() => this.ended || this.socket.connect(), 300);
    };
    this.socket.on("disconnect", again);
    this.socket.on("connect_error", again);
  }

  /** Sends with the same tempId until it is acknowledged. */
  async sendUntilAcknowledged(content, tempId, deadline) {
    let last;
    while (Date.now() < deadline) {
      try {
        await until("the room is joined", () => this.joined, { timeout: deadline - Date.now(), every: 20 });
        const answer = await this.socket
          .timeout(3000)
          .emitWithAck("send_message", { roomId: this.roomId, content, tempId });
        if (answer.success) return answer;
        last = answer.error ?? answer.message;
      } catch (error) {
        last = error.message;
      }
      await pause(200);
    }
    throw new Error(`${tempId} was never acknowledged (last: ${last})`);
  }

  close() {
    this.ended = true;
    super.close();
  }
}
