// Users, sockets and waiting for what the tests share. Every user and room has a name of its own, so that all files
// can run at once against one backend.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { io } from "socket.io-client";
import { wrong } from "./description.mjs";

export const urls = process.env.AETHER_URLS.split(",");
const LIMIT = 10_000;
const PASSWORD = "correct horse battery";

export const unique = (prefix) => `${prefix}_${randomBytes(4).toString("hex")}`;
export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export async function request(method, path, { token, body, url = urls[0] } = {}) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

async function ok(method, path, options) {
  const answer = await request(method, path, options);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export async function newUser(prefix, url = urls[0]) {
  const username = unique(prefix);
  const body = { email: `${username}@example.com`, password: PASSWORD, firstName: "Test", lastName: "User", username };
  const { user, accessToken } = await ok("POST", "/api/auth/register", { body, url });
  return { id: user.id, username, token: accessToken };
}

export const wsToken = async (user, url) => (await ok("GET", "/api/auth/ws-token", { token: user.token, url })).token;
export const newRoom = async (owner, roomType = "public") =>
  (await ok("POST", "/api/rooms", { token: owner.token, body: { name: unique("room"), description: "", roomType } })).room;
export const enter = (user, room) => ok("POST", `/api/rooms/${room.id}/join`, { token: user.token, body: {} });
export const history = async (user, room) => (await ok("GET", `/api/rooms/${room}/messages`, { token: user.token })).messages;

/** A socket that keeps every event, so that none is missed between two waits. `log` holds [event, payload] in order. */
export class Client {
  constructor(socket) {
    this.socket = socket;
    this.log = [];
    this.waiting = new Set();
    /** What came, but not as it is described. */
    this.wrong = [];
    socket.onAny((event, payload) => this.wrong.push(...wrong(event, payload)));
    const keep = (event, payload) => {
      this.log.push([event, payload]);
      this.waiting.forEach((look) => look());
    };
    socket.onAny(keep);
    socket.on("connect_error", (error) => keep("connect_error", error));
    socket.on("disconnect", (reason) => keep("disconnect", reason));
  }

  /** The first event of this name, ever, whose payload passes `test`. */
  event(name, test = () => true, limit = LIMIT) {
    const find = () => this.log.find(([event, payload]) => event === name && test(payload));
    return new Promise((done, fail) => {
      const end = (settle) => {
        clearTimeout(timer);
        this.waiting.delete(look);
        settle();
      };
      const timer = setTimeout(() => {
        const seen = this.log.map(([event, payload]) => `${event} ${JSON.stringify(payload)}`).join("\n  ");
        end(() => fail(new Error(`no ${name} within ${limit} ms; there were:\n  ${seen}`)));
      }, limit);
      const look = () => {
        const found = find();
        if (found) end(() => done(found[1]));
      };
      this.waiting.add(look);
      look();
    });
  }

  all(name) {
    return this.log.filter(([event]) => event === name).map(([, payload]) => payload);
  }

  emit(event, payload) {
    this.socket.emit(event, payload);
  }

  async call(event, payload) {
    const answer = await this.socket.timeout(LIMIT).emitWithAck(event, payload);
    this.wrong.push(...wrong(answer?.success ? `${event}_answer` : "refused", answer));
    return answer;
  }

  /** Joins a room's live feed by id or name and gives the room's id. */
  async join(roomId, more = {}) {
    const before = this.all("joined_room").length;
    this.emit("join_room", { roomId, ...more });
    await this.event("joined_room", () => this.all("joined_room").length > before);
    return this.all("joined_room").at(-1).roomId;
  }

  async send(roomId, content, more = {}) {
    const ack = await this.call("send_message", { roomId, content, ...more });
    assert.equal(ack.success, true, JSON.stringify(ack));
    return ack;
  }

  /** Waits until all that was sent to this socket before now has come: a later answer on the same socket. */
  async settled() {
    await this.call("send_message", { roomId: unique("none"), content: "an answer, please" });
  }
}

/** A client that is still connecting; `after` of the test context closes it. */
export function open(test, auth, { path = "/socket", transports = ["websocket"], url = urls[0] } = {}) {
  const socket = io(url, { path, auth, transports, forceNew: true, reconnection: false });
  const client = new Client(socket);
  test.after(() => {
    socket.disconnect();
    assert.deepEqual(client.wrong, []);
  });
  return client;
}

export async function connect(test, user, options = {}) {
  const client = open(test, { token: await wsToken(user, options.url) }, options);
  await client.event("connected");
  return client;
}

/** Two connected users in the live feed of a room that the first one owns. */
export async function pair(test, options = {}) {
  const [ann, bob] = [await newUser("ann"), await newUser("bob")];
  const room = await newRoom(ann);
  const [a, b] = [await connect(test, ann, options), await connect(test, bob, options)];
  await a.join(room.id);
  await b.join(room.id);
  await a.event("user_joined", (event) => event.userId === bob.id);
  return { ann, bob, room, a, b };
}

/** Fails unless the object has exactly these keys. */
export function assertKeys(object, keys) {
  assert.deepEqual(Object.keys(object).sort(), [...keys].sort(), JSON.stringify(object));
}
