// cargo metadata on the standard input → an SPDX 2.3 document: every crate that a program is built from, with its version,
// licence and checksum-bearing source, and which needs which.
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";

const [version] = process.argv.slice(2);
const { packages, resolve, workspace_members: members } = JSON.parse(readFileSync(0, "utf8"));
const byId = new Map(packages.map((one) => [one.id, one]));
const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));

// From the programs on, without what only tests need.
const programs = members.filter((id) => byId.get(id).targets.some(({ kind }) => kind.includes("bin")) && !/bench|tests/.test(byId.get(id).manifest_path));
const used = new Set();
const edges = [];
for (const open = [...programs]; open.length > 0; ) {
  const id = open.pop();
  if (used.has(id)) continue;
  used.add(id);
  for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
    if (kinds.every(({ kind }) => kind === "dev")) continue;
    edges.push([id, pkg]);
    open.push(pkg);
  }
}

const name = (id) => `SPDXRef-${byId.get(id).name}-${byId.get(id).version}`.replace(/[^A-Za-z0-9.-]/g, "-");
const ids = [...used].sort((a, b) => (name(a) < name(b) ? -1 : 1));
const body = {
  spdxVersion: "SPDX-2.3",
  dataLicense: "CC0-1.0",
  SPDXID: "SPDXRef-DOCUMENT",
  name: `aetherconnect-${version}`,
  packages: ids.map((id) => {
    const { name: crate, version: at, license, source, repository } = byId.get(id);
    return {
      SPDXID: name(id),
      name: crate,
      versionInfo: at,
      downloadLocation: source ? (repository ?? "NOASSERTION") : "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: license?.replaceAll("/", " OR ") ?? "NOASSERTION",
      copyrightText: "NOASSERTION",
      externalRefs: [
        { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: `pkg:cargo/${crate}@${at}` },
      ],
    };
  }),
  relationships: [
    ...programs.sort().map((id) => ({
      spdxElementId: "SPDXRef-DOCUMENT",
      relationshipType: "DESCRIBES",
      relatedSpdxElement: name(id),
    })),
    ...edges.map(([from, to]) => ({
      spdxElementId: name(from),
      relationshipType: "DEPENDS_ON",
      relatedSpdxElement: name(to),
    })),
  ],
};
// The same sources give the same bytes: no time but that of the commit, no random name.
const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
const digest = createHash("sha256").update(JSON.stringify(body)).digest("hex");
body.documentNamespace = `https://aetherconnect.io/spdx/${version}-${digest.slice(0, 16)}`;
body.creationInfo = {
  created: new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
  creators: ["Tool: aetherconnect-sbom"],
};
console.log(JSON.stringify(body, null, 1));
