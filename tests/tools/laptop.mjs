// `aetherconnect run` for tests by Node: a whole backend that a test may kill and start again.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PORTS = ["METRICS_PORT", "AUTH_SERVICE_GRPC_PORT", "AUTH_SERVICE_HTTP_PORT", "MESSAGE_SERVICE_HTTP_PORT", "MESSAGE_SERVICE_GRPC_PORT"];

/** Below the range of outgoing connections, so that none takes it while the backend is away. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await new Promise((done) => server.once("listening", () => done(true)).once("error", () => done(false)));
    if (!isFree) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

export class Laptop {
  /** Starts the program of AETHERCONNECT_PROGRAM with a data folder of its own; `environment` adds to what it is told. */
  static async start(t, environment = {}) {
    const laptop = new Laptop();
    laptop.data = await mkdtemp(join(tmpdir(), "aether-laptop-"));
    laptop.environment = environment;
    laptop.port = await freePort();
    // Not by the name of localhost, at which Socket.IO's client doesn't heed what a browser says of the network.
    laptop.url = `http://127.0.0.1:${laptop.port}`;
    t.after(async () => {
      await laptop.stop("SIGKILL");
      await rm(laptop.data, { recursive: true, force: true });
    });
    await laptop.start();
    return laptop;
  }

  /** Starts it, or starts it again, at the same port and with the same data. */
  async start() {
    const free = Object.fromEntries(PORTS.map((name) => [name, "0"]));
    const env = { ...process.env, ...free, API_GATEWAY_PORT: String(this.port), LOG_LEVEL: "error", ...this.environment };
    this.process = spawn(process.env.AETHERCONNECT_PROGRAM, ["run", "--data-dir", this.data], { env, stdio: ["ignore", "pipe", "inherit"] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    let printed = "";
    await new Promise((done, fail) => {
      this.process.stdout.on("data", (data) => (printed += data).includes("is ready at") && done());
      this.process.once("error", fail);
      this.ended.then((code) => fail(new Error(`aetherconnect run ended with ${code}: ${printed}`)));
    });
  }

  async stop(signal = "SIGTERM") {
    this.process?.kill(signal);
    await this.ended;
  }

  /** A secret that it has made for itself. */
  async secret(name) {
    return (await readFile(join(this.data, name), "utf8")).trim();
  }
}
