import assert from "node:assert/strict";
import { test } from "node:test";
import { outcome, rest } from "./kit.js";
import { asks, open, shared, tab, two } from "./two.js";

/** Has both tabs make calls until the server takes no more. */
async function busy(p, ...tabs) {
  for (const tw of tabs) for (let i = 0; i < 50; i++) tw.call("slow").catch(() => {});
  await rest();
  assert.equal(p.sent.splice(0).length, 16);
}

test("a silent server is found out, also while calls wait", shared(async (w) => {
  const [a, b, p] = await two(w, { callTimeout: 1e6 });
  await busy(p, a, b);
  w.page.fire("online");
  await rest();
  await p.expect("$ping");
  await w.pass(5100);
  assert.equal(p.closed, 4000);
  assert.notEqual(a.state.phase, "open");
  assert.notEqual(b.state.phase, "open");
}, { page: true }));

test("a tab comes in, also while calls wait", shared(async (w) => {
  const [a, b, p] = await two(w, { token: () => "ann1" });
  await busy(p, a, b);
  const c = tab(w, { token: () => "ann2" });
  await rest();
  const m = await asks(p, "ann2");
  p.say({ type: "$ok", re: m.id, data: { user: "ann" } });
  await rest();
  open(c);
}));

test("tokens are brought one after the other, as a hub wants", shared(async (w) => {
  const tokens = ["a1", "a2"];
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => tokens.shift() });
  a.call("x").catch(() => {});
  await rest();
  p.fail(await p.expect("x"), "expired");
  const b = tab(w, { token: () => "b1" });
  await rest();
  const m = await asks(p, "a2");
  await p.quiet();
  p.say({ type: "$ok", re: m.id, data: { user: "ann" } });
  await rest();
  const n = await asks(p, "b1");
  p.say({ type: "$ok", re: n.id, data: { user: "ann" } });
  await rest();
  open(a);
  open(b);
  assert.equal(w.dials.length, 1);
}));

for (const [code, more] of [["unavailable", { retryable: true }], ["expired", {}]]) {
  test(`what waits does not overtake what is to be repeated (${code})`, shared(async (w) => {
    const [a, b, p] = await two(w, { token: () => "t" });
    const send = (tw, room, n) => outcome(tw.room(room).send("chat", n));
    for (let i = 0; i < 20; i++) send(a, "room:1", i);
    for (let i = 0; i < 11; i++) send(b, "room:2", i);
    const first = send(b, "room:7", "first");
    const second = send(b, "room:7", "second");
    const other = send(b, "room:8", "other");
    await rest();
    const sent = p.sent.splice(0);
    assert.equal(sent.length, 32);
    p.fail(sent[31], code, more);
    await rest();
    p.ok(await p.expect("chat"), 1);
    await rest();
    assert.ok(other.done && !second.done);
    for (let i = 0; i < 31; i++) p.ok(sent[i], i + 1);
    let seq = 0;
    for (let i = 0; i < 50 && !second.done; i++) {
      await w.pass(100);
      for (const m of p.sent.splice(0)) {
        if (m.type === "$refresh") p.say({ type: "$ok", re: m.id, data: { user: "ann" } });
        else p.ok(m, ++seq);
      }
    }
    await rest();
    assert.deepEqual([first.value.seq, second.value.seq], [1, 2]);
  }));
}

test("joins that are too many for the server are sent more slowly", shared(async (w) => {
  const [a, b, p] = await two(w);
  const rooms = [a, b].flatMap((tw, i) => Array.from({ length: 50 }, (_, n) => outcome(tw.room(`room:${i}:${n}`).join())));
  await rest();
  const refused = p.sent.splice(0);
  assert.equal(refused.length, 15);
  for (const m of refused) p.fail(m, "rate", { retryable: true, retryAfter: 10 });
  await p.quiet();
  await w.pass(900);
  await p.quiet();
  await w.pass(200);
  assert.equal(p.sent.length, 4);
  while (p.sent.length) await p.joined(1);
  assert.ok(rooms.every((o) => o.done && !o.error));
  await w.pass(2000);
  await p.quiet();
}));

test("what tabs ask all together is not more than a hub lets wait", shared(async (w) => {
  const [a, b, p] = await two(w);
  const calls = [a, b].flatMap((tw) => Array.from({ length: 60 }, () => outcome(tw.call("x"))));
  const sent = [a, b].map((tw) => outcome(tw.room("room:7").send("chat", 1)));
  const rooms = [a, b].flatMap((tw, i) => Array.from({ length: 10 }, (_, n) => outcome(tw.room(`room:${i}:${n}`).join())));
  for (let i = 0; i < 10; i++) {
    await rest();
    const all = p.sent.splice(0);
    assert.ok(all.length < 64); // those past it may be refused, each by itself
    for (const m of all) p.say({ type: "$ok", re: m.id, data: 1 });
  }
  assert.ok([...sent, ...rooms].every((o) => o.done && !o.error));
  assert.ok(calls.every((o) => o.value === 1));
}));

