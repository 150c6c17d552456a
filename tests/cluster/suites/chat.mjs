// A first chat, the way a front end has it: HTTP, then the socket, then out again.
import assert from "node:assert/strict";
import { check } from "../lib/check.mjs";
import { Chat, refusal } from "../lib/chat.mjs";

/** `label` tells the instances apart in the list of checks. Gives the two users. */
export async function chat(api, label) {
  const named = (name, body) => check(`${label}: ${name}`, body);
  const sockets = [];
  const open = (...args) => {
    const one = new Chat(api, ...args);
    sockets.push(one);
    return one;
  };
  let ada, bob, adaChat, bobChat, general;

  await named("two users register and log in", async () => {
    ada = await api.newUser("ada");
    bob = await api.newUser("bob");
    assert.notEqual(ada.id, bob.id);
  });
  await named("a second registration with the same e-mail is refused", async () => {
    const { status, body } = await api.register({ ...api.person("ada"), username: "somebody_else" });
    assert.equal(status, 400);
    assert.deepEqual(body, { success: false, message: "User with this email or username already exists" });
  });
  await named("a new user has no rooms", async () => {
    assert.deepEqual(await api.rooms(ada), { success: true, message: "No rooms joined yet.", rooms: [] });
  });
  await named("both connect through the gateway, by websocket and by polling", async () => {
    adaChat = open(ada, { transports: ["websocket"] });
    bobChat = open(bob, { transports: ["polling"] });
    assert.equal((await adaChat.connected()).user.username, ada.username);
    assert.equal((await bobChat.connected()).user.id, bob.id);
  });
  await named('both join "general" by its name and are told its id', async () => {
    general = (await adaChat.join("general")).roomId;
    assert.equal((await bobChat.join("general")).roomId, general);
    assert.notEqual(general, "general");
    await adaChat.hear("user_joined", ({ userId }) => userId === bob.id);
  });
  await named("messages are acknowledged, confirmed and delivered to both", async () => {
    for (const [from, to, content] of [
      [adaChat, bobChat, "hello, bob"],
      [bobChat, adaChat, "hello, ada"],
    ]) {
      const tempId = `t-${from.user.username}`;
      const ack = await from.send({ roomId: "general", content, tempId });
      assert.equal(ack.success, true, JSON.stringify(ack));
      assert.equal(ack.tempId, tempId);
      for (const ear of [to, from]) {
        const message = await ear.hear("new_message", ({ id }) => id === ack.id);
        assert.deepEqual(
          [message.content, message.roomId, message.userId, message.seq],
          [content, general, from.user.id, ack.seq],
        );
      }
      assert.equal((await from.hear("message_confirmed", (one) => one.tempId === tempId)).status, "confirmed");
    }
  });
  await named("a resent message is the same message", async () => {
    const message = { roomId: "general", content: "once", tempId: "t-once" };
    const [first, second] = [await adaChat.send(message), await adaChat.send(message)];
    assert.equal(first.id, second.id);
  });
  await named("the history holds what was said, once and in order", async () => {
    const { messages, pagination } = await api.history(bob, "general");
    const mine = messages.filter(({ userId }) => [ada.id, bob.id].includes(userId));
    assert.deepEqual(
      mine.map(({ content }) => content),
      ["hello, bob", "hello, ada", "once"],
    );
    assert.equal(pagination.itemsPerPage, 50);
    assert.deepEqual((await api.history(bob, general)).messages, messages);
  });
  await named("a WebSocket token is no access token, nor the other way round", async () => {
    const token = await api.wsToken(ada);
    await api.expect(401, "GET", "/api/auth/profile", { token });
    await refusal(open(ada, { token: ada.token }));
  });
  await named("after logout HTTP answers 401 in both forms, and the socket is closed and refused", async () => {
    const token = await api.wsToken(ada);
    await api.expect(200, "POST", "/api/auth/logout", { token: ada.token });
    const again = await api.expect(401, "POST", "/api/auth/logout", { token: ada.token });
    assert.deepEqual(again, { success: false, message: "Unauthorized" });
    for (const path of ["/api/auth/profile", "/api/auth/ws-token", "/api/rooms"]) {
      assert.deepEqual(await api.expect(401, "GET", path, { token: ada.token }), {
        statusCode: 401,
        message: "Unauthorized",
      });
    }
    // The token was made before the logout and has not expired: only the revocation speaks against it.
    await refusal(open(ada, { token }));
    await adaChat.closed();
  });
  await named("the other user goes on", async () => {
    assert.equal((await bobChat.send({ roomId: "general", content: "bye", tempId: "t-bye" })).success, true);
  });
  for (const socket of sockets) socket.close();
  return { ada, bob };
}
