import assert from "node:assert/strict";
import { test } from "node:test";
import { TidewireError } from "../tidewire.js";
import { outcome, rejects, rest, run } from "./kit.js";

test("call", run(async (w) => {
  const [tw, p] = await w.connect();
  const sum = outcome(tw.call("sum", [1, 2]));
  const m = await p.expect("sum");
  assert.deepEqual(m, { type: "sum", id: m.id, data: [1, 2] });
  p.say({ type: "$ok", re: m.id, data: 3 });
  await rest();
  assert.equal(sum.value, 3);
  const refused = tw.call("sum", 1);
  p.fail(await p.expect("sum"), "shop.sold-out", { message: "none left" });
  assert.equal((await rejects(refused, "shop.sold-out")).message, "none left");
  const busy = tw.call("sum", 1);
  p.fail(await p.expect("sum"), "busy", { retryable: true }); // a call is not repeated
  assert.equal((await rejects(busy, "busy")).retryable, true);
  const empty = outcome(tw.call("note"));
  p.say({ type: "$ok", re: (await p.expect("note")).id, data: null });
  await rest();
  assert.deepEqual(empty, { done: true, value: undefined });
  for (const bad of ["$hello", "a b", ""]) await rejects(tw.call(bad), "invalid");
  await p.quiet();
}));

test("a call takes too long", run(async (w) => {
  const [tw, p] = await w.connect();
  for (const [options, ms] of [[undefined, 30_000], [{ timeout: 3000 }, 3000]]) {
    const called = outcome(tw.call("sum", 1, options));
    await p.expect("sum");
    await w.pass(ms - 1);
    assert.ok(!called.done);
    await w.pass(1);
    assert.equal(called.error.code, "unknown");
    assert.equal(called.error.cause.code, "timeout");
    p.say({ type: "$ping" });
  }
  p.cut();
  const unsent = outcome(tw.call("sum", 1, { timeout: 100 }));
  await w.pass(100);
  assert.equal(unsent.error.code, "timeout", "it was not sent: nothing is unknown");
}));

test("a call in flight at a disconnect is unknown", run(async (w) => {
  const [tw, p] = await w.connect();
  const flies = outcome(tw.call("sum", 1));
  await p.expect("sum");
  p.cut();
  await rest();
  assert.equal(flies.error.code, "unknown");
  assert.equal(flies.error.cause.status, 1006);
  const waits = outcome(tw.call("sum", 2)); // has not been sent: it may wait
  const q = await w.back();
  const m = await q.expect("sum");
  assert.equal(m.data, 2);
  q.say({ type: "$ok", re: m.id, data: 3 });
  await rest();
  assert.equal(waits.value, 3);
  await q.quiet();
}));

test("calls are given up by a signal", run(async (w) => {
  const [tw, p] = await w.connect();
  const stop = new AbortController();
  const called = outcome(tw.call("sum", 1, { signal: stop.signal }));
  const m = await p.expect("sum");
  stop.abort(new Error("enough"));
  await rest();
  assert.equal(called.error.code, "unknown");
  assert.equal(called.error.cause.message, "enough");
  p.say({ type: "$ok", re: m.id, data: 1 });
  await p.quiet();
}));

test("calls under way are bounded", run(async (w) => {
  const [tw, p] = await w.connect();
  for (let i = 0; i < 100; i++) tw.call("sum", i).catch(() => {});
  await rest();
  assert.equal(p.sent.length, 50);
  p.say({ type: "$ok", re: (await p.expect("sum")).id, data: 3 });
  await rest();
  assert.equal(p.sent.length, 50);
}));

test("the server calls", run(async (w) => {
  const [tw, p] = await w.connect();
  let go;
  const stop = tw.handle("confirm", (q) => {
    if (q === "sold?") throw new TidewireError("shop.sold-out", "none left", { retryable: true });
    if (q === "fail") throw new Error("secret");
    if (q === "large") return "x".repeat(70_000);
    if (q === "wait") return new Promise((done) => (go = done));
    return { yes: true };
  });
  const answer = async (id, type, data) => {
    const m = await p.expect(type);
    assert.deepEqual([m.re, m.data], [id, data]);
  };
  p.say({ type: "confirm", id: 1, data: "sure?" });
  await answer(1, "$ok", { yes: true });
  p.say({ type: "confirm", id: 2, data: "sold?" });
  await answer(2, "$error", { code: "shop.sold-out", message: "none left", retryable: true });
  p.say({ type: "confirm", id: 3, data: "fail" });
  await answer(3, "$error", { code: "internal", message: "internal", retryable: false });
  assert.deepEqual(w.reported.splice(0).map((e) => e.message), ["secret"]);
  p.say({ type: "nothing", id: 4 });
  assert.equal((await p.expect("$error")).data.code, "unknown-type");
  p.say({ type: "confirm", id: 5, data: "large" });
  assert.equal((await p.expect("$error")).data.code, "too-large");
  p.say({ type: "confirm", id: 6, data: "wait" });
  p.say({ type: "confirm", id: 7 });
  await answer(7, "$ok", { yes: true }); // one that waits holds nobody up
  p.cut();
  go(1); // nobody is there to hear it
  const q = await w.back();
  await q.quiet();
  stop();
  q.say({ type: "confirm", id: 1 });
  assert.equal((await q.expect("$error")).data.code, "unknown-type");
}));

test("messages without a room", run(async (w) => {
  const [tw, p] = await w.connect();
  const said = [];
  tw.handle("news", (n) => {
    said.push(n);
    if (n === 2) throw new Error("oh");
    return n;
  });
  for (const n of [1, 2, 3]) p.say({ type: "news", data: n });
  p.say({ type: "other", data: 4 });
  await p.quiet();
  assert.deepEqual(said, [1, 2, 3]);
  assert.equal(w.reported.splice(0).length, 1);
  const stop = tw.handle("news", () => said.push("new"));
  p.say({ type: "news", data: 5 });
  assert.equal(said.at(-1), "new");
  stop();
  const last = tw.handle("news", () => said.push("last"));
  stop(); // ends its own function only
  p.say({ type: "news", data: 6 });
  assert.equal(said.at(-1), "last");
  last();
}));
