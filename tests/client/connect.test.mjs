import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, newUser, open, wsToken } from "./support.mjs";

for (const path of ["/socket", "/socket/"]) {
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    test(`a client connects at ${path} by ${transports.join(" and then ")} and is greeted`, async (t) => {
      const user = await newUser("connect");
      const client = await connect(t, user, { path, transports });
      const greeting = await client.event("connected");
      assert.equal(typeof greeting.message, "string");
      assert.deepEqual(greeting, { message: greeting.message, user: { id: user.id, username: user.username } });
    });
  }
}

test("a polling client moves up to a websocket", async (t) => {
  const client = await connect(t, await newUser("upgrade"), { transports: ["polling", "websocket"] });
  const engine = client.socket.io.engine;
  if (engine.transport.name !== "websocket") await new Promise((done) => engine.once("upgrade", done));
  assert.equal(engine.transport.name, "websocket");
  await client.join("general");
});

for (const transports of [["websocket"], ["polling"]]) {
  const refused = async (t, auth) => {
    const client = open(t, auth, { transports });
    const error = await client.event("connect_error");
    assert.ok(error instanceof Error && error.message);
    assert.deepEqual(client.all("connected"), []);
  };

  test(`by ${transports} a client without a token, or with a bad one, gets connect_error`, async (t) => {
    for (const auth of [{}, { token: "nonsense" }, { token: null }]) await refused(t, auth);
  });

  test(`by ${transports} an access token is refused in place of a ws token`, async (t) => {
    await refused(t, { token: (await newUser("access")).token });
  });
}

test("one ws token opens more than one connection within its minute", async (t) => {
  const token = await wsToken(await newUser("again"));
  await Promise.all([1, 2].map(() => open(t, { token }).event("connected")));
});
