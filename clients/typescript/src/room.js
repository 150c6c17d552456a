import { Emitter } from "./emitter.js";
import { Feed } from "./feed.js";

/**
 * @import { Message } from "./events.js"
 * @import { Api, Schemas } from "./http.js"
 * @import { AetherSocket, Connection } from "./connection.js"
 *
 * A message of one's own, until it is stored or refused. A refused one may be tried again by {@link Room.retry}.
 * @typedef {object} Sending
 * @property {string} tempId
 * @property {string} content
 * @property {string | undefined} messageType
 * @property {"pending" | "stored" | "refused"} state
 * @property {string | null} reason why it was refused
 * @property {number | null} seq its number, once it is stored
 *
 * `message`: each message once, in one order. `sending`: a message of one's own got another state. `here`, `typing`:
 * who is seen in the room, and who types there, changed. `live`: the feed has begun, or goes on after a
 * cut; what was missed up to `seq` comes now, and what is newer as it is said.
 * `ended`: it won't go on, since the membership ended or the server refused.
 * @typedef {{message: Message, sending: Sending, here: Map<string, string>, typing: Map<string, string>,
 *   live: {roomId: string, seq: number}, ended: {reason: string}}} RoomEvents
 */

/** Typing goes off by itself after three seconds, so it is told again before that. */
const TYPING_AGAIN = 2_000;
const EARLIER = 50;

/**
 * The live feed of one room: from {@link AetherClient.join}.
 * @extends {Emitter<RoomEvents>}
 */
export class Room extends Emitter {
  /** The id; until the server has told it, what the room was asked for by. */
  id;
  /** Users that are seen here, by id: their names. @type {Map<string, string>} */
  here = new Map();
  /** Users that type, by id: their names. @type {Map<string, string>} */
  typing = new Map();
  #connection;
  #api;
  /** How to begin: after this message, or with so many of the newest. @type {{afterSeq?: number, last: number}} */
  #start;
  /** @type {Feed | null} */
  #feed = null;
  /** What isn't acknowledged, by tempId, in the order in which it was sent. @type {Map<string, Sending>} */
  #outbox = new Map();
  /** The connection in which the feed is live, if any, and the one in which it is being entered. */
  /** @type {AetherSocket | null} */
  #live = null;
  /** @type {AetherSocket | null} */
  #entering = null;
  /** The server is sending what was missed up to this number. */
  #replayed = 0;
  #typedAt = 0;
  #ended = false;
  /** Messages that were given out, live and by {@link Room.earlier}. @type {Set<string>} */
  #seen = new Set();

  /**
   * @param {string} key id or name
   * @param {Connection} connection
   * @param {Api} api
   * @param {{afterSeq?: number, last: number}} start
   */
  constructor(key, connection, api, start) {
    super();
    this.id = key;
    this.#connection = connection;
    this.#api = api;
    this.#start = start;
  }

  /** The number of the newest message that was given out. Kept somewhere, it is the next join's `afterSeq`. */
  get lastSeq() {
    return this.#feed?.last ?? 0;
  }

