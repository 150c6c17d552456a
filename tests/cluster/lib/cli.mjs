// The command line, as somebody uses it who has installed it: AETHERCONNECT_PROGRAM is the built program.
import { execFile, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubectl } from "./kube.mjs";

/** A folder with the program in `bin` and a kubeconfig of the test cluster alone, whose namespace is this one. */
export async function place(namespace) {
  const folder = mkdtempSync(join(tmpdir(), "aetherconnect-cli-"));
  mkdirSync(join(folder, "bin"));
  for (const name of ["aetherconnect", "kubectl-aetherconnect"]) {
    symlinkSync(process.env.AETHERCONNECT_PROGRAM, join(folder, "bin", name));
  }
  const config = JSON.parse(await kubectl("config", "view", "--minify", "--raw", "--flatten", "-o", "json"));
  config.contexts[0].context.namespace = namespace;
  config["current-context"] = config.contexts[0].name;
  writeFileSync(join(folder, "config"), JSON.stringify(config), { mode: 0o600 });
  const environment = {
    ...process.env,
    KUBECONFIG: join(folder, "config"),
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
  };
  return {
    folder,
    /** Runs a command of the shell; gives its code and what it printed. */
    run: (command) =>
      new Promise((done) => {
        const options = { cwd: folder, env: environment, maxBuffer: 64 << 20, timeout: 180_000 };
        execFile("bash", ["-euo", "pipefail", "-c", command], options, (error, stdout, stderr) =>
          done({ code: error ? (error.code ?? 1) : 0, stdout, stderr }),
        );
      }),
    /** Starts a command that goes on. */
    start: (...args) => spawn("aetherconnect", args, { cwd: folder, env: environment }),
    copy: (from, name) => copyFileSync(from, join(folder, name)),
    write: (name, text) => writeFileSync(join(folder, name), text),
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
