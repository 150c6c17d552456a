/**
 * @import { components } from "./api.js"
 * @typedef {components["schemas"]} Schemas
 * @typedef {Schemas["SessionBody"]} SignedIn
 */

/** A request that failed. */
export class ApiError extends Error {
  /**
   * @param {string} message says what is wrong, for people
   * @param {number} status 0 where nothing answered
   * @param {number} [retryAfter] seconds to wait before another try, where the server says so
   */
  constructor(message, status, retryAfter) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** How long a request may take, in milliseconds. */
const LIMIT = 15_000;

/** The HTTP API. Each method rejects with an {@link ApiError}. */
export class Api {
  #url;
  #session;

  /**
   * @param {string} url of the gateway, say https://chat.example.com
   * @param {import("./session.js").Session} session
   */
  constructor(url, session) {
    this.#url = url.replace(/\/+$/, "");
    this.#session = session;
  }

  /** @param {Schemas["RegisterBody"]} body @returns {Promise<SignedIn>} */
  register(body) {
    return this.#open("POST", "/api/auth/register", body);
  }

  /** @param {Schemas["LoginBody"]} body @returns {Promise<SignedIn>} */
  login(body) {
    return this.#open("POST", "/api/auth/login", body);
  }

  /** Ends this session, everywhere and at once. */
  async logout() {
    const token = this.#session.token;
    this.#session.token = null;
    if (token) await this.#request("POST", "/api/auth/logout", {}, token);
  }

  /** A token for one connection of Socket.IO, good for a minute. @returns {Promise<string>} */
  async wsToken() {
    return (await this.#guarded("GET", "/api/auth/ws-token")).token;
  }

  /** @returns {Promise<Schemas["User"]>} */
  async profile() {
    return (await this.#guarded("GET", "/api/auth/profile")).user;
  }

  /** The rooms that the user is a member of. @returns {Promise<Schemas["Room"][]>} */
  async rooms() {
    return (await this.#guarded("GET", "/api/rooms")).rooms;
  }

  /**
   * Rooms that anybody may enter.
   * @param {{search?: string, page?: number, limit?: number}} [query]
   * @returns {Promise<Schemas["PublicRoomsBody"]>}
   */
  publicRooms(query = {}) {
    return this.#guarded("GET", `/api/rooms/public${text(query)}`);
  }

  /** @param {Schemas["CreateRoomBody"]} body @returns {Promise<Schemas["Room"]>} */
  async createRoom(body) {
    return (await this.#guarded("POST", "/api/rooms", body)).room;
  }

  /** The one room of two users. @param {Schemas["UserBody"]} user @returns {Promise<Schemas["Room"]>} */
  async directRoom(user) {
    return (await this.#guarded("POST", "/api/rooms/direct", user)).room;
  }

  /** Ends the membership. @param {string} room @returns {Promise<void>} */
  async leaveRoom(room) {
    await this.#guarded("POST", `/api/rooms/${encodeURIComponent(room)}/leave`, {});
  }

  /**
   * @param {string} room
   * @param {{page?: number, limit?: number}} [query]
   * @returns {Promise<Schemas["MembersBody"]>}
   */
  members(room, query = {}) {
    return this.#guarded("GET", `/api/rooms/${encodeURIComponent(room)}/members${text(query)}`);
  }

  /** Lets somebody in. @param {string} room @param {Schemas["UserBody"]} user @returns {Promise<void>} */
  async addMember(room, user) {
    await this.#guarded("POST", `/api/rooms/${encodeURIComponent(room)}/members`, user);
  }

  /**
   * The history: page 1 holds the newest messages.
   * @param {string} room
   * @param {{page?: number, limit?: number}} [query]
   * @returns {Promise<Schemas["MessagesBody"]>}
   */
  messages(room, query = {}) {
    return this.#guarded("GET", `/api/rooms/${encodeURIComponent(room)}/messages${text(query)}`);
  }

  /** @param {string} method @param {string} path @param {object} body @returns {Promise<SignedIn>} */
  async #open(method, path, body) {
    const answer = await this.#request(method, path, body);
    this.#session.token = answer.accessToken;
    return answer;
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #guarded(method, path, body) {
    const token = this.#session.token ?? (await this.#session.renew(null));
    try {
      return await this.#request(method, path, body, token);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
      const renewed = await this.#session.renew(token);
      if (renewed === null) throw error;
      return this.#request(method, path, body, renewed);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string | null} [token]
   * @returns {Promise<any>}
   */
  async #request(method, path, body, token) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (body) headers["content-type"] = "application/json";
    if (token) headers.authorization = `Bearer ${token}`;
    const signal = AbortSignal.timeout(LIMIT);
    const init = { method, headers, signal, body: body && JSON.stringify(body) };
    const response = await fetch(this.#url + path, init).catch(() => {
      throw new ApiError(`Nothing answers at ${this.#url}`, 0);
    });
    // A proxy in between may answer with a page of its own.
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const wait = Number(response.headers.get("retry-after") ?? NaN);
    const message = answer.message ?? `The server answered ${response.status}`;
    throw new ApiError(message, response.status, Number.isFinite(wait) ? wait : undefined);
  }
}

/** @param {object} query */
function text(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
