// free-ports.mjs N: prints N different TCP ports of 127.0.0.1 that are free now. They lie below the range from which
// systems take the ports of outgoing connections, so that nobody takes one before its server does.
import { createServer } from "node:net";

function listen() {
  const server = createServer();
  return new Promise((done) => {
    server.on("error", () => done(listen()));
    server.listen(10_000 + Math.floor(Math.random() * 22_000), "127.0.0.1", () => done(server));
  });
}

const servers = await Promise.all(Array.from({ length: Number(process.argv[2]) }, listen));
console.log(servers.map((server) => server.address().port).join(" "));
servers.forEach((server) => server.close());
