// Tabs that share a connection, for tests.

import assert from "node:assert/strict";
import { rest, run } from "./kit.js";

export const shared = (f, options) => run(f, { tabs: true, ...options });
export const tab = (w, options) => w.client({ shareTabs: "ann", ...options });
export const open = (tw) => assert.equal(tw.state.phase, "open");

/** Two tabs that share a connection. */
export async function two(w, options, data) {
  const [a, p] = await w.connect({ shareTabs: "ann", ...options }, data);
  const b = tab(w, options);
  await rest();
  open(a);
  open(b);
  assert.equal(w.dials.length, 1);
  await p.quiet();
  return [a, b, p];
}

/** What comes next is a refresh of a tab that wants to come in. */
export async function asks(p, token) {
  const m = await p.expect("$refresh");
  assert.equal(m.data.token, token);
  return m;
}
