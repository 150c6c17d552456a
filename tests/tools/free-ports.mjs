// free-ports.mjs N: prints N TCP ports of 127.0.0.1 that are free now. All are held until the last is found, so they differ.
import { createServer } from "node:net";

const servers = Array.from({ length: Number(process.argv[2]) }, () => createServer());
await Promise.all(servers.map((s) => new Promise((done) => s.listen(0, "127.0.0.1", done))));
console.log(servers.map((s) => s.address().port).join(" "));
servers.forEach((s) => s.close());
