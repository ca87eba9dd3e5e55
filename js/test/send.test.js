import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rejects, rest, room, run } from "./kit.js";

test("send", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", { text: "yo" }));
  const m = await p.expect("chat");
  assert.deepEqual({ ...m, mid: "", id: 0 }, { type: "chat", id: 0, room: "room:7", mid: "", data: { text: "yo" } });
  assert.match(m.mid, /^[\w+/]{24}$/);
  await rest();
  assert.ok(!sent.done);
  p.ok(m, 52);
  await rest();
  assert.deepEqual(sent.value, { epoch: "k3", seq: 52, mid: m.mid });
  const refused = outcome(r.send("reading", 21, { key: "temp" }));
  const m2 = await p.expect("reading");
  assert.deepEqual([m2.key, m2.mid === m.mid], ["temp", false]);
  p.fail(m2, "shop.closed", { message: "come back", retryAfter: 800 });
  await rest();
  const { code, message, retryable, retryAfter } = refused.error;
  assert.deepEqual([code, message, retryable, retryAfter], ["shop.closed", "come back", false, 800]);
  for (const bad of ["", "$ok", "two words", "x".repeat(65), undefined]) await rejects(r.send(bad, 1), bad?.length > 64 ? "too-large" : "invalid");
  await rejects(r.send("chat", 1, { key: "" }), "invalid");
  const round = {};
  round.round = round;
  await assert.rejects(r.send("chat", round), TypeError);
  await p.quiet();
}));

test("what is sent is what it was", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const data = { text: "one" };
  p.cut();
  r.send("chat", data).catch(() => {});
  data.text = "two";
  const q = await w.back();
  const m = await q.expect("chat");
  assert.deepEqual(m.data, { text: "one" });
  q.cut();
  assert.deepEqual({ ...(await (await w.back()).expect("chat")), id: 0 }, { ...m, id: 0 });
}));

test("repeated with the same mid, in order", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const sends = [];
  const mids = [];
  for (let n = 0; n < 5; n++) {
    sends.push(outcome(r.send("chat", n)));
    const m = await p.expect("chat");
    mids.push(m.mid);
    if (n === 1) p.ok(m, 1);
  }
  await rest();
  assert.ok(sends[1].value);
  p.cut();
  sends.push(outcome(r.send("chat", 5))); // meanwhile
  const q = await w.back();
  for (const n of [0, 2, 3, 4, 5]) {
    const m = await q.expect("chat");
    assert.equal(m.data, n);
    if (n < 5) assert.equal(m.mid, mids[n]);
    q.ok(m, 10 + n);
    await rest();
    assert.equal(sends[n].value.seq, 10 + n);
  }
  await q.quiet();
}));

test("what is refused is repeated in order", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const [other] = room(tw, "room:8");
  const sends = [];
  const sent = [];
  for (let n = 0; n < 3; n++) {
    sends.push(outcome(r.send("chat", n)));
    sent.push(await p.expect("chat"));
  }
  const start = w.clock.now;
  p.fail(sent[0], "busy", { retryable: true, retryAfter: 800 });
  sends.push(outcome(r.send("chat", 3))); // waits behind the others
  await w.pass(2000);
  await p.quiet(); // 1 and 2 are still under way: 0 must not fall behind what they turn into
  const elsewhere = outcome(other.send("chat", "x"));
  p.ok(await p.expect("chat"), 1); // another room goes on
  await rest();
  assert.ok(elsewhere.value);
  p.fail(sent[1], "aborted", { retryable: true });
  p.fail(sent[2], "aborted", { retryable: true });
  for (let n = 0; n < 4; n++) {
    const m = await p.expect("chat");
    assert.equal(m.data, n);
    if (n < 3) assert.equal(m.mid, sent[n].mid);
    p.ok(m, 10 + n);
    await rest();
    assert.ok(sends[n].value);
  }
  const took = w.clock.now - start;
  assert.ok(took >= 2500 && took < 4500, `${took}`);
}));

test("what is refused waits as long as the server says", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  r.send("chat", 1).catch(() => {});
  const m = await p.expect("chat");
  p.fail(m, "busy", { retryable: true, retryAfter: 5000 });
  await w.pass(4999);
  await p.quiet();
  await w.pass(1);
  await p.expect("chat");
}));

test("a room that was left goes on sending", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  await join(r, p, 1);
  const one = outcome(r.send("chat", 1));
  const two = outcome(r.send("chat", 2));
  p.fail(await p.expect("chat"), "busy", { retryable: true, retryAfter: 1000 });
  r.leave();
  p.cut(); // with 2 under way, and 1 held back
  const q = await w.back();
  for (const o of [one, two]) {
    q.ok(await q.expect("chat"), 5);
    await rest();
    assert.ok(o.value);
  }
}));

