import assert from "node:assert/strict";
import { test } from "node:test";
import { rest } from "./kit.js";
import { asks, open, shared, tab, two } from "./two.js";

/** Lets time pass while the server says that it lives. */
async function pass(w, p, ms) {
  for (; ms > 0; ms -= 20_000) {
    await w.pass(Math.min(ms, 20_000));
    p.say({ type: "$ping" });
  }
}

test("the same user shares, as the server says", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: "ann", token: () => "ann1" });
  const b = tab(w, { token: () => "ann2" });
  await rest();
  const m = await asks(p, "ann2");
  assert.equal(b.state.phase, "connecting");
  p.say({ type: "$ok", re: m.id, data: { user: "ann" } });
  await rest();
  open(b);
  assert.equal(b.state.user, "ann");
  assert.equal(w.dials.length, 1);
}));

test("another user has a connection of its own", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => "ann" });
  const b = tab(w, { token: () => "bob" });
  await rest();
  p.fail(await asks(p, "bob"), "forbidden");
  const q = await w.back({ session: "s2", user: "bob" });
  assert.equal(q.hello.data.token, "bob");
  open(b);
  assert.equal(b.state.user, "bob");
  // And a stranger has one, too: cookies aside, nothing says who it is.
  const c = tab(w);
  const r = await w.back({ session: "s3", user: undefined });
  assert.equal(r.hello.data.token, undefined);
  assert.equal(c.state.user, undefined);
  await a.close();
  await rest();
  assert.equal(p.closed, 1000);
  assert.equal(q.closed, undefined);
  open(b);
}));

test("strangers with different tokens do not share", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: "ann", token: () => "x" }, { user: undefined });
  tab(w, { token: () => "y" });
  await p.quiet(); // the server would not know either
  const q = await w.back({ user: undefined });
  assert.equal(q.hello.data.token, "y");
}));

test("who has a token does not share with whom a cookie names", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: "ann" });
  tab(w, { token: () => "ann" });
  await p.quiet();
  const q = await w.back();
  assert.equal(q.hello.data.token, "ann");
}));

test("tabs whose user a cookie names share if the page names it, too", shared(async (w) => {
  const [a] = await w.connect({ shareTabs: true });
  const b = tab(w, { shareTabs: true });
  await w.back({ session: "s2", user: "bob" });
  assert.deepEqual([a.state.user, b.state.user], ["ann", "bob"]);
  const c = tab(w, { shareTabs: true });
  await w.back({ session: "s3", user: undefined });
  const d = tab(w, { shareTabs: true });
  await rest();
  assert.equal(d.state.session, "s3"); // two strangers
  assert.equal(c.state.session, "s3");
}));

test("users that the page tells apart do not meet", shared(async (w) => {
  await w.connect({ shareTabs: "ann" });
  tab(w, { shareTabs: "bob" });
  await w.back();
  assert.equal(w.browser.names().length, 2);
}));

test("a tab that logs in as another user takes another session", shared(async (w) => {
  let token = "ann";
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => token }, { ttl: 100_000 });
  const b = tab(w, { token: () => "ann" });
  await rest();
  open(b);
  token = "bob";
  a.call("x").catch(() => {});
  await rest();
  p.fail(await p.expect("x"), "expired"); // its token is asked for
  await rest();
  p.fail(await asks(p, "bob"), "forbidden");
  await rest();
  assert.equal(a.state.phase, "waiting");
  open(b);
  await w.pass(2000);
  p.fail(await asks(p, "bob"), "forbidden");
  const q = await w.back({ session: "s2", user: "bob" });
  assert.equal(q.hello.data.token, "bob");
  assert.equal(a.state.user, "bob");
  assert.equal(b.state.user, "ann");
}));

test("a stranger's tab that logs in does not take the others along", shared(async (w) => {
  let token = "x";
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => token }, { user: undefined });
  const b = tab(w, { token: () => "x" });
  await rest();
  token = "ann";
  a.call("x").catch(() => {});
  await rest();
  p.fail(await p.expect("x"), "expired");
  await p.quiet();
  assert.equal(a.state.phase, "waiting");
  const q = await w.back();
  assert.equal(q.hello.data.token, "ann");
  assert.equal(b.state.user, undefined);
}));

test("one living tab brings the new token", shared(async (w) => {
  const asked = [];
  const [, p] = await w.connect({ shareTabs: "ann", token: (why) => (asked.push(`a ${why}`), "t") }, { ttl: 100_000 });
  const b = tab(w, { token: (why) => (asked.push(`b ${why}`), "t") });
  await rest();
  assert.deepEqual(asked.splice(0), ["a hello", "b hello"]);
  await pass(w, p, 80_000);
  const m = await asks(p, "t");
  p.say({ type: "$ok", re: m.id, data: { ttl: 100_000 } });
  assert.equal(asked.splice(0).filter((why) => why.endsWith("expiry")).length, 1);
  await b.close();
  await pass(w, p, 80_000);
  await asks(p, "t");
  assert.deepEqual(asked, ["a expiry"]);
}));

test("a tab that hangs brings no token: another one is asked before it is too late", shared(async (w) => {
  const asked = [];
  const [, , p] = await two(w, { token: (why) => (asked.push(why), why === "hello" ? "t" : asked.length === 3 ? new Promise(() => {}) : "u") }, { ttl: 50_000 });
  await pass(w, p, 40_000);
  await p.quiet();
  await pass(w, p, 5000);
  assert.equal(p.sent.length, 1);
  await asks(p, "u");
  assert.deepEqual(asked, ["hello", "hello", "expiry", "expiry"]);
}));

test("a token that is refused is the tab's own matter", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => "ann" });
  const b = tab(w, { token: (why) => (why === "refused" ? "ann" : "bad") });
  await rest();
  p.fail(await asks(p, "bad"), "unauthorized");
  const q = await w.next();
  q.fail(await q.expect("$hello"), "unauthorized");
  await rest();
  open(a);
  assert.equal(b.state.error.code, "unauthorized");
  await w.pass(20_000);
  await rest();
  open(b);
  assert.equal(w.dials.length, 2);
}));
