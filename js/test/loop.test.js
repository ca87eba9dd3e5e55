import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rest, room, run } from "./kit.js";

// Runs a loop whose body waits for step() each time.
function loop(messages) {
  const l = { said: [] };
  l.over = outcome((async () => {
    for await (const m of messages) {
      l.said.push(m.gap ? `gap ${m.gap.after}-${m.gap.position?.seq} ${m.gap.reason}` : `${m.data} at ${m.position?.seq}`);
      await new Promise((done) => (l.step = done));
    }
  })());
  l.steps = async (n) => {
    for (let i = 0; i < n; i++) {
      l.step();
      await rest();
    }
    return l.said.splice(0);
  };
  return l;
}

test("messages", run(async (w) => {
  const [tw, p] = await w.connect({ inbox: 3 });
  const r = tw.room("room:7");
  const gaps = [];
  r.on("$gap", (gap) => gaps.push(gap));
  const l = loop(r.messages("chat"));
  await p.joined(0);
  p.chat("room:7", 0, 1);
  await rest();
  assert.deepEqual(l.said.splice(0), ["1 at 1"]);
  for (let n = 2; n <= 7; n++) p.chat("room:7", n - 1, n);
  assert.equal(r.position.seq, 7, "it does not wait for the loop");
  p.say({ type: "chat", room: "room:7", volatile: true, data: "v" });
  assert.deepEqual(await l.steps(4), ["2 at 2", "3 at 3", "4 at 4", "gap 4-7 overflow"]);
  p.say({ type: "other", room: "room:7", prev: 7, pos: { seq: 8 }, data: "x" });
  p.chat("room:7", 8, 9);
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k3", seq: 20 }, data: { after: 9, reason: "slow" } });
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k3", seq: 22 }, data: { after: 20, reason: "slow" } });
  assert.deepEqual(await l.steps(2), ["9 at 9", "gap 9-22 slow"]);
  assert.deepEqual(gaps.map((gap) => gap.position.seq), [20, 22], "what others were told stays as it was");
  p.chat("room:7", 22, 23);
  assert.deepEqual(await l.steps(1), ["23 at 23"]);
  await p.quiet();
  assert.ok(!l.over.done);
}));

test("a loop that is left", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  const over = outcome((async () => {
    for await (const m of r.messages()) {
      assert.equal(m.data, 1);
      break;
    }
  })());
  await p.joined(0);
  p.chat("room:7", 0, 1);
  await p.expect("$leave");
  await rest();
  assert.deepEqual(over, { done: true, value: undefined });
  assert.equal(r.loops.size, 0);
}));

test("a signal ends a loop at once", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  const stop = new AbortController();
  const l = loop(r.messages("*", { signal: stop.signal }));
  await p.joined(0);
  for (let n = 1; n <= 3; n++) p.chat("room:7", n - 1, n);
  await rest();
  stop.abort(new Error("enough"));
  assert.deepEqual(await l.steps(1), ["1 at 1"]);
  assert.equal(l.over.error.message, "enough");
  await p.expect("$leave");
  // While it waits for a message, and while it joins.
  for (const answer of [true, false]) {
    const stop = new AbortController();
    const l = loop(tw.room("room:8").messages("chat", { signal: stop.signal }));
    if (answer) await p.joined(0);
    else await p.expect("$join");
    stop.abort(new Error("enough"));
    await rest();
    assert.equal(l.over.error.message, "enough");
    await p.expect("$leave");
  }
}));

test("a loop that cannot begin takes no join back", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  await join(r, p, 0);
  const l = loop(r.messages("chat", { signal: AbortSignal.abort(new Error("before")) }));
  await rest();
  assert.equal(l.over.error.message, "before");
  await p.quiet();
  assert.ok(r.joined);
  assert.equal(r.loops.size, 0);
}));

test("two loops", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  const stop = new AbortController();
  const one = loop(r.messages("chat", { signal: stop.signal }));
  const two = loop(r.messages("chat"));
  await p.joined(0);
  p.chat("room:7", 0, 1);
  p.chat("room:7", 1, 2);
  await rest();
  assert.deepEqual(await one.steps(1), ["1 at 1", "2 at 2"]);
  stop.abort(new Error("enough"));
  await one.steps(1);
  assert.ok(one.over.error);
  await p.quiet(); // the other is still there
  assert.deepEqual(await two.steps(1), ["1 at 1", "2 at 2"]);
}));

test("how loops end", run(async (w) => {
  const [tw, p] = await w.connect();
  const refused = loop(tw.room("room:1").messages());
  p.fail(await p.expect("$join"), "forbidden");
  await rest();
  assert.equal(refused.over.error.code, "forbidden");
  const removed = loop(tw.room("room:2").messages());
  await p.joined(0);
  p.chat("room:2", 0, 1);
  p.chat("room:2", 1, 2);
  p.say({ type: "$left", room: "room:2", data: { reason: "removed" } });
  await rest();
  assert.deepEqual(await removed.steps(2), ["1 at 1", "2 at 2"], "what came before is still there");
  assert.equal(removed.over.error.code, "removed");
  const left = loop(tw.room("room:3").messages());
  await p.joined(0);
  tw.room("room:3").leave();
  await p.expect("$leave");
  await rest();
  assert.equal(left.over.error.code, "left");
  const closed = loop(tw.room("room:4").messages());
  await p.joined(0);
  await tw.close();
  await rest();
  assert.equal(closed.over.error.code, "closed");
}));

test("a loop that outlives the membership does not end the next one", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  const l = loop(r.messages());
  await p.joined(0);
  p.chat("room:7", 0, 1);
  await rest();
  p.say({ type: "$left", room: "room:7", data: { reason: "removed" } });
  await join(r, p, 1);
  await l.steps(1);
  assert.equal(l.over.error.code, "removed");
  await p.quiet();
  assert.ok(r.joined);
}));