test("the window has passed", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const start = w.clock.now;
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  w.down = true;
  p.cut();
  await w.pass(119_999);
  assert.ok(!sent.done);
  await w.pass(1);
  await rest();
  assert.equal(sent.error.code, "unknown");
  assert.equal(w.clock.now - start, 120_000);
  w.down = false;
  const q = await w.back();
  await q.quiet();

  // What was only ever refused is known not to have happened.
  const refused = outcome(r.send("chat", 2));
  for (let i = 0; i < 30 && !refused.done; i++) {
    if (q.sent.length) q.fail(await q.expect("chat"), "unavailable", { retryable: true, retryAfter: 5000 });
    await w.pass(5000);
  }
  assert.equal(refused.error.code, "unavailable");

  // The machine slept for longer: nothing is sent that the server may not know again.
  const slept = outcome(r.send("chat", 3));
  await q.expect("chat");
  q.cut();
  w.clock.sleep(121_000);
  const s = await w.back();
  await s.quiet();
  assert.equal(slept.error.code, "unknown");
}));

test("an answer is given its time", run(async (w) => {
  const [tw, p] = await w.connect({ queue: { ttl: 600_000 } }, { dedupe: 5000 });
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  for (let i = 0; i < 59; i++) {
    await w.pass(1000);
    if (i % 20 === 0) p.say({ type: "$ping" });
  }
  assert.ok(!sent.done);
  await w.pass(1000);
  assert.equal(sent.error.code, "unknown");
}));

test("no window, no repetition", run(async (w) => {
  const [tw, p] = await w.connect({}, { dedupe: undefined });
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  p.cut();
  await rest();
  assert.equal(sent.error.code, "unknown");
  const q = await w.back({ dedupe: undefined });
  const busy = outcome(r.send("chat", 1));
  q.fail(await q.expect("chat"), "busy", { retryable: true });
  await rest();
  assert.equal(busy.error.code, "busy");
}));

test("the queue", run(async (w) => {
  w.down = true;
  const tw = w.client({ queue: { max: 3, maxSize: 300, ttl: 10_000 }, backoff: { max: 1000 } });
  const [r] = room(tw, "room:7");
  const start = w.clock.now;
  const first = outcome(r.send("chat", 1));
  await rejects(r.send("chat", "x".repeat(250)), "queue-full");
  await w.pass(5000);
  const second = outcome(r.send("chat", 2));
  await rest();
  assert.equal(r.cast("typing", 1), false);
  const third = outcome(tw.call("sum", 3));
  await rejects(r.send("chat", 4), "queue-full");
  await w.pass(4999);
  assert.ok(!first.done);
  await w.pass(1);
  assert.equal(first.error.code, "not-sent");
  assert.equal(w.clock.now - start, 10_000);
  w.down = false;
  const p = await w.back();
  const m = await p.expect("chat");
  assert.equal(m.data, 2);
  p.ok(m, 2);
  p.say({ type: "$ok", re: (await p.expect("sum")).id, data: 6 });
  await rest();
  assert.ok(second.value);
  assert.equal(third.value, 6);
  await p.quiet(); // neither what was given up nor what was cast
  // What is answered makes room, in number and in size.
  for (let i = 0; i < 3; i++) {
    const sent = outcome(r.send("chat", "ü".repeat(75)));
    const m = await p.expect("chat");
    await rejects(r.send("chat", "ü".repeat(75)), "queue-full");
    p.ok(m, i);
    await rest();
    assert.ok(sent.value);
  }
  const two = [outcome(r.send("chat", 1)), outcome(r.send("chat", 2))];
  for (const o of two) {
    p.ok(await p.expect("chat"), 8);
    await rest();
    assert.ok(o.value);
  }
  // One alone may be larger.
  const large = outcome(r.send("chat", "x".repeat(500)));
  p.ok(await p.expect("chat"), 9);
  await rest();
  assert.ok(large.value);
}));

test("given up by a signal", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const stop = new AbortController();
  const sent = outcome(r.send("chat", 1, { signal: stop.signal }));
  await p.expect("chat");
  stop.abort(new Error("enough"));
  await rest();
  assert.equal(sent.error.code, "unknown"); // it had been sent
  assert.equal(sent.error.cause.message, "enough");
  p.cut();
  const waits = new AbortController();
  const unsent = outcome(r.send("chat", 2, { signal: waits.signal }));
  waits.abort(new Error("enough"));
  await rest();
  assert.equal(unsent.error.message, "enough");
  await assert.rejects(r.send("chat", 3, { signal: waits.signal }), /enough/);
  await (await w.back()).quiet(); // none is sent again
}));

