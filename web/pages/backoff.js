// How long to wait before the next attempt: exponential backoff with full
// jitter. The ceiling doubles with every failure (1 s, 2 s, 4 s, … up to max) and
// the wait is a random time between min and it. The randomness matters: when a
// server restarts, a thousand pages must not all come back in the same instant.

export class Backoff {
  #attempt = 0;
  #whole = false;

  // min and max are milliseconds; random returns a number from 0 up to 1.
  constructor({ min = 500, max = 20_000, random = Math.random } = {}) {
    this.min = min;
    this.max = max;
    this.random = random;
  }

  // next returns the milliseconds to wait before the coming attempt. code is that of
  // the close: who broke a rule (1008) or sent too much (1009) waits the longest.
  next(code) {
    this.#attempt += 1;
    const whole = this.#whole;
    this.#whole = false;
    if (code === 1008 || code === 1009) return this.max;
    // 2 ** attempt grows to Infinity at worst, and Math.min deals with that.
    const ceiling = whole ? this.max : Math.min(this.max, this.min * 2 ** this.#attempt);
    return Math.round(this.min + this.random() * (ceiling - this.min));
  }

  // range takes over the least and the greatest wait, if the server has said any.
  range(ends) {
    if (!ends) return;
    this.min = ends[0];
    this.max = Math.max(...ends);
  }

  // spread has the next wait be anywhere from min to max: everybody will wait.
  spread() {
    this.#whole = true;
  }

  // reset is for when things have gone well for a while.
  reset() {
    this.#attempt = 0;
  }
}
