// How long to wait before the next attempt: exponential backoff with full
// jitter. The ceiling doubles with every failure (half a second, 1 s, 2 s, … up
// to max) and the wait is a random time below it. The randomness matters: when a
// server restarts, a thousand pages must not all come back in the same instant.

export class Backoff {
  #attempt = 0;

  // min and max are milliseconds; random returns a number from 0 up to 1.
  constructor({ min = 500, max = 20_000, random = Math.random } = {}) {
    this.min = min;
    this.max = max;
    this.random = random;
  }

  // next returns the milliseconds to wait before the coming attempt.
  next() {
    // 2 ** attempt grows to Infinity at worst, and Math.min deals with that.
    const ceiling = Math.min(this.max, this.min * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(this.random() * ceiling);
  }

  // reset is for when things have gone well for a while.
  reset() {
    this.#attempt = 0;
  }
}
