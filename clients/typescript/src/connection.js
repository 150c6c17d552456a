import { Emitter } from "./emitter.js";
import { ApiError } from "./http.js";

/**
 * @import { Socket } from "socket.io-client"
 * @import { ClientToServerEvents, ServerToClientEvents } from "./events.js"
 * @typedef {Socket<ServerToClientEvents, ClientToServerEvents>} AetherSocket
 *
 * `closed`: nobody wants a connection. `waiting`: the next try is in `retryIn` milliseconds. `signed_out`: the server
 * accepts the token no longer, and there is no other.
 * @typedef {{name: "closed" | "connecting" | "connected" | "signed_out"}
 *   | {name: "waiting", reason: string, retryIn: number}} State
 * @typedef {{state: State, socket: AetherSocket}} ConnectionEvents
 * @typedef {{lasted: boolean, reason: string, retryAfter?: number, signedOut?: boolean}} End how a connection ended
 */

const FIRST_DELAY = 300;
const MOST_DELAY = 10_000;

/**
 * Keeps a socket open for as long as it is wanted. Each connection is a new socket with a new token, so nothing of the
 * old one is sent by chance.
 * @extends {Emitter<ConnectionEvents>}
 */
export class Connection extends Emitter {
  /** @type {State} */
  state = { name: "closed" };
  #open;
  #wsToken;
  #answerLimit;
  /** @type {AetherSocket | null} */
  #socket = null;
  /** Which run of the loop is the one that is wanted. */
  #run = 0;
  #wake = () => {};
  #retry = () => this.retryNow();

  /**
   * @param {(token: string) => AetherSocket} open makes a socket that neither connects nor reconnects by itself
   * @param {() => Promise<string>} wsToken
   * @param {number} answerLimit in milliseconds
   */
  constructor(open, wsToken, answerLimit) {
    super();
    this.#open = open;
    this.#wsToken = wsToken;
    this.#answerLimit = answerLimit;
  }

  open() {
    if (this.state.name !== "closed" && this.state.name !== "signed_out") return;
    // Only browsers say when the network is back.
    globalThis.addEventListener?.("online", this.#retry);
    void this.#keepOpen(++this.#run);
  }

  close() {
    this.#finish({ name: "closed" });
    this.#socket?.disconnect();
    this.#wake();
  }

  /** Ends the wait for the next try. */
  retryNow() {
    this.#wake();
  }

  /** The socket, where it is connected. */
  get socket() {
    return this.state.name === "connected" ? this.#socket : null;
  }

  /**
   * Sends an event and waits for the answer. Rejects when the connection ends before it comes; a connection that
   * leaves a call unanswered is given up.
   * @param {AetherSocket} socket
   * @param {"join_room" | "send_message"} event
   * @param {object} payload
   * @returns {Promise<any>}
   */
  async call(socket, event, payload) {
    // One that isn't connected would keep the event, and send it at a time that nobody chose.
    if (!socket.connected) throw new Error("not connected");
    try {
      return await socket.timeout(this.#answerLimit).emitWithAck(event, /** @type {any} */ (payload));
    } catch (error) {
      socket.disconnect();
      throw error;
    }
  }

  /** @param {number} run */
  async #keepOpen(run) {
    let failures = 0;
    for (;;) {
      this.#enter({ name: "connecting" });
      const end = await this.#connect(run);
      if (run !== this.#run) return;
      if (end.signedOut) return this.#finish({ name: "signed_out" });
      failures = end.lasted ? 0 : failures + 1;
      const retryIn = Math.max(delay(failures), (end.retryAfter ?? 0) * 1000);
      this.#enter({ name: "waiting", reason: end.reason, retryIn });
      await this.#sleep(retryIn);
      if (run !== this.#run) return;
    }
  }

  /** One connection, from its token to its end. @param {number} run @returns {Promise<End>} */
  async #connect(run) {
    let token;
    try {
      token = await this.#wsToken();
    } catch (error) {
      if (!(error instanceof ApiError)) return { lasted: false, reason: String(error) };
      return { lasted: false, reason: error.message, retryAfter: error.retryAfter, signedOut: error.status === 401 };
    }
    if (run !== this.#run) return { lasted: false, reason: "closed" };
    const socket = (this.#socket = this.#open(token));
    return new Promise((done) => {
      const silent = setTimeout(() => over(false, "no answer"), this.#answerLimit);
      /** @param {boolean} lasted @param {string} reason */
      const over = (lasted, reason) => {
        clearTimeout(silent);
        socket.off();
        socket.disconnect();
        if (this.#socket === socket) this.#socket = null;
        done({ lasted, reason });
      };
      socket.on("connect", () => {
        clearTimeout(silent);
        this.#enter({ name: "connected" });
        this.emit("socket", socket);
      });
      socket.on("connect_error", (error) => over(false, error.message));
      socket.on("disconnect", (reason) => over(true, reason));
      socket.connect();
    });
  }

  /** @param {State} state */
  #enter(state) {
    this.state = state;
    this.emit("state", state);
  }

  /** @param {State} state */
  #finish(state) {
    this.#run += 1;
    globalThis.removeEventListener?.("online", this.#retry);
    if (this.state.name !== state.name) this.#enter(state);
  }

  /** @param {number} milliseconds @returns {Promise<void>} */
  #sleep(milliseconds) {
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

/**
 * Doubles with each failure, and is spread so that many clients don't come back all at once.
 * @param {number} failures
 */
function delay(failures) {
  return Math.min(FIRST_DELAY * 2 ** failures, MOST_DELAY) * (0.5 + Math.random() / 2);
}
