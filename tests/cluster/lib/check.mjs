// A tiny runner: checks run one after the other, because they share one cluster, and each prints a line.
import assert from "node:assert/strict";

const results = { passed: 0, failed: 0 };

/** Runs one check and prints its line. A failure is printed in full and the next check goes on. */
export async function check(name, body) {
  const started = Date.now();
  try {
    await body();
    results.passed += 1;
    console.log(`ok      ${name} (${seconds(started)})`);
    return true;
  } catch (error) {
    results.failed += 1;
    console.log(`FAILED  ${name} (${seconds(started)})\n${indent(error?.stack ?? String(error))}`);
    return false;
  }
}

/** Asks `probe` again and again until it gives something truthy; fails with its last error or with `what`. */
export async function until(what, probe, { timeout = 60_000, every = 250 } = {}) {
  const deadline = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeout / 1000} s: ${what}${last ? ` (last: ${last.message})` : ""}`);
    }
    await pause(every);
  }
}

/** Asserts again and again for a time that something does not change: an absence can't be waited for otherwise. */
export async function holds(time, assertion) {
  for (const deadline = Date.now() + time; Date.now() < deadline; await pause(500)) await assertion();
}

/** Fails unless `text` matches each of the patterns. */
export function says(text, ...patterns) {
  for (const pattern of patterns) assert.match(text, pattern);
}

/** Prints the sum and gives the exit status. */
export function summary() {
  console.log(`\n${results.passed} passed, ${results.failed} failed`);
  return results.failed === 0 && results.passed > 0 ? 0 : 1;
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const seconds = (started) => `${((Date.now() - started) / 1000).toFixed(1)} s`;
const indent = (text) => text.replace(/^/gm, "        ");
