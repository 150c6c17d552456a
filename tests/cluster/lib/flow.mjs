// People who talk while something happens to the servers.
import { pause, until } from "./check.mjs";

/** Each of some people says one thing after another, and each thing until it is acknowledged. */
export class Flow {
  constructor(speakers) {
    this.speakers = speakers;
    this.acknowledged = [];
  }

  start() {
    this.running = this.speakers.map((speaker) => this.#speak(speaker));
    // Looked at by stop(); until then a failure must not end the process.
    for (const one of this.running) one.catch(() => {});
  }

  async #speak(speaker) {
    for (let n = 1; !this.stopped; n += 1) {
      const content = `${speaker.user.username} says ${n}`;
      const { id, seq } = await speaker.sendUntilAcknowledged(content, `n-${n}`, Date.now() + 150_000);
      this.acknowledged.push({ id, seq, content, userId: speaker.user.id });
      await pause(40);
    }
  }

  /** Waits until each speaker got `count` more acknowledgements. */
  async moves(count) {
    const by = () =>
      this.speakers.map(({ user }) => this.acknowledged.filter(({ userId }) => userId === user.id).length);
    const before = by();
    await until(`${count} more messages of each speaker`, () => by().every((now, i) => now >= before[i] + count), {
      timeout: 90_000,
    });
  }

  async stop() {
    this.stopped = true;
    await Promise.all(this.running);
    return this.acknowledged;
  }
}
