import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Api } from "./http.js";
import { Room } from "./room.js";
import { Session } from "./session.js";

export { ApiError } from "./http.js";

/**
 * @import { State } from "./connection.js"
 * @import { Connected, Failed } from "./events.js"
 *
 * @typedef {object} Options
 * @property {string} url of the gateway, say https://chat.example.com
 * @property {string | null} [token] an access token, where there is one already
 * @property {() => Promise<string | null>} [login] asked for a new access token when there is none or the server
 *   refuses it; `null` where somebody has to log in first
 * @property {string[]} [transports] of Socket.IO, by default the websocket alone
 * @property {number} [answerLimit] how long the server may leave a call unanswered before the connection is given up,
 *   in milliseconds
 *
 * @typedef {{state: State, connected: Connected, error: Failed}} ClientEvents
 */

/**
 * A user's way to a chat backend. Takes `io` of socket.io-client from its caller, so that it works without a bundler;
 * {@link createClient} of the package's main module brings it.
 * @extends {Emitter<ClientEvents>}
 */
export class AetherClient extends Emitter {
  /** HTTP calls, with the access token. */
  api;
  #session;
  #connection;
  /** @type {Set<Room>} */
  #rooms = new Set();

  /** @param {Options & {io: typeof import("socket.io-client").io}} options */
  constructor(options) {
    super();
    const { io, url, token = null, login = async () => null } = options;
    const { transports = ["websocket"], answerLimit = 15_000 } = options;
    this.#session = new Session(token, login);
    this.api = new Api(url, this.#session);
    this.#connection = new Connection(
      (wsToken) =>
        io(url, {
          path: "/socket",
          transports,
          auth: { token: wsToken },
          forceNew: true,
          autoConnect: false,
          reconnection: false,
        }),
      () => this.api.wsToken(),
      answerLimit,
    );
    this.#connection.on("state", (state) => {
      if (state.name !== "connected") this.#rooms.forEach((room) => room.disconnected());
      this.emit("state", state);
    });
    this.#connection.on("socket", (socket) => {
      socket.on("connected", (greeting) => this.emit("connected", greeting));
      socket.on("error", (failed) => this.emit("error", failed));
      this.#rooms.forEach((room) => room.connected(socket));
    });
  }

  /** The access token, for whoever keeps it. */
  get token() {
    return this.#session.token;
  }

  get state() {
    return this.#connection.state;
  }

  /** Connects, and connects again after each cut, until {@link close} or until the session is over. */
  connect() {
    this.#connection.open();
  }

  /** Tries at once, where the next try is still to come. */
  retryNow() {
    this.#connection.retryNow();
  }

  close() {
    this.#connection.close();
  }

  /**
   * Enters a room, as soon as there is a connection and again with each. Rooms that anybody may enter make one a
   * member. Listen to the room before you wait for anything.
   * @param {string} key the room's id or name
   * @param {{afterSeq?: number, last?: number}} [from] begin after this message, or with so many of the newest (50)
   * @returns {Room}
   */
  join(key, { afterSeq, last = 50 } = {}) {
    const room = new Room(key, this.#connection, this.api, { afterSeq, last });
    this.#rooms.add(room);
    room.on("ended", () => this.#rooms.delete(room));
    const socket = this.#connection.socket;
    if (socket) room.connected(socket);
    return room;
  }
}
