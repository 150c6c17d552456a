// field.mjs NAME: prints one field of the JSON object on standard input.
import { readFileSync } from "node:fs";

console.log(JSON.parse(readFileSync(0, "utf8"))[process.argv[2]]);
