// An instance is changed, damaged and deleted while it is in use.
import assert from "node:assert/strict";
import { check, holds, until } from "../lib/check.mjs";
import { Chat } from "../lib/chat.mjs";
import { Api } from "../lib/api.mjs";
import { apply, condition, find, forward, get, instance, kubectl, waitReady } from "../lib/kube.mjs";

const children = "deployments,statefulsets,services,serviceaccounts,jobs,pods,networkpolicies,poddisruptionbudgets";

/** A port-forward for the time of `body` only: it doesn't survive the pod it leads to. */
export async function through(namespace, name, port, body) {
  const { url, end } = await forward(namespace, `service/${name}-gateway`, port);
  try {
    return await body(new Api(url));
  } finally {
    end();
  }
}

const patch = (namespace, name, spec) =>
  kubectl("-n", namespace, "patch", "aetherconnect", name, "--type=merge", "-p", JSON.stringify({ spec }));

/** Changes and damage that an instance must survive; `user` belongs to it. */
export async function changes(namespace, name, user) {
  const label = `${namespace}/${name}`;
  await check(`${label}: a new port and a second gateway replica roll through`, async () => {
    await patch(namespace, name, { gateway: { port: 8300, replicas: 2 } });
    const { status } = await waitReady(namespace, name);
    assert.deepEqual(status.components.gateway, { ready: 2, desired: 2 });
    await through(namespace, name, 8300, (api) => api.expect(200, "GET", "/api/auth/profile", { token: user.token }));
  });
  await check(`${label}: a deleted Deployment comes back`, async () => {
    const before = await get(namespace, "deployment", `${name}-auth`);
    await kubectl("-n", namespace, "delete", "deployment", `${name}-auth`);
    await until("the new one is available", async () => {
      const now = await find(namespace, "deployment", `${name}-auth`);
      return now && now.metadata.uid !== before.metadata.uid && now.status?.readyReplicas === before.spec.replicas;
    });
    await waitReady(namespace, name);
  });
  await check(`${label}: a new operator pod changes nothing about an instance that is as it should be`, async () => {
    const operator = ["-n", "aetherconnect-system", "rollout"];
    const before = await fingerprint(namespace, name);
    await kubectl(...operator, "restart", "deployment/aetherconnect-operator");
    await kubectl(...operator, "status", "deployment/aetherconnect-operator", "--timeout=60s");
    await holds(5000, async () => assert.deepEqual(await fingerprint(namespace, name), before));
  });
}

/** What changes when the operator writes: the resource itself, the specifications made from it, and the pods. */
async function fingerprint(namespace, name) {
  const own = await get(namespace, "aetherconnect", name);
  const { items } = await get(namespace, "deployments,statefulsets,pods", "-l", `app.kubernetes.io/instance=${name}`);
  // A pod on its way out, of a Deployment that was deleted just before, goes whatever the operator does.
  const staying = items.filter(({ metadata }) => !metadata.deletionTimestamp);
  const lines = staying.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.uid} ${metadata.generation}`);
  return [own.metadata.resourceVersion, ...lines.sort()];
}

/** Deletion with both policies: what is kept serves an instance of the same name again. */
export async function deletion(namespace, name, user, said) {
  const label = `${namespace}/${name}`;
  const volumes = async () =>
    (await get(namespace, "pvc", "-l", `app.kubernetes.io/instance=${name}`)).items
      .map(({ metadata }) => metadata.uid)
      .sort();
  const gone = (kinds) =>
    until(
      `no ${kinds} of ${label} are left`,
      async () => {
        const { items } = await get(namespace, kinds, "-l", `app.kubernetes.io/instance=${name}`);
        assert.deepEqual(
          items.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
          [],
        );
        return true;
      },
      { timeout: 90_000 },
    );
  let kept;

  await check(`${label}: deleted with Retain, all goes but the volumes`, async () => {
    kept = await volumes();
    assert.equal(kept.length, 2, "PostgreSQL and MongoDB have a volume each");
    await kubectl("-n", namespace, "delete", "aetherconnect", name, "--timeout=90s");
    await gone(children);
    assert.deepEqual(await volumes(), kept);
  });
  await check(`${label}: made again, it has its users and its history`, async () => {
    await apply(instance(namespace, name, { environment: "development", deletionPolicy: "Delete" }));
    const { status } = await waitReady(namespace, name);
    assert.equal(condition({ status }, "Ready").status, "True");
    assert.deepEqual(await volumes(), kept);
    await through(namespace, name, 3000, async (api) => {
      const { status: code, body } = await api.login(user);
      assert.equal(code, 200, JSON.stringify(body));
      const again = { ...user, token: body.accessToken };
      const socket = new Chat(api, again);
      await socket.join("general");
      socket.close();
      assert.ok((await api.history(again, "general")).messages.some(({ content }) => content === said));
    });
  });
  await check(`${label}: deleted with Delete, the volumes and Secrets go too`, async () => {
    await kubectl("-n", namespace, "delete", "aetherconnect", name, "--timeout=90s");
    await gone(`${children},pvc,secrets`);
  });
}
