// Who can reach what, what can't be deleted, and keys that change while people talk.
import assert from "node:assert/strict";
import { check, until } from "../lib/check.mjs";
import { apply, condition, get, kubectl, tryKubectl, waitReady } from "../lib/kube.mjs";

/** What a pod of somebody else's may reach of `namespace`/`name`. */
export async function network(outside, namespace, name) {
  const label = `${namespace}/${name}`;
  const store = await get(namespace, "statefulset", `${name}-postgres`);
  const { image, imagePullPolicy } = store.spec.template.spec.containers[0];
  await apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "outsider", namespace: outside },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "outsider", image, imagePullPolicy, command: ["sleep", "3600"] }],
    },
  });
  await kubectl("-n", outside, "wait", "pod/outsider", "--for=condition=Ready", "--timeout=120s");
  const reaches = async (host, port) => {
    const connect = `exec 3<>/dev/tcp/${host}/${port}`;
    const { code } = await tryKubectl(["-n", outside, "exec", "outsider", "--", "timeout", "3", "bash", "-c", connect]);
    return code === 0;
  };
  await check(`${label}: a stranger in the cluster reaches the gateway, and nothing behind it`, async () => {
    assert.equal(await reaches(`${name}-gateway.${namespace}.svc`, 3000), true);
    const { items } = await get(namespace, "pods", "-l", `app.kubernetes.io/instance=${name}`);
    const closed = { gateway: [9090], auth: [50001, 3002], message: [50002, 3001], postgres: [5432], mongodb: [27017], redis: [6379] };
    const tries = Object.entries(closed).flatMap(([component, ports]) => {
      const pod = items.find(
        ({ metadata, status }) =>
          metadata.labels["app.kubernetes.io/component"] === component && status.phase === "Running",
      );
      return ports.map(async (port) => [`${component}:${port}`, await reaches(pod.status.podIP, port)]);
    });
    const reached = (await Promise.all(tries)).filter(([, reached]) => reached).map(([place]) => place);
    assert.deepEqual(reached, []);
  });
  await kubectl("-n", outside, "delete", "pod", "outsider", "--wait=false");
}

export async function protection(namespace, name) {
  await check(`${namespace}/${name}: while it is protected it can't be deleted, and the refusal says why`, async () => {
    const annotate = (value) =>
      kubectl("-n", namespace, "annotate", "--overwrite", "ac", name, `aetherconnect.io/deletion-protection${value}`);
    await annotate("=true");
    // A policy takes effect a moment after it was made.
    await until("the deletion is refused", async () => {
      const { code, stderr } = await tryKubectl(["-n", namespace, "delete", "ac", name, "--dry-run=server"]);
      return code !== 0 && /is protected: remove its annotation aetherconnect.io\/deletion-protection/.test(stderr);
    });
    await annotate("-");
    await kubectl("-n", namespace, "delete", "ac", name, "--dry-run=server");
  });
}

/**
 * Ends a rotation of an earlier run, whose old key would be accepted for 30 days yet: until then no other one begins. Its
 * tokens are none of this run's.
 */
async function settled(namespace, name) {
  const phase = async () => (await get(namespace, "secret", `${name}-jwt`)).metadata.annotations?.["aetherconnect.io/rotation-phase"];
  const rotation = (value) =>
    kubectl("-n", namespace, "patch", "ac", name, "--type=merge", "-p", JSON.stringify({ spec: { jwt: { rotation: value } } }));
  // A request that nobody has answered would begin another one.
  await kubectl("-n", namespace, "annotate", "ac", name, "aetherconnect.io/rotate-keys-");
  if (await phase()) {
    await rotation({ overlap: "1s" });
    await until("the rotation of an earlier run is over", async () => !(await phase()), { timeout: 180_000, every: 1000 });
  }
  await rotation(null);
  await waitReady(namespace, name);
}

const keyOf = (token) => JSON.parse(Buffer.from(token.split(".")[0], "base64url")).kid;

/** `user` belongs to the instance behind `api`. */
export async function rotation(api, user, namespace, name) {
  await check(`${namespace}/${name}: keys are rotated while people log in and talk, and no token is refused`, async () => {
    const login = () => until("a login", async () => {
      const { status, body } = await api.login(user);
      return status === 200 && body.accessToken;
    });
    await settled(namespace, name);
    const old = await login();
    const refused = [];
    let asked = 0;
    let goesOn = true;
    const client = (async () => {
      while (goesOn) {
        for (const [what, answer] of [
          ["profile", await api.call("GET", "/api/auth/profile", { token: old }).catch(() => undefined)],
          ["login", await api.login(user).catch(() => undefined)],
        ]) {
          asked += 1;
          if (answer?.status === 401) refused.push(what);
        }
        await new Promise((done) => setTimeout(done, 200));
      }
    })();
    try {
      await kubectl("-n", namespace, "annotate", "--overwrite", "ac", name, `aetherconnect.io/rotate-keys=${Date.now()}`);
      await until(
        "the new key signs everywhere",
        async () => {
          const { metadata } = await get(namespace, "secret", `${name}-jwt`);
          return metadata.annotations?.["aetherconnect.io/rotation-phase"] === "overlapping";
        },
        { timeout: 180_000, every: 1000 },
      );
      await until("the pods have it", async () => {
        const live = await get(namespace, "aetherconnect", name);
        return condition(live, "Ready").status === "True" && /the keys were rotated/.test(condition(live, "SecretsReady").message);
      }, { timeout: 180_000 });
      await waitReady(namespace, name);
      await until("logins give tokens of the new key", async () => keyOf(await login()) !== keyOf(old));
    } finally {
      goesOn = false;
      await client;
    }
    assert.deepEqual(refused, []);
    assert.ok(asked > 20, `${asked} requests`);
    await api.expect(200, "GET", "/api/auth/profile", { token: old });
  });
}
