import assert from "node:assert/strict";
import { test } from "node:test";
import { outcome, rest, room, run } from "./kit.js";

// A function that says why a token is asked for.
function tokens() {
  const asked = [];
  return [async (why) => `t${asked.push(why)}`, asked];
}

test("tokens in $hello", run(async (w) => {
  const [token, asked] = tokens();
  const [, p] = await w.connect({ token });
  assert.equal(p.hello.data.token, "t1");
  p.cut();
  const q = await w.back();
  assert.equal(q.hello.data.token, "t2");
  assert.deepEqual(asked.splice(0), ["hello", "hello"]);
  q.end(4401);
  const r = await w.next();
  r.fail(await r.expect("$hello"), "unauthorized");
  const s = await w.back();
  s.cut();
  await w.back();
  assert.deepEqual(asked, ["refused", "refused", "hello"]);
}));

test("a refused token waits as any other failure", run(async (w) => {
  const [token] = tokens();
  const tw = w.client({ token });
  const p = await w.next();
  p.fail(await p.expect("$hello"), "unauthorized");
  assert.ok(tw.state.wait <= 1000);
  assert.equal(tw.state.error.code, "unauthorized");
}));

test("renewed before it expires", run(async (w) => {
  const [token, asked] = tokens();
  const refused = [];
  const [tw, p] = await w.connect({ token }, { ttl: 100_000 });
  tw.on("refused", (e) => refused.push(e.code));
  let m;
  for (let i = 0; i < 3; i++) {
    for (let t = 0; t < 79_000; t += 20_000) {
      await w.pass(Math.min(20_000, 79_999 - t));
      p.say({ type: "$ping" });
    }
    await p.quiet();
    await w.pass(1);
    m = await p.expect("$refresh");
    assert.deepEqual(m.data, { token: `t${i + 2}` });
    p.say({ type: "$ok", re: m.id, data: { user: "ann", ttl: 100_000 } });
    await rest();
  }
  for (let t = 0; t < 80_000; t += 20_000) {
    await w.pass(20_000);
    p.say({ type: "$ping" });
  }
  p.fail(await p.expect("$refresh"), "unauthorized");
  m = await p.expect("$refresh"); // with another token, a little later
  p.fail(m, "forbidden"); // another user needs another session
  await w.back();
  assert.deepEqual(asked, ["hello", "expiry", "expiry", "expiry", "expiry", "refused", "hello"]);
  assert.deepEqual(refused, ["unauthorized", "forbidden"]);
}));

test("a renewal that never succeeds costs the connection", run(async (w) => {
  const [token, asked] = tokens();
  const [tw, p] = await w.connect({ token }, { ttl: 10_000 });
  for (let i = 0; i < 5; i++) {
    assert.equal(tw.state.phase, "open");
    p.fail(await p.expect("$refresh"), "unavailable", { retryable: true });
    await rest();
  }
  assert.equal(tw.state.phase, "waiting");
  assert.equal(tw.state.error.code, "unavailable");
  await w.back();
  assert.equal(asked.length, 7);
}));

test("a renewal that is never answered costs the connection", run(async (w) => {
  const [token] = tokens();
  const [tw, p] = await w.connect({ token, callTimeout: 4000 }, { ttl: 10_000 });
  await w.pass(8000);
  await p.expect("$refresh");
  await w.pass(4000);
  assert.equal(p.closed, 4000);
  await w.back();
  assert.equal(tw.state.phase, "open");
}));

test("what has expired is refreshed, and repeated in order", run(async (w) => {
  const [token, asked] = tokens();
  const [tw, p] = await w.connect({ token });
  const [r] = room(tw, "room:7");
  const outcomes = [outcome(r.send("chat", 1)), outcome(r.send("chat", 2)), outcome(tw.call("sum", 1)), outcome(tw.room("room:8").join())];
  for (const type of ["chat", "chat", "sum", "$join"]) p.fail(await p.expect(type), "expired");
  const m = await p.expect("$refresh");
  outcomes.push(outcome(tw.call("late", 1)));
  assert.equal(r.cast("typing", 1), false);
  await p.quiet();
  p.say({ type: "$ok", re: m.id, data: { user: "ann" } });
  await p.joined(1);
  for (const n of [1, 2]) {
    const m = await p.expect("chat");
    assert.equal(m.data, n);
    p.ok(m, n);
  }
  p.say({ type: "$ok", re: (await p.expect("sum")).id, data: 3 });
  p.say({ type: "$ok", re: (await p.expect("late")).id, data: 4 });
  await rest();
  for (const o of outcomes) assert.ok(o.done && !o.error);
  assert.deepEqual(asked, ["hello", "refused"]);
}));

test("a call that expired and waits is not unknown", run(async (w) => {
  const [token] = tokens();
  const [tw, p] = await w.connect({ token });
  const called = outcome(tw.call("sum", 1));
  p.fail(await p.expect("sum"), "expired");
  await p.expect("$refresh");
  p.cut();
  const q = await w.back();
  q.say({ type: "$ok", re: (await q.expect("sum")).id, data: 3 });
  await rest();
  assert.equal(called.value, 3);
}));

test("what expires for ever is told", run(async (w) => {
  const [token] = tokens();
  const [tw, p] = await w.connect({ token });
  const called = outcome(tw.call("sum", 1));
  for (let i = 0; i < 3; i++) {
    p.fail(await p.expect("sum"), "expired");
    if (i < 2) p.say({ type: "$ok", re: (await p.expect("$refresh")).id, data: {} });
  }
  await rest();
  assert.equal(called.error.code, "expired");
  const joining = outcome(tw.room("room:7").join());
  for (let i = 0; i < 3; i++) {
    p.fail(await p.expect("$join"), "expired");
    if (i < 2) p.say({ type: "$ok", re: (await p.expect("$refresh")).id, data: {} });
  }
  await rest();
  assert.equal(joining.error.code, "expired");
}));

test("expired, and nobody has a token", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  p.fail(await p.expect("chat"), "expired");
  await rest();
  assert.equal(sent.error.code, "expired");
}));

test("expired in flight, then the connection goes", run(async (w) => {
  const [token] = tokens();
  const [tw, p] = await w.connect({ token });
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  const m = await p.expect("chat");
  p.fail(m, "expired");
  await p.expect("$refresh");
  p.end(4401, "the identity has expired");
  const q = await w.back();
  const again = await q.expect("chat");
  assert.equal(again.mid, m.mid);
  q.ok(again, 1);
  await rest();
  assert.ok(sent.value);
}));

test("a token function that fails", run(async (w) => {
  let n = 0;
  const tw = w.client({
    token() {
      n++;
      if (n === 1) throw new Error("no token");
      if (n === 2) return Promise.reject(new Error("away"));
      return n === 3 ? new Promise(() => {}) : null;
    },
  });
  const errors = [];
  tw.on("state", ({ phase, error }) => phase === "waiting" && errors.push(error.code ?? error.message));
  await w.pass(30_000);
  await w.pass(30_000);
  const p = await w.back();
  assert.equal(p.hello.data.token, undefined);
  assert.deepEqual(errors, ["no token", "away", "timeout"]);
}));
