// Waits before trying again: full jitter, between what the server said last.

const between = (min, max) => min + Math.random() * (max - min);

/** Milliseconds as a server gives them, within bounds. */
export const bounded = (ms) => Math.min(Math.max(Number(ms) || 0, 10), 3_600_000);

export class Backoff {
  constructor({ min, max }) {
    this.told([min, max]);
  }

  /** Takes the least and the greatest wait, if they are given. */
  told(span) {
    if (!Array.isArray(span) || span.length !== 2) return;
    [this.min, this.max] = span.map(bounded).sort((a, b) => a - b);
  }

  /** The wait before the n-th try in a row. */
  wait(n) {
    return between(this.min, Math.min(this.max, this.min * 2 ** n));
  }

  /** A wait anywhere in the range, as a server wants it that goes. */
  any() {
    return between(this.min, this.max);
  }
}
