// kubectl, always with the context of the test cluster named.
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { until } from "./check.mjs";

const context = process.env.AETHER_CONTEXT ?? "kind-aetherconnect";

/** Runs kubectl; gives its code and what it printed, whether it worked or not. */
export function tryKubectl(args, input) {
  return new Promise((done) => {
    const child = execFile(
      "kubectl",
      ["--context", context, ...args],
      { maxBuffer: 64 << 20 },
      (error, stdout, stderr) => done({ code: error ? (error.code ?? 1) : 0, stdout, stderr }),
    );
    child.stdin.end(input ?? "");
  });
}

/** Runs kubectl and gives what it printed; an error if it failed. */
export async function kubectl(...args) {
  const { code, stdout, stderr } = await tryKubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

/** Applies objects as `kubectl apply -f` would; gives code and output. JSON is YAML, so no YAML library is needed. */
export const tryApply = (object) => tryKubectl(["apply", "-f", "-"], JSON.stringify(object));

export async function apply(object) {
  const { code, stderr } = await tryApply(object);
  if (code !== 0) throw new Error(`kubectl apply: ${stderr.trim()}`);
}

export const get = async (namespace, ...what) =>
  JSON.parse(await kubectl("-n", namespace, "get", ...what, "-o", "json"));

/** The object, or undefined if there is none. */
export async function find(namespace, kind, name) {
  const text = await kubectl("-n", namespace, "get", kind, name, "--ignore-not-found", "-o", "json");
  return text.trim() ? JSON.parse(text) : undefined;
}

export function instance(namespace, name, spec) {
  return { apiVersion: "aetherconnect.io/v1alpha1", kind: "AetherConnect", metadata: { name, namespace }, spec };
}

export function condition(object, type) {
  return object?.status?.conditions?.find((one) => one.type === type);
}

/** Is the last change of the resource carried out, and everything up? */
export function isReady(object) {
  return (
    object?.status?.observedGeneration === object?.metadata.generation && condition(object, "Ready")?.status === "True"
  );
}

export function waitReady(namespace, name, timeout = 240_000) {
  let last;
  return until(
    `${namespace}/${name} is Ready`,
    async () => {
      last = await get(namespace, "aetherconnect", name);
      if (isReady(last)) return last;
      throw new Error(JSON.stringify(condition(last, "Ready") ?? last.status ?? "no status"));
    },
    { timeout },
  );
}

/** All pods of an instance that ought to run (a finished migration's pod is none of them). */
export async function pods(namespace, name) {
  const list = await get(namespace, "pods", "-l", `app.kubernetes.io/instance=${name}`);
  return list.items.filter((pod) => pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed");
}

export const podIsReady = (pod) =>
  !pod.metadata.deletionTimestamp &&
  pod.status.conditions?.some((one) => one.type === "Ready" && one.status === "True");

/** Makes a Service (`service/NAME`) or a pod (`pod/NAME`) reachable on this machine. Gives its URL and what ends it. */
export function forward(namespace, place, port) {
  return new Promise((done, failed) => {
    const child = spawn("kubectl", [
      "--context",
      context,
      "-n",
      namespace,
      "port-forward",
      place,
      `:${port}`,
    ]);
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("exit", (code) => failed(new Error(`kubectl port-forward ended with ${code}: ${errors.trim()}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const local = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (local) done({ url: `http://127.0.0.1:${local}`, end: () => child.kill() });
    });
  });
}