  /** What was sent and isn't acknowledged. */
  get pending() {
    return [...this.#outbox.values()];
  }

  /**
   * Sends a message as soon as that is possible, and again after each cut until the server has acknowledged it. It is
   * stored once.
   * @param {string} content
   * @param {{messageType?: string}} [options]
   * @returns {Sending}
   */
  send(content, { messageType } = {}) {
    /** @type {Sending} */
    const sending = { tempId: newTempId(), content, messageType, state: "pending", reason: null, seq: null };
    return this.retry(sending);
  }

  /**
   * Sends a refused message again; if it was stored after all, it isn't stored a second time.
   * @param {Sending} sending
   */
  retry(sending) {
    if (sending.state === "stored" || this.#outbox.has(sending.tempId)) return sending;
    this.#outbox.set(sending.tempId, sending);
    this.stopTyping();
    this.#change(sending, "pending", null);
    if (this.#live) void this.#deliver(sending, this.#live);
    return sending;
  }

  /** To be called at each key: others see it for some three seconds. */
  type() {
    const now = Date.now();
    if (!this.#live || now - this.#typedAt < TYPING_AGAIN) return;
    this.#typedAt = now;
    this.#live.emit("typing_start", { roomId: this.id });
  }

  /** Nothing is being written any more. */
  stopTyping() {
    if (this.#typedAt === 0) return;
    this.#typedAt = 0;
    this.#live?.emit("typing_stop", { roomId: this.id });
  }

  /**
   * Messages before those that were given out so far, the newest of them first asked for; in order. Empty when there
   * are no more.
   * @returns {Promise<Schemas["Message"][]>}
   */
  async earlier() {
    // Pages count from the newest message, so they move while messages come in.
    const page = Math.floor(this.#seen.size / EARLIER) + 1;
    const { messages } = await this.#api.messages(this.id, { page, limit: EARLIER });
    const unseen = messages.filter(({ id }) => !this.#seen.has(id));
    for (const { id } of unseen) this.#seen.add(id);
    return unseen;
  }

  /** Ends the live feed here; the membership stays. */
  close() {
    this.#live?.emit("leave_room", { roomId: this.id });
    this.#end("closed");
  }

  /**
   * The connection is there, or there again.
   * @param {AetherSocket} socket
   */
  connected(socket) {
    this.#listen(socket);
    void this.#enter(socket);
  }

  /** The connection is gone. */
  disconnected() {
    this.#live = null;
    this.#replayed = 0;
    this.#typedAt = 0;
    this.#see(() => this.here.clear());
    this.#hear(() => this.typing.clear());
  }

  /** @param {AetherSocket} socket */
  #listen(socket) {
    /** @param {{roomId: string}} event */
    const ours = (event) => event.roomId === this.id && !this.#ended;
    socket.on("new_message", (message) => ours(message) && this.#take(message, socket));
    socket.on("user_joined", (user) => ours(user) && this.#see(() => this.here.set(user.userId, user.username)));
    socket.on("user_left", (user) => ours(user) && this.#see(() => this.here.delete(user.userId)));
    // Before the feed is live it is the end of an earlier one.
    socket.on("left_room", (notice) => ours(notice) && this.#live && this.#end(notice.message));
    socket.on("user_typing", (user) => {
      if (!ours(user)) return;
      if (user.isTyping) this.#see(() => this.here.set(user.userId, user.username));
      this.#hear(() => (user.isTyping ? this.typing.set(user.userId, user.username) : this.typing.delete(user.userId)));
    });
  }

  /**
   * Enters the room with what was missed, and then sends what waits: what is sent first would come out of its order.
   * @param {AetherSocket} socket
   */
  async #enter(socket) {
    if (this.#ended || this.#entering === socket) return;
    this.#entering = socket;
    try {
      if (!this.#feed && !(await this.#begin(socket))) return;
      const answer = await this.#connection.call(socket, "join_room", { roomId: this.id, afterSeq: this.lastSeq });
      if (this.#ended) return;
      if (!answer.success) return this.#end(answer.message);
      this.#replayed = answer.seq;
      this.#live = socket;
      this.#see(() => {
        // Servers of before don't tell.
        for (const { userId, username } of answer.here ?? []) this.here.set(userId, username);
      });
      this.emit("live", { roomId: this.id, seq: answer.seq });
      for (const sending of this.#outbox.values()) void this.#deliver(sending, socket);
    } catch {
      // The connection ended; there will be another.
    } finally {
      if (this.#entering === socket) this.#entering = null;
    }
  }

  /** Learns the room's id and where the feed begins. @param {AetherSocket} socket */
  async #begin(socket) {
    const { afterSeq, last } = this.#start;
    const answer = await this.#connection.call(socket, "join_room", { roomId: this.id });
    if (answer.success) {
      this.id = answer.roomId;
      this.#feed = new Feed(afterSeq ?? Math.max(0, answer.seq - last));
    } else {
      this.#end(answer.message);
    }
    return answer.success;
  }

  /** @param {Message} message @param {AetherSocket} socket */
  #take(message, socket) {
    if (!this.#feed) return;
    for (const next of this.#feed.offer(message)) {
      this.#seen.add(next.id);
      const own = this.#outbox.get(next.tempId ?? "");
      if (own) this.#stored(own, next.seq);
      if (this.#live && next.seq > this.#replayed) this.#see(() => this.here.set(next.userId, next.username));
      this.emit("message", next);
    }
    if (this.#feed.hasGap && this.#live && this.#feed.last >= this.#replayed) void this.#enter(socket);
  }

  /** @param {Sending} sending @param {AetherSocket} socket */
  async #deliver(sending, socket) {
    const { tempId, content, messageType } = sending;
    const payload = { roomId: this.id, content, tempId, ...(messageType && { messageType }) };
    try {
      const answer = await this.#connection.call(socket, "send_message", payload);
      if (answer.success) return this.#stored(sending, answer.seq);
      this.#outbox.delete(tempId);
      this.#change(sending, "refused", answer.error);
    } catch {
      // Nobody knows whether it was stored: it stays in the outbox for the next connection.
    }
  }

  /** @param {Sending} sending @param {number} seq */
  #stored(sending, seq) {
    if (!this.#outbox.delete(sending.tempId)) return;
    sending.seq = seq;
    this.#change(sending, "stored", null);
  }

  /** @param {Sending} sending @param {Sending["state"]} state @param {string | null} reason */
  #change(sending, state, reason) {
    sending.state = state;
    sending.reason = reason;
    this.emit("sending", sending);
  }

  /** @param {() => unknown} change */
  #see(change) {
    const before = this.here.size;
    change();
    if (this.here.size !== before) this.emit("here", this.here);
  }

  /** @param {() => unknown} change */
  #hear(change) {
    const before = this.typing.size;
    change();
    if (this.typing.size !== before) this.emit("typing", this.typing);
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#ended) return;
    this.#ended = true;
    this.disconnected();
    this.emit("ended", { reason });
  }
}

/** Not crypto.randomUUID, which pages that come without TLS don't have. */
function newTempId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
