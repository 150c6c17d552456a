// Broken resources: each is refused, or has a condition, in words that tell what to change. The others go on.
import assert from "node:assert/strict";
import { check, says, until } from "../lib/check.mjs";
import { apply, condition, get, instance, isReady, kubectl, tryApply } from "../lib/kube.mjs";

const secretRef = { name: "store", key: "uri" };
const refused = [
  [
    "both managed and external",
    { postgres: { managed: {}, external: { secretRef } } },
    [/postgres/, /exactly one of managed, external and cloudNativePG/],
  ],
  ["Redis both disabled and managed", { redis: { managed: {}, disabled: true } }, [/redis/, /exactly one of/]],
  ["an unknown field", { gatway: { port: 3000 } }, [/unknown field "spec\.gatway"/]],
  ["a bad port", { gateway: { port: 70000 } }, [/spec\.gateway\.port/, /65535/]],
  ["zero replicas", { message: { replicas: 0 } }, [/spec\.message\.replicas/, /greater than or equal to 1/]],
  [
    "a nodePort on a ClusterIP Service",
    { gateway: { service: { nodePort: 30999 } } },
    [/type NodePort or LoadBalancer/],
  ],
  ["two equal ports", { auth: { grpcPort: 4000, httpPort: 4000 } }, [/must differ/]],
];

export async function broken(namespace, others) {
  for (const [what, spec, patterns] of refused) {
    await check(`refused with the reason: ${what}`, async () => {
      const { code, stderr } = await tryApply(instance(namespace, "broken", spec));
      assert.notEqual(code, 0, "it was accepted");
      says(stderr, ...patterns);
    });
  }
  const uris = [
    ["a malformed PostgreSQL URI", "postgres", "Postgres", "db.example.com:5432/users", /postgres(ql)?:\/\//],
    ["a malformed MongoDB URI", "mongodb", "Mongo", "http://db.example.com/chat", /mongodb(\+srv)?:\/\//],
  ];
  for (const [what, store, prefix, uri, mend] of uris) {
    const name = `bad-${store}`;
    await check(`a condition names what to change: ${what} in a Secret`, async () => {
      await apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: { uri } });
      await apply(instance(namespace, name, { [store]: { external: { secretRef: { name } } } }));
      await saysWhy(namespace, name, prefix, [new RegExp(name), /uri/i, mend], uri);
    });
  }
  await check("a condition names what to change: a Secret that is not there", async () => {
    await apply(instance(namespace, "no-secret", { postgres: { external: { secretRef: { name: "absent" } } } }));
    await saysWhy(namespace, "no-secret", "Postgres", [/absent/, /Secret/]);
  });
  await check("the other instances stay Ready meanwhile", async () => {
    for (const [space, name] of others) assert.ok(isReady(await get(space, "aetherconnect", name)), `${space}/${name}`);
  });
  await check("`kubectl get ac -A` tells which instance works, which does not, and why", async () => {
    const table = await kubectl("get", "ac", "-A");
    console.log(table.trimEnd().replace(/^/gm, "        "));
    for (const [space, name] of others) says(table, new RegExp(`^${space} +${name} +True `, "m"));
    says(table, /^\S+ +bad-postgres +False +[A-Z]\w+/m);
  });
  await kubectl(
    "-n",
    namespace,
    "delete",
    "aetherconnect",
    "bad-postgres",
    "bad-mongodb",
    "no-secret",
    "--timeout=60s",
  );
}

/** Waits for the conditions of an instance that can't work: its store's and the sum. `secret` must be in neither. */
async function saysWhy(namespace, name, prefix, patterns, secret) {
  const object = await until(
    `${name} says why it is not ready`,
    async () => {
      const now = await get(namespace, "aetherconnect", name);
      return (
        condition(now, "Ready")?.status === "False" &&
        now.status.conditions.some(({ type, status }) => type.startsWith(prefix) && status === "False") &&
        now
      );
    },
    { timeout: 60_000 },
  );
  const store = object.status.conditions.find(({ type }) => type.startsWith(prefix));
  says(store.message, ...patterns);
  says(condition(object, "Ready").message, new RegExp(prefix, "i"));
  if (secret) assert.ok(!JSON.stringify(object.status).includes(secret), "a Secret's value is in the status");
}
