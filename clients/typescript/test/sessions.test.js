// Tokens that run out or are taken back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, createClient } from "../src/index.js";
import { Laptop } from "../../../tests/tools/laptop.mjs";
import { forge, hears, inState, listen, newClient, pair, texts, until } from "./support.js";

const past = () => Math.floor(Date.now() / 1000) - 60;
const endAll = (client) =>
  fetch(`${client.url}/api/auth/sessions?all=true`, { method: "DELETE", headers: { authorization: `Bearer ${client.token}` } });

test("an access token that has run out is replaced by one login, for calls and for the socket", async (t) => {
  const laptop = await Laptop.start(t);
  const known = await newClient(t, laptop.url);
  const expired = forge(known.token, await laptop.secret("jwt-secret"), { exp: past() });
  let logins = 0;
  const client = createClient({
    url: laptop.url,
    token: expired,
    login: async () => {
      logins += 1;
      return (await client.api.login(known.account)).accessToken;
    },
  });
  t.after(() => client.close());
  const room = listen(client, "general");
  client.connect();
  const [rooms, profile] = await Promise.all([client.api.publicRooms(), client.api.profile()]);
  assert.ok(rooms.rooms.length > 0);
  assert.equal(profile.username, known.user.username);
  await until("live", () => room.isLive);
  assert.equal(logins, 1);
  assert.notEqual(client.token, expired);
});

test("without a way to log in, a token that has run out is told as the end of the session", async (t) => {
  const laptop = await Laptop.start(t);
  const known = await newClient(t, laptop.url);
  const token = forge(known.token, await laptop.secret("jwt-secret"), { exp: past() });
  const client = createClient({ url: laptop.url, token });
  t.after(() => client.close());
  await assert.rejects(client.api.profile(), (error) => error instanceof ApiError && error.status === 401 && !error.isTemporary);
  client.connect();
  await inState(client, "signed_out");
});

test("a session that is ended elsewhere ends the connection, and nothing is sent or heard after it", async (t) => {
  const laptop = await Laptop.start(t);
  const { ann, a, b } = await pair(t, laptop.url);
  a.send("before");
  await hears(b, "before");
  await endAll({ url: laptop.url, token: ann.token });
  await inState(ann, "signed_out");
  const sending = a.send("after");
  b.send("not for the one who is out");
  await hears(b, "not for the one who is out");
  assert.deepEqual([texts(a), sending.state], [["before"], "pending"]);
});

test("with a way to log in, an ended session is followed by the next, and nothing is missed", async (t) => {
  const laptop = await Laptop.start(t);
  let client;
  const login = async () => (await client.api.login(client.account)).accessToken;
  const { ann, a, b } = await pair(t, laptop.url, { more: { login } });
  client = ann;
  const first = ann.token;
  a.send("before");
  await hears(b, "before");
  await endAll({ url: laptop.url, token: first });
  for (const text of ["meanwhile", "and again"]) b.send(text);
  const sending = a.send("mine");
  await until("stored", () => sending.state === "stored");
  await until("all", () => a.heard.length === 4 && b.heard.length === 4);
  assert.deepEqual(texts(a), texts(b));
  assert.notEqual(ann.token, first);
});

test("a backend that is away is no reason to ask for a password", async (t) => {
  const laptop = await Laptop.start(t);
  const client = await newClient(t, laptop.url, { login: () => assert.fail("asked") });
  client.connect();
  await inState(client, "connected");
  await laptop.stop("SIGKILL");
  await inState(client, "waiting");
  await assert.rejects(client.api.profile(), (error) => error.isTemporary && error.status === 0);
  await laptop.start();
  await inState(client, "connected");
});

test("after a logout the token is worth nothing", async (t) => {
  const laptop = await Laptop.start(t);
  const client = await newClient(t, laptop.url);
  const { token } = client;
  client.connect();
  await inState(client, "connected");
  await client.api.logout();
  await inState(client, "signed_out");
  assert.equal(client.token, null);
  const answer = await fetch(`${laptop.url}/api/auth/profile`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 401);
});
