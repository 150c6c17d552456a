// Every pod of an instance is killed once while people talk: nothing acknowledged is lost, and nothing is there twice.
import assert from "node:assert/strict";
import { check, until } from "../lib/check.mjs";
import { Faithful } from "../lib/chat.mjs";
import { Flow } from "../lib/flow.mjs";
import { kubectl, pods, podIsReady, waitReady } from "../lib/kube.mjs";

const stores = new Set(["postgres", "mongodb", "redis"]);

export async function faults(api, namespace, name) {
  const label = `${namespace}/${name}`;
  const people = [await api.newUser("eve"), await api.newUser("finn")];
  const [eve, finn] = people.map(
    (user, i) => new Faithful(api, user, "general", [["websocket"], ["polling", "websocket"]][i]),
  );
  const flow = new Flow([eve, finn]);
  await Promise.all([eve.hear("joined_room"), finn.hear("joined_room")]);
  flow.start();

  for (const pod of await settled(namespace, name)) {
    const component = pod.metadata.labels["app.kubernetes.io/component"];
    await check(`${label}: messages go on after the ${component} pod was killed`, async () => {
      await flow.moves(5);
      await kill(namespace, pod, component);
      await until(
        "its successor is ready",
        async () => {
          const now = await pods(namespace, name);
          return !now.some(({ metadata }) => metadata.uid === pod.metadata.uid) && allReady(now);
        },
        { timeout: 120_000 },
      );
      await flow.moves(10);
      await waitReady(namespace, name);
    });
  }

  let acknowledged;
  await check(`${label}: every message sent meanwhile was acknowledged`, async () => {
    acknowledged = await flow.stop();
    assert.ok(acknowledged.length > 50, `only ${acknowledged.length} messages flowed`);
  });
  await check(`${label}: each acknowledged message is in the history, once, in its sender's order`, async () => {
    const history = await api.wholeHistory(people[0], "general");
    assert.equal(new Set(history.map(({ id }) => id)).size, history.length, "no id is there twice");
    for (const { user } of [eve, finn]) {
      const sent = acknowledged.filter((one) => one.userId === user.id);
      const kept = history.filter((one) => one.userId === user.id);
      assert.deepEqual(
        kept.map(({ id, content }) => `${id} ${content}`),
        sent.map(({ id, content }) => `${id} ${content}`),
      );
    }
  });
  await check(
    `${label}: both people were shown each message, once and in order (${acknowledged?.length} messages)`,
    async () => {
      for (const one of [eve, finn]) {
        const others = new Set(acknowledged.map(({ id }) => id));
        await until(
          `${one.user.username} has everything`,
          () => {
            const seen = new Set(one.messages.map(({ id }) => id));
            return [...others].every((id) => seen.has(id));
          },
          { timeout: 15_000 },
        );
        const shown = one.messages.map(({ seq }) => seq);
        assert.deepEqual(
          shown,
          [...new Set(shown)].sort((a, b) => a - b),
          `what ${one.user.username} was shown`,
        );
      }
    },
  );
  eve.close();
  finn.close();
}

const allReady = (some) => some.length > 0 && some.every(podIsReady);

/** The pods when no rollout is under way any more: one that drains is gone before it could be killed. */
async function settled(namespace, name) {
  await waitReady(namespace, name);
  return until(`no pod of ${namespace}/${name} is on its way out`, async () => {
    const now = await pods(namespace, name);
    return allReady(now) && now;
  }, { timeout: 120_000 });
}

/**
 * Ends a pod at once. Those with a volume get one second: with `--force` Kubernetes starts the successor beside the
 * predecessor that still writes, and two servers on one volume destroy it. One second is no clean shutdown either.
 */
function kill(namespace, pod, component) {
  const how = stores.has(component) ? ["--now"] : ["--grace-period=0", "--force"];
  return kubectl("-n", namespace, "delete", "pod", pod.metadata.name, "--wait=false", ...how);
}
