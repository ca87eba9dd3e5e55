import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../pages/backoff.js";

test("the ceiling doubles up to max", () => {
  const backoff = new Backoff({ min: 500, max: 20_000, random: () => 1 });
  const waits = Array.from({ length: 8 }, () => backoff.next());
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
});

test("the wait is anywhere between min and the ceiling", () => {
  const parts = [0, 0.25, 0.5, 0.999];
  const backoff = new Backoff({ min: 1000, max: 8000, random: () => parts.shift() });
  assert.deepEqual([1, 2, 3, 4].map(() => backoff.next()), [1000, 1750, 4500, 7993]);
});

test("the default is random within the bounds", () => {
  const seen = new Set();
  for (let i = 0; i < 200; i += 1) {
    const wait = new Backoff().next();
    assert.ok(wait >= 500 && wait <= 1000, `${wait}`);
    seen.add(wait);
  }
  assert.ok(seen.size > 20, "two hundred pages must not come back at a few moments");
});

test("reset starts over", () => {
  const backoff = new Backoff({ min: 100, random: () => 1 });
  for (let i = 0; i < 5; i += 1) backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 200);
});

test("ten thousand failures stay at max", () => {
  const backoff = new Backoff({ random: () => 1 });
  for (let i = 0; i < 10_000; i += 1) assert.ok(backoff.next() <= backoff.max);
});

test("a server's range counts from then on", () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.range([100, 300]);
  assert.deepEqual([1, 2, 3].map(() => backoff.next()), [200, 300, 300]);
  backoff.range(undefined);
  assert.equal(backoff.next(), 300, "who says nothing changes nothing");
  backoff.range([700, 300]);
  assert.equal(backoff.next(), 700);
});

test("spread uses the whole range, once", () => {
  const backoff = new Backoff({ min: 100, max: 10_100, random: () => 0.5 });
  backoff.spread();
  assert.deepEqual([backoff.next(1012), backoff.next()], [5100, 250]);
});

test("who broke a rule waits the longest", () => {
  const backoff = new Backoff({ random: () => 0 });
  assert.deepEqual([1008, 1009, 1006].map((code) => backoff.next(code)), [20_000, 20_000, 500]);
});
