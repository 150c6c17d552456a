// A TCP cable that tests by Node can cut, or on which they can let answers get lost.
import { connect, createServer } from "node:net";

export class Cable {
  /** To this port of this machine; its own end is at `url`. */
  static async to(t, port) {
    const cable = new Cable(port);
    await cable.mend();
    t.after(() => cable.cut());
    return cable;
  }

  #target;
  #port = 0;
  #server;
  #pairs = new Set();
  #mute = false;

  constructor(target) {
    this.#target = target;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** From now on nothing comes back, though all goes out. */
  mute() {
    this.#mute = true;
  }

  /** Cuts what is open, and refuses what comes. */
  async cut() {
    for (const pair of this.#pairs) pair.forEach((end) => end.destroy());
    await new Promise((done) => (this.#server ? this.#server.close(done) : done()));
    this.#server = null;
  }

  /** Works again. */
  async mend() {
    this.#mute = false;
    this.#server = createServer((client) => this.#join(client, connect(this.#target, "127.0.0.1")));
    this.#server.listen(this.#port, "127.0.0.1");
    await new Promise((done) => this.#server.once("listening", done));
    this.#port = this.#server.address().port;
  }

  #join(client, server) {
    const pair = [client, server];
    this.#pairs.add(pair);
    client.on("data", (data) => server.write(data));
    server.on("data", (data) => this.#mute || client.write(data));
    for (const end of pair) {
      end.on("error", () => {}); // it is closed after it
      end.on("close", () => {
        pair.forEach((other) => other.destroy());
        this.#pairs.delete(pair);
      });
    }
  }
}
