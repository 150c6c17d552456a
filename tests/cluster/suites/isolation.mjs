// Two instances on one cluster know nothing of each other; two message replicas are one chat.
import assert from "node:assert/strict";
import { check } from "../lib/check.mjs";
import { Chat, refusal } from "../lib/chat.mjs";
import { pods, podIsReady } from "../lib/kube.mjs";

/** `stranger` is a user of the instance behind `home`; `api` belongs to another instance, `namespace`/`name`. */
export async function isolation(home, api, stranger, namespace, name) {
  const label = `${namespace}/${name}`;
  await check(`${label}: a user of another instance can't log in, and his tokens are worth nothing`, async () => {
    const { status, body } = await api.login(stranger);
    assert.equal(status, 401);
    assert.deepEqual(body, { success: false, message: "Invalid credentials" });
    await api.expect(401, "GET", "/api/auth/profile", { token: stranger.token });
    await refusal(new Chat(api, stranger, { token: await home.wsToken(stranger) }));
  });
  await check(`${label}: nothing said elsewhere is in this history`, async () => {
    const user = await api.newUser("gil");
    const socket = new Chat(api, user);
    await socket.join("general");
    socket.close();
    const elsewhere = new Set((await home.wholeHistory(stranger, "general")).map(({ id }) => id));
    assert.ok(elsewhere.size > 0);
    assert.deepEqual(
      (await api.wholeHistory(user, "general")).filter(({ id }) => elsewhere.has(id)),
      [],
    );
  });
  await check(`${label}: eight sockets over two message replicas get each message, in one order`, async () => {
    const replicas = (await pods(namespace, name)).filter(
      ({ metadata }) => metadata.labels["app.kubernetes.io/component"] === "message",
    );
    assert.equal(replicas.filter(podIsReady).length, 2);
    const user = await api.newUser("hal");
    const sockets = Array.from(
      { length: 8 },
      (_, i) => new Chat(api, user, { transports: [i % 2 ? "polling" : "websocket"] }),
    );
    for (const socket of sockets) await socket.connected();
    await Promise.all(sockets.map((socket) => socket.join("general")));
    const acks = await Promise.all(
      sockets.map((socket, i) => socket.send({ roomId: "general", content: `from ${i}`, tempId: `s-${i}` })),
    );
    const ids = acks.sort((a, b) => a.seq - b.seq).map(({ id }) => id);
    for (const socket of sockets) {
      for (const id of ids) await socket.hear("new_message", (message) => message.id === id);
      const heard = socket.heard.filter(({ event, payload }) => event === "new_message" && ids.includes(payload.id));
      assert.deepEqual(
        heard.map(({ payload }) => payload.id),
        ids,
      );
      socket.close();
    }
  });
}
