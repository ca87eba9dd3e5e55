// Waits before trying again: full jitter, between what the server said last.

/** Milliseconds as a server gives them, within bounds. */
const bounded = (ms) => Math.min(Math.max(Number(ms) || 0, 10), 3_600_000);

export class Backoff {
  constructor({ min, max }) {
    this.told([min, max]);
  }

  /** Takes the least and the greatest wait, if they are given. */
  told(span) {
    if (Array.isArray(span) && span.length === 2) [this.min, this.max] = span.map(bounded).sort((a, b) => a - b);
  }

  /** The wait before the n-th try in a row, unless the server has said how long. Before the infinite one it is anywhere in the range. */
  wait(n, after) {
    if (after) return bounded(after);
    return this.min + Math.random() * (Math.min(this.max, this.min * 2 ** n) - this.min);
  }
}
