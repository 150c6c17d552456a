// The whole product on a kind cluster. Started by scripts/e2e, which sets AETHER_CONTEXT and AETHER_URL:
// the instance `chat` of examples/quickstart.yaml in the namespace `default` answers there.
import { Api } from "./lib/api.mjs";
import { check, summary } from "./lib/check.mjs";
import { startIssuer } from "./lib/issuer.mjs";
import { apply, instance, kubectl, waitReady } from "./lib/kube.mjs";
import { broken } from "./suites/broken.mjs";
import { chat } from "./suites/chat.mjs";
import { commands } from "./suites/commands.mjs";
import { faults } from "./suites/faults.mjs";
import { isolation } from "./suites/isolation.mjs";
import { changes, deletion, through } from "./suites/lifecycle.mjs";
import { network, protection, rotation } from "./suites/policies.mjs";
import { sealed, wanted } from "./suites/tls.mjs";

const namespace = "aether-e2e";
const first = ["default", "chat"];
const second = [namespace, "team"];
const third = [namespace, "sealed"];
const started = Date.now();

await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s");
await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
// The tests ask more often than the default limit of one address allows.
const rateLimit = { max: 100_000 };
await apply(instance(...second, { environment: "development", gateway: { rateLimit }, message: { replicas: 2 } }));
const endIssuer = await startIssuer(namespace);
await wanted(...third, rateLimit);
await kubectl(
  "-n",
  "default",
  "patch",
  "aetherconnect",
  "chat",
  "--type=merge",
  "-p",
  JSON.stringify({ spec: { gateway: { rateLimit } } }),
);

const home = new Api(process.env.AETHER_URL ?? "http://localhost:3000");
let firstUsers, secondUsers;
await check("default/chat: the quickstart becomes Ready and answers", async () => {
  await waitReady(...first);
  await home.answers();
});
firstUsers = await chat(home, "default/chat");
await commands(home, ...first);
await check(`${namespace}/team: a second instance becomes Ready beside it`, () => waitReady(...second));
await through(...second, 3000, async (api) => {
  secondUsers = await chat(api, second.join("/"));
  await isolation(home, api, firstUsers.bob, ...second);
});
await network(namespace, ...first);
await protection(...first);
await rotation(home, firstUsers.bob, ...first);
await sealed(new Api(process.env.AETHER_TLS_URL), first, ...third);
endIssuer();
await kubectl("-n", namespace, "delete", "ac", third[1], "--wait=false");
await broken(namespace, [first, second]);
await faults(home, ...first);
await changes(...second, secondUsers.bob);
await deletion(...second, secondUsers.bob, "bye");
await kubectl("delete", "namespace", namespace, "--wait=false");

console.log(`\n${Math.round((Date.now() - started) / 1000)} s`);
process.exitCode = summary();
// Sockets that a failed check left open must not hold the process.
process.exit();
