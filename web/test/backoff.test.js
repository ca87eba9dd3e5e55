import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../pages/backoff.js";

test("the ceiling doubles up to max", () => {
  const backoff = new Backoff({ min: 500, max: 20_000, random: () => 1 });
  const waits = Array.from({ length: 8 }, () => backoff.next());
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
});

test("the wait is a random part of the ceiling, all of it", () => {
  const parts = [0, 0.25, 0.5, 0.999];
  const backoff = new Backoff({ min: 1000, max: 8000, random: () => parts.shift() });
  assert.deepEqual([1, 2, 3, 4].map(() => backoff.next()), [0, 500, 2000, 7992]);
});

test("the default is random within the bounds", () => {
  const seen = new Set();
  for (let i = 0; i < 200; i += 1) {
    const wait = new Backoff().next();
    assert.ok(wait >= 0 && wait <= 500, `${wait}`);
    seen.add(wait);
  }
  assert.ok(seen.size > 20, "two hundred pages must not come back at a few moments");
});

test("reset starts over", () => {
  const backoff = new Backoff({ min: 100, random: () => 1 });
  for (let i = 0; i < 5; i += 1) backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test("ten thousand failures stay at max", () => {
  const backoff = new Backoff({ random: () => 1 });
  for (let i = 0; i < 10_000; i += 1) assert.ok(backoff.next() <= backoff.max);
});
