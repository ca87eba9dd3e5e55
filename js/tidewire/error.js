// What a call fails with.

/** What a server answered, or what happened here, by its code. */
export class TidewireError extends Error {
  constructor(code, message = code, { cause, retryable, retryAfter, status } = {}) {
    super(message, cause === undefined ? {} : { cause });
    Object.assign(this, { name: "TidewireError", code, retryable: retryable === true, retryAfter, status });
  }
}

/** The error that an $error carries. */
export const errorOf = ({ data }) => {
  const { code = "internal", message = code, ...more } = data ?? {};
  return new TidewireError(String(code), String(message), more);
};

/** It may have happened or not. */
export const unknown = (cause) => new TidewireError("unknown", `outcome is unknown: ${cause?.message}`, { cause });

/** The connection was lost. status is the code that it was closed with. */
export const disconnected = (message, status) =>
  new TidewireError(status === 4403 ? "sent-away" : "disconnected", message || `connection closed with ${status}`, { status });
