// What a call fails with.

/** What a server answered, or what happened here, by its code. */
export class TidewireError extends Error {
  name = "TidewireError";
  retryable = false;

  constructor(code, message = code, { cause, ...more } = {}) {
    super(message, { cause });
    Object.assign(this, more, { code });
  }

  /** What the other side is told. */
  toJSON() {
    const { code, message, retryable } = this;
    return { code, message, retryable };
  }
}

/** The error that an $error carries. */
export const errorOf = ({ data: { code = "internal", message, ...more } = {} }) => new TidewireError(code, message, more);

/** It may have happened or not. */
export const unknown = (cause) => new TidewireError("unknown", `unknown outcome: ${cause.message}`, { cause });

/** The connection was lost. status is the code that it was closed with. */
export const disconnected = (message, status) =>
  new TidewireError(status === 4403 ? "sent-away" : "disconnected", message || `closed: ${status}`, { status });
