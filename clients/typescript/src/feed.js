/** @import { Message } from "./events.js" */

/** One room's messages in their one order, each once. It does no I/O. */
export class Feed {
  /** The number of the last message that was given out. */
  last;
  /** What came before its turn, by number. @type {Map<number, Message>} */
  #held = new Map();

  /** @param {number} last only what comes after this message is wanted */
  constructor(last) {
    this.last = last;
  }

  /** Whether something is missing that comes before what is here. */
  get hasGap() {
    return this.#held.size > 0;
  }

  /**
   * Takes a message and gives out those whose turn it is now.
   * @param {Message} message
   * @returns {Message[]}
   */
  offer(message) {
    if (message.seq <= this.last) return [];
    this.#held.set(message.seq, message);
    const ready = [];
    for (let next; (next = this.#held.get(this.last + 1)); ready.push(next)) {
      this.#held.delete(++this.last);
    }
    return ready;
  }
}
