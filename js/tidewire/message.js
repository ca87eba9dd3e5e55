// The messages of docs/protocol.md: their names, and reading them.

import { TidewireError } from "./error.js";

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;
const segments = /^((\*|[^*:>]+):)*(\*|>|[^*:>]+)$/;
const lengths = { __proto__: null, type: 64, room: 128, mid: 64, key: 64, from: 128 };

/** How many bytes a text has in UTF-8. */
export const bytes = (text) => new TextEncoder().encode(text).length;

/** Says what is wrong with a name, if anything is. */
export function wrongName(field, v) {
  if (typeof v !== "string") return "invalid";
  if (bytes(v) > lengths[field]) return "too-large";
  if (!printable.test(field === "from" ? v.replaceAll(" ", "_") : v)) return "invalid";
  if (field === "room" && !segments.test(v)) return "invalid";
}

/** Throws when the application gave a name that cannot be. */
export function checkName(field, v) {
  const fault = wrongName(field, v) || (field === "type" && v[0] === "$" && "invalid");
  if (fault) throw new TidewireError(fault, `${field} ${v}`);
}

/** What the names of those rooms match that a wildcard stands for. undefined if the name is no wildcard. */
export function patternOf(name) {
  const exact = name.replace(/[^\w:*>]/g, "\\$&");
  if (/[*>]/.test(name)) return new RegExp(`^${exact.replaceAll("*", "[^:]+").replace(">", ".+")}$`);
}

const integer = (v, least = 0) => (Number.isSafeInteger(v) && v >= least && !Object.is(v, -0) ? "" : "invalid");
const id = (v) => integer(v, 1);
const checks = {
  __proto__: null,
  id,
  re: id,
  prev: integer,
  volatile: (v) => (typeof v === "boolean" ? "" : "invalid"),
  pos: ({ epoch, seq, mid }) => integer(seq) || wrongName("mid", epoch ?? "-") || wrongName("mid", mid ?? "-"),
};

/** Says what is wrong with a field of a message, if anything is. */
const wrong = (field, v) => (field in lengths ? wrongName(field, v) : checks[field]?.(v));

/**
 * Reads a message. An error has those of id, room and mid as `about` that could be read.
 *
 * Where JSON.parse sees no fault there is none: a name that occurs twice, 4.0 for 4, any depth.
 */
export function parse(text) {
  const about = {};
  let fault;
  try {
    const m = JSON.parse(text);
    for (const [field, v] of Object.entries(m)) {
      if (v === null) delete m[field];
      else if (wrong(field, v)) fault ||= wrong(field, v);
      else if (/^(id|room|mid)$/.test(field)) about[field] = v;
    }
    if (m.type && !fault) return m;
  } catch {} // no JSON, or null
  throw new TidewireError(fault || "invalid", "unreadable", { about });
}
