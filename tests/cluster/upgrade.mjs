// An instance of an earlier release, upgraded while people talk. Started by scripts/upgrade-test, which sets AETHER_CONTEXT
// and AETHER_URL, where `default/chat` of that release answers; UPGRADE is the command that upgrades, and UPGRADE_TO the
// registry of the images that must run then.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Api } from "./lib/api.mjs";
import { Chat, Faithful } from "./lib/chat.mjs";
import { check, summary, until } from "./lib/check.mjs";
import { Flow } from "./lib/flow.mjs";
import { get, pods, waitReady } from "./lib/kube.mjs";

const place = ["default", "chat"];
const api = new Api(process.env.AETHER_URL);

const upgrade = () =>
  new Promise((done, failed) => {
    execFile(process.env.UPGRADE, { maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      error ? failed(new Error(`${process.env.UPGRADE}: ${stdout}${stderr}`)) : done(stdout),
    );
  });

const contents = (history) => history.map(({ id, seq, content }) => `${seq ?? ""} ${id} ${content}`);

await waitReady(...place);
await api.answers();
const [ada, grace, leaver] = [await api.newUser("ada"), await api.newUser("grace"), await api.newUser("leaver")];
const created = await api.expect(201, "POST", "/api/rooms", {
  token: ada.token,
  body: { name: `upgrade ${api.suffix}`, roomType: "private" },
});
const room = created.room.id;
await api.expect(200, "POST", `/api/rooms/${room}/members`, { token: ada.token, body: { userId: grace.id } });
const first = new Chat(api, ada);
await first.connected();
await first.join(room);
for (let n = 1; n <= 30; n += 1) {
  const answer = await first.send({ roomId: room, content: `before ${n}`, tempId: `before-${n}` });
  assert.equal(answer.success, true, JSON.stringify(answer));
}
await api.expect(200, "POST", "/api/auth/logout", { token: leaver.token });
const before = await api.wholeHistory(ada, room);
assert.equal(before.length, 30);

const speakers = [new Faithful(api, ada, room), new Faithful(api, grace, room, ["polling", "websocket"])];
await Promise.all(speakers.map((speaker) => speaker.hear("joined_room")));
const flow = new Flow(speakers);
flow.start();
await flow.moves(5);

await check("the operator and the instance are upgraded while people talk", async () => {
  await upgrade();
  await until(
    "all services run the new images",
    async () => {
      const running = (await pods(...place)).filter(({ metadata }) =>
        ["gateway", "auth", "message"].includes(metadata.labels["app.kubernetes.io/component"]),
      );
      const images = running.map(({ spec }) => spec.containers[0].image);
      if (running.length > 0 && images.every((image) => image.startsWith(process.env.UPGRADE_TO))) return true;
      throw new Error(images.join(", "));
    },
    { timeout: 600_000 },
  );
  await waitReady(...place);
  await flow.moves(10);
});
let acknowledged = [];
await check("every message sent meanwhile was acknowledged", async () => {
  acknowledged = await flow.stop();
  assert.ok(acknowledged.length > 30, `only ${acknowledged.length}`);
});
await check("users log in, and tokens of before are good; one that was logged out is not", async () => {
  for (const user of [ada, grace, leaver]) assert.equal((await api.login(user)).status, 200, user.username);
  for (const user of [ada, grace]) await api.expect(200, "GET", "/api/auth/profile", { token: user.token });
  await api.expect(401, "GET", "/api/auth/profile", { token: leaver.token });
});
await check(`all that was said before and meanwhile is there, once (${acknowledged.length} messages)`, async () => {
  const after = await api.wholeHistory(ada, room);
  assert.deepEqual(contents(after.slice(0, before.length)), contents(before));
  assert.equal(new Set(after.map(({ id }) => id)).size, after.length, "no message is there twice");
  const kept = new Set(after.map(({ id }) => id));
  assert.deepEqual(acknowledged.filter(({ id }) => !kept.has(id)), []);
  assert.equal(after.length, before.length + acknowledged.length);
});
await check("a message of before that is sent again is the same message", async () => {
  const again = await speakers[0].socket
    .timeout(10_000)
    .emitWithAck("send_message", { roomId: room, content: "before 7", tempId: "before-7" });
  assert.equal(again.id, before[6].id);
});
await check("rooms and members are as they were", async () => {
  const { rooms } = await api.rooms(grace);
  assert.deepEqual(rooms.find(({ id }) => id === room)?.members, [ada.id, grace.id]);
});
await check("the resource says that it is up to date", async () => {
  const resource = await get(place[0], "aetherconnect", place[1]);
  assert.equal(resource.status.observedGeneration, resource.metadata.generation);
});
process.exitCode = summary();
// Sockets that a failed check left open must not hold the process.
process.exit();
