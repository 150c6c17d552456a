import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newUser, open, request, wsToken } from "./support.mjs";

const logout = (user, url) => request("POST", "/api/auth/logout", { token: user.token, body: {}, url });

for (const transports of [["websocket"], ["polling"]]) {
  test(`by ${transports} a logout closes the session's live sockets within two seconds`, async (t) => {
    const user = await newUser("leaves");
    const clients = [await connect(t, user, { transports }), await connect(t, user, { transports })];
    assert.equal((await logout(user)).status, 200);
    await Promise.all(clients.map((client) => client.event("disconnect", undefined, 2000)));
  });
}

test("a ws token of a session that has ended opens nothing", async (t) => {
  const user = await newUser("ended");
  const token = await wsToken(user);
  assert.equal((await logout(user)).status, 200);
  await open(t, { token }).event("connect_error");
});

test("other users and other sessions of the same user stay connected", async (t) => {
  const [user, other] = [await newUser("one"), await newUser("other")];
  const body = { email: `${user.username}@example.com`, password: "correct horse battery" };
  const second = { ...user, token: (await request("POST", "/api/auth/login", { body })).body.accessToken };
  const [gone, stays, stranger] = [await connect(t, user), await connect(t, second), await connect(t, other)];
  assert.equal((await logout(user)).status, 200);
  await gone.event("disconnect", undefined, 2000);
  for (const client of [stays, stranger]) {
    await client.settled();
    assert.ok(client.socket.connected);
  }
});
