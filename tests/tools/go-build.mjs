// go-build.mjs OUT MODULE@VERSION PACKAGE: builds a command of a Go module with the module's own replacements, which
// `go install` refuses. Kubernetes replaces its libraries by folders of its repository (./staging/…), which the module
// lacks: their published twins, v0.X.Y for Kubernetes v1.X.Y, take their place.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [out, target, packagePath] = process.argv.slice(2);
const [module, version] = target.split("@");
const work = mkdtempSync(join(tmpdir(), "go-build-"));
const go = (args, stdio) =>
  execFileSync("go", args, { cwd: work, env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: `${process.env.GOFLAGS ?? ""} -mod=mod` }, stdio, maxBuffer: 1 << 26 });

function replacements(source) {
  const lines = readFileSync(join(source, "go.mod"), "utf8").matchAll(/^\s*(?:replace\s+)?(\S+(?: v\S+)?) => (\S+)( v\S+)?/gm);
  return [...lines].flatMap(([, old, path, at]) => {
    if (path.startsWith("./staging/")) return [`replace ${old} => ${old.split(" ")[0]} v0.${version.replace("v1.", "")}`];
    return path.startsWith(".") ? [] : [`replace ${old} => ${path}${at ?? ""}`];
  });
}

function versionFlags() {
  if (module !== "k8s.io/kubernetes") return "";
  const [, major, minor] = version.match(/v(\d+)\.(\d+)/);
  const set = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: "clean" };
  return Object.entries(set).map(([k, v]) => `-X k8s.io/component-base/version.${k}=${v}`).join(" ");
}

try {
  writeFileSync(join(work, "go.mod"), `module build\n\ngo 1.24.0\n\nrequire ${module} ${version}\n`);
  const source = JSON.parse(go(["mod", "download", "-json", target], ["ignore", "pipe", "inherit"])).Dir;
  const more = [...replacements(source), `tool ${packagePath}`].join("\n");
  writeFileSync(join(work, "go.mod"), `module build\n\ngo 1.24.0\n\nrequire ${module} ${version}\n\n${more}\n`);
  go(["mod", "tidy", "-e"], "ignore");
  go(["build", "-trimpath", "-ldflags", `-s -w ${versionFlags()}`, "-o", `${out}.new`, packagePath], ["ignore", 2, 2]);
  renameSync(`${out}.new`, out);
} catch (error) {
  console.error(`could not build ${packagePath}: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
