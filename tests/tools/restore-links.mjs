// restore-links.mjs PACKAGE: makes the symbolic links that the package lists in native/pg-symlinks.json.
import { existsSync, readFileSync, symlinkSync, mkdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = process.argv[2];
const list = join(root, "native", "pg-symlinks.json");
const links = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
for (const { source, target } of links) {
  const [from, to] = [join(root, target), join(root, source)];
  if (existsSync(from)) continue;
  mkdirSync(dirname(from), { recursive: true });
  symlinkSync(relative(dirname(from), to), from);
}