test("a tab that is silent itself is no reason to give up the connection", shared(async (w) => {
  const [a, b, p] = await two(w, { callTimeout: 60_000 });
  const c = tab(w, { callTimeout: 10_000 });
  await rest();
  a.call("slow").catch(() => {});
  a.link.probe();
  await rest();
  await p.expect("slow");
  const ping = await p.expect("$ping");
  await w.pass(4500);
  await b.close(); // it is not that who hears nothing
  await rest();
  assert.equal(p.closed, undefined);
  p.ok(ping, 0);
  await w.pass(15_000);
  c.room("room:7").join();
  await rest();
  const m = await p.expect("$join");
  await w.pass(10_100);
  assert.equal(c.state.phase, "waiting"); // the others may be more patient
  assert.equal(p.closed, undefined);
  open(a);
  p.fail(m, "internal");
  await p.joined(1); // c is back
}));

test("one tab's $ping costs the connection of all", shared(async (w) => {
  const [a, b, p] = await two(w);
  a.link.probe();
  await rest();
  await p.expect("$ping");
  await w.pass(5100);
  assert.equal(p.closed, 4000);
  assert.equal(b.state.error.message, "no answer to $ping");
}));

test("what a tab that is gone wanted is not asked any more", shared(async (w) => {
  const [a, b, p] = await two(w);
  const c = tab(w);
  await rest();
  for (const tw of [a, b]) for (let i = 0; i < 50; i++) tw.call("slow").catch(() => {});
  await rest();
  c.call("x").catch(() => {});
  for (let i = 0; i < 32; i++) a.room("room:1").send("chat", i).catch(() => {});
  await rest();
  const all = p.sent.splice(0);
  c.room("room:7").send("chat", 1).catch(() => {});
  await rest();
  await c.close();
  await rest();
  const late = [];
  for (let i = 0; i < 200; i++) {
    const m = all.shift() ?? p.sent.shift();
    if (!m) break;
    late.push(m);
    p.ok(m, 1);
    await rest();
  }
  assert.ok(late.length > 100);
  assert.ok(!late.some((m) => m.type === "x" || m.room === "room:7"));
}));

test("only what is to be repeated holds others back", shared(async (w) => {
  const [a, b, p] = await two(w);
  for (let i = 0; i < 30; i++) a.room("room:1").send("chat", i).catch(() => {});
  const first = outcome(b.room("room:7").send("chat", "first"));
  const third = outcome(a.room("room:1").send("chat", "third"));
  const second = outcome(b.room("room:7").send("chat", "second"));
  const other = outcome(a.room("room:7").send("chat", "other"));
  await rest();
  const sent = p.sent.splice(0);
  assert.equal(sent.length, 32);
  p.fail(sent.find((m) => m.data === "first"), "forbidden");
  await rest();
  assert.equal(first.error.code, "forbidden");
  const m = await p.expect("chat");
  assert.equal(m.data, "second");
  p.fail(m, "busy", { retryable: true, retryAfter: 1000 });
  await rest();
  assert.equal(p.sent.length, 1);
  const n = await p.expect("chat");
  assert.equal(n.data, "other"); // it is another tab's
  p.ok(n, 1);
  await rest();
  assert.ok(other.done && !second.done && !third.done);
  await w.pass(1000);
  p.ok(await p.expect("chat"), 2);
  await rest();
  assert.equal(second.value.seq, 2);
}));

test("a publish that is too much for the server is the tab's matter", shared(async (w) => {
  const [a, , p] = await two(w);
  const sent = outcome(a.room("room:7").send("chat", 1));
  await rest();
  p.fail(await p.expect("chat"), "rate", { retryable: true, retryAfter: 10 });
  await w.pass(10);
  await rest();
  assert.equal(p.sent.length, 1);
  p.ok(await p.expect("chat"), 1);
  await rest();
  assert.equal(sent.value.seq, 1);
}));

test("a connection is given up while joins wait", shared(async (w) => {
  const [a, , p] = await two(w);
  a.room("room:7").join().catch(() => {});
  await rest();
  p.fail(await p.expect("$join"), "rate", { retryable: true, retryAfter: 10 });
  await rest();
})); // and no timer is left
