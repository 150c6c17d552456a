// kubernetes-credentials.mjs DIR SERVER: writes what a kube-apiserver for tests needs into DIR: the key that signs
// service account tokens, one administrator's token, and the kubeconfig that uses it. The API server makes its own
// serving certificate at each start, so the kubeconfig doesn't verify it: it is for 127.0.0.1 alone.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const [dir, server] = process.argv.slice(2);
const write = (name, text) => writeFileSync(join(dir, name), text, { mode: 0o600 });
const token = randomBytes(24).toString("hex");
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

write("service-account.key", privateKey);
write("tokens.csv", `${token},admin,admin,"system:masters"\n`);
write(
  "kubeconfig",
  `apiVersion: v1
kind: Config
clusters:
  - name: test
    cluster: { server: "${server}", insecure-skip-tls-verify: true }
users:
  - name: admin
    user: { token: "${token}" }
contexts:
  - name: test
    context: { cluster: test, user: admin }
current-context: test
`,
);
