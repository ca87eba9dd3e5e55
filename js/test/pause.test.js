import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rejects, rest, room, run } from "./kit.js";

const page = { page: true };

test("pause and resume", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 5);
  heard("live");
  const call = outcome(tw.call("sum"));
  await p.expect("sum");
  const states = [];
  tw.on("state", ({ phase, wait, error }) => states.push([phase, wait, error?.code]));
  assert.equal(tw.pause({ type: "click" }), undefined); // an argument is nothing to it
  assert.equal(p.closed, 4001, "at once, so that presence has its grace");
  await rest();
  assert.equal(call.error?.code, "unknown");
  p.chat("room:7", 5, 6);
  heard(); // it comes again
  tw.pause(); // twice is once
  await w.pass(3_600_000);
  assert.equal(w.dials.length, 1, "an hour, and nothing was tried");
  assert.equal(tw.resume(), undefined);
  const q = await w.back();
  assert.equal(w.dials[1], w.clock.now, "at once");
  assert.equal(q.hello.data.join[0].pos.seq, 5);
  assert.deepEqual(states, [["waiting", Infinity, "disconnected"], ["connecting", undefined, undefined], ["open", undefined, undefined]]);
  q.say({ type: "$ok", room: "room:7", pos: { epoch: "k3", seq: 5 }, data: { recovered: true, head: 6 } });
  q.chat("room:7", 5, 6);
  heard("6");
}));

test("what is sent while paused waits, within the queue", run(async (w) => {
  const [tw, p] = await w.connect({ queue: { max: 3, ttl: 10_000 } });
  const [r] = room(tw, "room:7");
  await join(r, p, 5);
  tw.pause();
  const late = outcome(r.send("chat", 0));
  await w.pass(10_000);
  assert.equal(late.error?.code, "not-sent");
  const sent = [outcome(r.send("chat", 1)), outcome(r.send("chat", 2))];
  const call = outcome(tw.call("sum"));
  await rejects(r.send("chat", 3), "queue-full");
  assert.equal(r.cast("typing"), false);
  await w.pass(9_000);
  tw.resume();
  const q = await w.back();
  for (const n of [1, 2]) {
    const m = await q.expect("chat");
    assert.equal(m.data, n);
    q.ok(m, 5 + n);
  }
  q.say({ type: "$ok", re: (await q.expect("sum")).id, data: 3 });
  await rest();
  assert.deepEqual([...sent.map((o) => o.value?.seq), call.value], [6, 7, 3]);
}));

test("only resume ends a pause", run(async (w) => {
  const [tw] = await w.connect();
  const events = () => {
    for (const event of ["offline", "online", "pageshow"]) w.page.fire(event);
    for (const event of ["visibilitychange", "resume"]) w.document.fire(event);
  };
  tw.pause();
  events();
  w.page.fire("pagehide"); // put into the back/forward cache, and back
  events();
  tw.hurry();
  await w.pass(60_000);
  assert.equal(w.dials.length, 1);
  tw.resume();
  w.peers.length = 0;
  await w.back();

  // Put away first.
  w.page.fire("pagehide");
  tw.pause();
  events();
  await w.pass(60_000);
  assert.equal(w.dials.length, 2);
  tw.resume();
  await w.back();

  // What the application has not paused comes back by itself, also after it had.
  w.page.fire("pagehide");
  w.page.fire("pageshow");
  await w.back();
  assert.equal(tw.state.phase, "open");
}, page));

test("paused while connecting, waiting, and asking for a token", run(async (w) => {
  const tw = w.client();
  await rest();
  tw.pause();
  await rest();
  assert.ok(w.peers.shift().readyState > 1, "what was opening is closed");
  w.down = true;
  tw.resume();
  await rest();
  assert.ok(tw.state.wait < Infinity);
  tw.pause();
  assert.equal(tw.state.wait, Infinity);
  w.down = false;
  await w.pass(60_000);
  assert.equal(w.dials.length, 2);
  tw.resume();
  await w.back();

  let give;
  const asking = w.client({ token: () => new Promise((done) => (give = done)) });
  asking.pause();
  give("t");
  await rest();
  assert.equal(w.dials.length, 3);
  asking.resume();
  give("u");
  assert.equal((await w.back()).hello.data.token, "u");
}));

test("paused by a function that is told of the state", run(async (w) => {
  for (const phase of ["connecting", "open", "waiting"]) {
    const tw = w.client();
    let paused = false;
    const stop = tw.on("state", (state) => {
      if (state.phase !== phase) return;
      stop();
      tw.pause();
      paused = true;
    });
    (await w.back()).cut();
    const dials = w.dials.length;
    await w.pass(60_000);
    assert.deepEqual([paused, w.dials.length], [true, dials], `it came back, paused while ${phase}`);
    tw.resume();
    await w.back();
    await tw.close();
  }
}));

test("paused and closed", run(async (w) => {
  const [tw] = await w.connect();
  tw.pause();
  const sent = outcome(tw.room("room:7").send("chat", 1));
  await tw.close();
  await rest();
  assert.equal(sent.error?.code, "closed");
  for (const f of [tw.resume, tw.pause, tw.resume]) f.call(tw);
  await w.pass(60_000);
  assert.equal(tw.state.phase, "closed");
  assert.equal(w.dials.length, 1);
}, page));
