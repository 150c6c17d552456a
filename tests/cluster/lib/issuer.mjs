// cert-manager's own controllers, as a process beside the cluster. ISSUER is the folder of tests/tools/get-issuer.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { place } from "./cli.mjs";
import { apply, get, kubectl } from "./kube.mjs";

const api = "cert-manager.io/v1";

/** Starts them, with an issuer named `ca` in the namespace; gives what ends them. */
export async function startIssuer(namespace) {
  const folder = process.env.ISSUER;
  const definitions = readdirSync(folder).filter((file) => file.endsWith(".yaml")).map((file) => join(folder, file));
  await kubectl("apply", "--server-side", ...definitions.flatMap((file) => ["-f", file]));
  await kubectl("wait", "--for=condition=Established", "--timeout=60s", ...definitions.flatMap((file) => ["-f", file]));
  const shell = await place(namespace);
  const env = { ...process.env, KUBECONFIG: join(shell.folder, "config") };
  const child = spawn(join(folder, "issuer"), { env, stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.on("data", (chunk) => {
    if (process.env.ISSUER_LOG) process.stderr.write(chunk);
  });
  process.on("exit", () => child.kill());
  const named = (kind, name, spec) => apply({ apiVersion: api, kind, metadata: { name, namespace }, spec });
  await named("Issuer", "itself", { selfSigned: {} });
  const key = { algorithm: "ECDSA", size: 256 };
  const itself = { kind: "Issuer", name: "itself" };
  await named("Certificate", "ca", { isCA: true, commonName: "tests", secretName: "ca", privateKey: key, issuerRef: itself });
  await named("Issuer", "ca", { ca: { secretName: "ca" } });
  return () => {
    child.kill();
    shell.end();
  };
}

/** Asks for another certificate before its time, as `cmctl renew` does. */
export async function renew(namespace, name) {
  const { metadata, status } = await get(namespace, "certificate", name);
  const asked = {
    type: "Issuing",
    status: "True",
    reason: "ManuallyTriggered",
    message: "asked for by the tests",
    lastTransitionTime: new Date().toISOString(),
    observedGeneration: metadata.generation,
  };
  const conditions = [...status.conditions.filter(({ type }) => type !== asked.type), asked];
  const patch = JSON.stringify({ status: { conditions } });
  await kubectl("-n", namespace, "patch", "certificate", name, "--subresource=status", "--type=merge", "-p", patch);
}