test("a signal keeps nothing", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const { signal } = new AbortController();
  let n = 0;
  for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
    const real = signal[name];
    signal[name] = (...args) => {
      n += by;
      real.apply(signal, args);
    };
  }
  const sent = r.send("chat", 1, { signal });
  p.ok(await p.expect("chat"), 1);
  await sent;
  const joining = r.join({ signal });
  assert.equal(n, 1);
  await p.joined(1);
  await joining;
  assert.equal(n, 0);
}));

test("what is under way is bounded", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  for (let n = 0; n < 100; n++) r.send("chat", n).catch(() => {});
  await rest();
  assert.equal(p.sent.length, 50);
  p.ok(await p.expect("chat"), 1);
  await rest();
  assert.equal(p.sent.length, 50);
  assert.deepEqual(p.sent.map((m) => m.data), Array.from({ length: 50 }, (_, i) => i + 1));
}));

test("too large", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const euros = "€".repeat(22_000); // fewer characters than maxSend, more bytes
  await rejects(r.send("chat", euros), "too-large");
  await rejects(tw.call("sum", euros), "too-large");
  assert.throws(() => r.cast("chat", euros), { code: "too-large" });
  await p.quiet();
  // A hub that takes less closes the connection: what may be to blame is not sent again.
  const big = outcome(r.send("chat", "big"));
  await p.expect("chat");
  p.end(1009);
  await rest();
  assert.equal(big.error.code, "unknown");
  const start = w.clock.now;
  const q = await w.next();
  assert.ok(w.clock.now - start >= 20_000);
  await q.welcome();
  await q.quiet();
}));

test("cast", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  await join(r, p, 1);
  assert.equal(r.cast("typing", { on: true }), true);
  const m = await p.expect("typing");
  assert.deepEqual({ ...m, mid: "" }, { type: "typing", room: "room:7", mid: "", volatile: true, data: { on: true } });
  assert.throws(() => r.cast("$x", 1), { code: "invalid" });
  p.bufferedAmount = 300_000;
  assert.equal(r.cast("typing", 1), false, "the network is too slow for it");
  p.readyState = 2;
  p.bufferedAmount = 0;
  assert.equal(r.cast("typing", 1), false, "the connection is closing");
  p.cut();
  assert.equal(r.cast("typing", 1), false);
  await (await w.back()).quiet();
}));

test("nothing is sent over a connection that is closing", run(async (w) => {
  const [tw, p] = await w.connect();
  p.readyState = 2;
  const calling = outcome(tw.call("sum", 1));
  await rest();
  p.end(1001);
  const q = await w.back();
  q.say({ type: "$ok", re: (await q.expect("sum")).id, data: 1 });
  await rest();
  assert.equal(calling.value, 1);
}));

test("degraded", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const states = [];
  tw.on("state", ({ degraded }) => states.push(degraded));
  p.say({ type: "$degraded", data: { rooms: "" } });
  p.say({ type: "$degraded", data: { rooms: "stored" } });
  p.say({ type: "$degraded", data: { rooms: "stored" } });
  const sent = outcome(r.send("chat", 1));
  const start = w.clock.now;
  p.fail(await p.expect("chat"), "unavailable", { retryable: true, retryAfter: 30_000 });
  await w.pass(1000);
  await p.quiet();
  p.say({ type: "$degraded", data: { rooms: "" } });
  p.ok(await p.expect("chat"), 1);
  await rest();
  assert.ok(sent.value);
  assert.ok(w.clock.now - start < 2000);
  assert.deepEqual(states, [true, false]);
  assert.deepEqual(tw.state, { phase: "open", session: "s1", user: "ann", degraded: false });
}));

test("closed while messages are under way", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  const held = outcome(r.send("chat", 2));
  p.fail(await p.expect("chat"), "busy", { retryable: true, retryAfter: 1000 });
  const called = outcome(tw.call("sum", 1));
  await p.expect("sum");
  const waits = outcome(r.send("chat", 3));
  await tw.close();
  await rest();
  assert.deepEqual([sent, held, called, waits].map((o) => o.error.code), ["unknown", "closed", "unknown", "closed"]);
  await rejects(r.send("chat", 4), "closed");
}));

test("a clock that is set does not take what is under way for lost", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  for (const skew of [3_600_000, -3_600_000]) {
    const sent = [1, 2, 3].map((n) => outcome(r.send("chat", n)));
    await rest();
    w.clock.skew += skew;
    for (let seq = 1; seq <= 3; seq++) {
      p.ok(await p.expect("chat"), seq);
      await rest();
    }
    assert.deepEqual(sent.map((o) => o.value?.seq), [1, 2, 3]);
  }
}));
