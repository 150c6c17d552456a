import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "../src/feed.js";

const offer = (feed, ...seqs) => seqs.flatMap((seq) => feed.offer({ seq })).map(({ seq }) => seq);

test("messages come out in order, whatever the order in which they come in", () => {
  const feed = new Feed(0);
  assert.deepEqual(offer(feed, 2, 4, 1), [1, 2]);
  assert.equal(feed.hasGap, true);
  assert.deepEqual(offer(feed, 3), [3, 4]);
  assert.deepEqual([feed.hasGap, feed.last], [false, 4]);
});

test("each comes out once, however often it comes in", () => {
  const feed = new Feed(3);
  assert.deepEqual(offer(feed, 3, 4, 4, 6, 6, 5, 5, 6), [4, 5, 6]);
  assert.equal(feed.hasGap, false);
});

test("any shuffling with doubles gives one to a hundred", () => {
  for (let round = 0; round < 50; round++) {
    const feed = new Feed(0);
    const seqs = Array.from({ length: 150 }, (_, index) => (index % 100) + 1).sort(() => Math.random() - 0.5);
    assert.deepEqual(offer(feed, ...seqs), Array.from({ length: 100 }, (_, index) => index + 1));
  }
});
