import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rejects, rest, room, run } from "./kit.js";

test("join", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7", { last: 50 });
  const joining = outcome(r.join());
  const m = await p.expect("$join");
  assert.deepEqual([m.data, m.pos], [{ last: 50 }, undefined]);
  p.chat("room:7", 0, 90); // before the reply: ignored
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 17 }, data: { recovered: false, head: 23 } });
  p.chat("room:7", 17, 19);
  p.chat("room:7", 19, 23);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 23, mid: "m23" } });
  p.chat("room:7", 23, 30);
  await rest();
  assert.ok(joining.done && !joining.error);
  heard("19", "23", "live", "30");
  assert.deepEqual(r.position, { epoch: "k3", seq: 30, mid: "m30" });
}));

test("what is known of a message", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const metas = [];
  r.on("chat", (data, m) => metas.push(m));
  await join(r, p, 1);
  p.say({ type: "chat", room: "room:7", prev: 1, pos: { seq: 2 }, mid: "m2", from: "bob", key: "k", data: null });
  p.say({ type: "chat", room: "room:7", volatile: true, data: 7 });
  assert.deepEqual(metas, [
    { type: "chat", room: "room:7", from: "bob", mid: "m2", key: "k", position: { epoch: "k3", seq: 2, mid: "m2" } },
    { type: "chat", room: "room:7", data: 7, position: undefined, volatile: true },
  ]);
  assert.deepEqual(r.position, { epoch: "k3", seq: 2, mid: "m2" });
}));

test("a room without history", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "open:1");
  r.join();
  const m = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "open:1", data: { recovered: false, head: 0 } });
  p.say({ type: "$live", room: "open:1" });
  p.say({ type: "chat", room: "open:1", data: "a" });
  p.say({ type: "$gap", room: "open:1", data: { reason: "slow" } });
  p.say({ type: "chat", room: "open:1", data: "b" });
  heard("live", '"a"', "gap 0-0 slow", '"b"');
  assert.equal(r.position, undefined);
  p.cut();
  assert.equal((await w.back()).hello.data.join[0].pos, undefined);
}));

test("functions for types, and for the others", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7");
  const said = [];
  const f = (data) => said.push(`f${data}`);
  r.on("chat", f);
  r.on("chat", f); // once
  const stop = r.on("chat", (data) => said.push(`g${data}`));
  r.on("*", (data, m) => said.push(`${m.type}${data}`));
  await join(r, p, 0);
  p.chat("room:7", 0, 1);
  p.say({ type: "other", room: "room:7", prev: 1, pos: { seq: 2 }, data: 2 });
  stop();
  p.chat("room:7", 2, 3);
  assert.deepEqual(said, ["f1", "g1", "other2", "f3"]);
}));

test("wildcards", run(async (w) => {
  const [tw, p] = await w.connect();
  const wild = tw.room("room:*");
  const said = [];
  wild.on("*", (data, m) => said.push(`* ${m.room} ${data} ${m.position?.epoch} ${m.position?.seq}`));
  const joining = wild.join();
  p.say({ type: "$ok", re: (await p.expect("$join")).id, room: "room:*", data: { head: 0 } });
  p.say({ type: "$live", room: "room:*" });
  await joining;
  p.chat("room:1", 0, 1);
  const [r] = room(tw, "room:1");
  r.on("chat", (data) => said.push(`room ${data}`));
  p.chat("room:1", 1, 2); // r is a handle alone: it has not joined
  r.join();
  const m = await p.expect("$join");
  p.chat("room:1", 2, 3); // before the reply: it comes again
  p.say({ type: "$ok", re: m.id, room: "room:1", pos: { epoch: "k", seq: 2 }, data: {} });
  p.chat("room:1", 2, 3);
  p.chat("room:1", 2, 3);
  p.chat("room:2", 8, 9);
  p.chat("open:2", 8, 9);
  p.say({ type: "chat", room: "room:1", volatile: true, data: "v" });
  assert.deepEqual(said, ["* room:1 1 undefined 1", "* room:1 2 undefined 2", "room 3", "* room:1 3 undefined 3", "* room:2 9 undefined 9", "room v", "* room:1 v undefined undefined"]);
  p.cut();
  const q = await w.back();
  assert.deepEqual(q.hello.data.join.map((j) => j.room), ["room:*", "room:1"]);
  q.chat("room:2", 9, 10);
  assert.equal(said.length, 7, "nothing before the reply");
}));

test("a join is refused", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  const joining = outcome(r.join());
  const start = w.clock.now;
  p.fail(await p.expect("$join"), "busy", { retryable: true, retryAfter: 3000 });
  const m = await p.expect("$join"); // what may succeed later is tried again
  assert.ok(w.clock.now - start >= 3000 && w.clock.now - start < 4000);
  p.fail(m, "forbidden", { message: "members only" });
  await rest();
  assert.deepEqual([joining.error.code, joining.error.message], ["forbidden", "members only"]);
  p.cut();
  assert.deepEqual((await w.back()).hello.data.join, [], "a refused room was joined again");
  heard();
}));

test("a join waits longer each time", run(async (w) => {
  const [tw, p] = await w.connect({}, { backoff: [1000, 16_000] });
  const [r] = room(tw, "room:7");
  r.join();
  let longest = 0;
  for (let i = 0; i < 12; i++) {
    const start = w.clock.now;
    p.fail(await p.expect("$join"), "rate", { retryable: true });
    longest = Math.max(longest, w.clock.now - start);
  }
  assert.ok(longest > 4000, `${longest}`);
}));

test("left", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 10);
  p.chat("room:7", 10, 11);
  p.say({ type: "$left", room: "room:7", data: { reason: "removed" } });
  p.chat("room:7", 11, 12);
  heard("live", "11", "left removed");
  p.cut();
  const q = await w.back();
  assert.deepEqual(q.hello.data.join, []);
  // Another room is refused on the way back.
  const [other, heardOther] = room(tw, "room:8");
  await join(other, q, 10);
  q.cut();
  const s = await w.back();
  s.say({ type: "$error", room: "room:8", data: { code: "forbidden" } });
  heardOther("live", "left forbidden");
  // The first one may come back, where it was.
  assert.equal((await join(r, s, 11)).pos.seq, 11);
}));

test("joins are counted", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 10);
  const same = tw.room("room:7");
  assert.equal(same, r);
  await same.join();
  await same.leave();
  await p.quiet();
  const leaving = outcome(r.leave());
  const m = await p.expect("$leave");
  p.chat("room:7", 10, 11);
  assert.ok(!leaving.done);
  p.say({ type: "$ok", re: m.id, room: "room:7" });
  await rest();
  assert.ok(leaving.done);
  heard("live");
  await r.leave(); // once too often
  await p.quiet();
  const other = tw.room("room:7");
  assert.notEqual(other, r);
  await rejects(r.join(), "stale");
  await join(other, p, 12);
  await r.leave();
  await p.quiet();
  p.chat("room:7", 12, 13);
  assert.equal(other.position.seq, 13);
}));

test("left before the answer to the join", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  const joining = outcome(r.join());
  const m = await p.expect("$join");
  r.leave();
  const leave = await p.expect("$leave");
  const [again, heardAgain] = room(tw, "room:7");
  again.join();
  const m2 = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 1 }, data: {} });
  p.chat("room:7", 1, 2);
  p.say({ type: "$ok", re: leave.id });
  p.say({ type: "$ok", re: m2.id, room: "room:7", pos: { epoch: "k3", seq: 2 }, data: {} });
  p.chat("room:7", 2, 3);
  await rest();
  assert.equal(joining.error.code, "left");
  heard();
  heardAgain("3");
}));

test("the answer to an earlier join of the same handle", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  const first = outcome(r.join());
  const m = await p.expect("$join");
  r.leave();
  await p.expect("$leave");
  const second = outcome(r.join());
  p.fail(m, "forbidden");
  await rest();
  assert.equal(first.error.code, "left");
  assert.ok(!second.done);
  await p.joined(1);
  assert.ok(second.done && !second.error);
  heard("live");
}));

test("left without a connection", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  await join(r, p, 10);
  p.cut();
  await r.leave();
  assert.deepEqual((await w.back()).hello.data.join, []);
}));

test("a join is given up", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const stop = new AbortController();
  const joining = outcome(r.join({ signal: stop.signal }));
  const m = await p.expect("$join");
  stop.abort(new Error("enough"));
  await rest();
  assert.equal(joining.error.message, "enough");
  await p.expect("$leave");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 1 }, data: {} });
  await rejects(tw.room("room:8").join({ signal: AbortSignal.abort(Object.assign(new Error(), { code: "before" })) }), "before");
  await p.quiet();
  // Others wait for it, too.
  const [other] = room(tw, "room:9");
  const first = new AbortController();
  const one = outcome(other.join({ signal: first.signal }));
  const two = outcome(other.join());
  first.abort();
  await rest();
  assert.ok(one.error && !two.done);
  await p.joined(1);
  assert.ok(two.done && !two.error);
  // Aborted once it has happened: nothing.
  const third = new AbortController();
  await other.join({ signal: third.signal });
  third.abort();
  await p.quiet();
}));

test("a join that is never answered costs the connection", run(async (w) => {
  const [tw, p] = await w.connect({ callTimeout: 7000 });
  const [r] = room(tw, "room:7");
  const joining = outcome(r.join());
  await p.expect("$join");
  let q;
  for (let i = 0; i < 2; i++) {
    await w.pass(6999);
    assert.equal(tw.state.phase, "open");
    await w.pass(1);
    assert.equal(tw.state.phase, "waiting");
    q = await w.back();
    assert.equal(q.hello.data.join[0].room, "room:7");
  }
  q.say({ type: "$ok", room: "room:7", pos: { epoch: "k", seq: 3 }, data: {} });
  await rest();
  assert.ok(joining.done && !joining.error);
  await w.pass(20_000);
  assert.equal(tw.state.phase, "open", "an answered join cost the connection");
}));

test("a cast is refused while the room is joined by $hello", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  const refused = [];
  tw.on("refused", (e, m) => refused.push([e.code, m.room]));
  await join(r, p, 1);
  p.cut();
  const q = await w.back();
  assert.equal(r.cast("typing", true), true);
  const { mid } = await q.expect("typing");
  q.say({ type: "$error", room: "room:7", mid, data: { code: "rate", retryable: true } });
  q.say({ type: "$ok", room: "room:7", pos: { epoch: "k3", seq: 1 }, data: { recovered: true, head: 2 } });
  q.chat("room:7", 1, 2);
  heard("live", "2");
  assert.deepEqual(refused, [["rate", "room:7"]]);
  await q.quiet();
}));

test("tokens of rooms", run(async (w) => {
  const [tw, p] = await w.connect();
  let asked = 0;
  const [r] = room(tw, "room:7", { last: 3, token: async (why) => `${why}${++asked}` });
  assert.deepEqual((await join(r, p, 1)).data, { last: 3, token: "join1" });
  p.cut();
  const q = await w.back();
  assert.deepEqual(q.hello.data.join, []);
  assert.equal((await q.joined(1)).data.token, "join2");
  const failing = tw.room("room:8", { token: () => { throw Object.assign(new Error(), { code: "mine" }); } });
  await rejects(failing.join(), "mine");
  // What is published waits for the join.
  let late;
  const early = tw.room("room:11", { token: () => new Promise((done) => (late = done)) });
  early.join();
  const sent = outcome(early.send("chat", 1));
  await q.quiet();
  late("t");
  await rest();
  assert.deepEqual(q.sent.map((m) => m.type), ["$join", "chat"]);
  await q.joined(1);
  q.ok(await q.expect("chat"), 2);
  await rest();
  assert.ok(sent.value);
  early.leave();
  await q.expect("$leave");
  // It is left while the token is fetched.
  let give;
  const slow = tw.room("room:9", { token: () => new Promise((done) => (give = done)) });
  const joining = outcome(slow.join());
  await rest();
  slow.leave();
  assert.equal((await q.expect("$leave")).room, "room:9");
  give("late");
  await rest();
  assert.equal(joining.error.code, "left");
  await q.quiet();
  // A room that was joined already is tried again.
  let bad = false;
  const flaky = tw.room("room:10", { token: async () => { if (bad) throw new Error("away"); return "t"; } });
  await join(flaky, q, 1);
  bad = true;
  q.cut();
  const s = await w.back();
  assert.equal((await s.expect("$join")).room, "room:7");
  await s.quiet();
  bad = false;
  assert.equal((await s.expect("$join")).room, "room:10");
}));

test("a thousand rooms", run(async (w) => {
  const n = 1000;
  const [tw, p] = await w.connect();
  const heard = new Set();
  const joins = [];
  for (let i = 0; i < n; i++) {
    const r = tw.room(`room:${i}`);
    r.on("chat", (_, m) => heard.add(m.room));
    joins.push(r.join());
  }
  await rest();
  assert.equal(p.sent.length, 50, "joins under way");
  for (let i = 0; i < n; i++) await p.joined(5);
  await Promise.all(joins);
  p.cut();
  const q = await w.back();
  assert.equal(q.hello.data.join.length, 50);
  for (const j of q.hello.data.join) q.say({ type: "$ok", room: j.room, pos: { epoch: "k3", seq: 5 }, data: { recovered: true } });
  for (let i = 50; i < n; i++) assert.equal((await q.joined(5)).pos.seq, 5);
  for (let i = 0; i < n; i++) q.chat(`room:${i}`, 5, 6);
  assert.equal(heard.size, n);
}));

test("history", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:8");
  const reading = outcome(r.history({ before: 17, limit: 50 }));
  assert.deepEqual((await p.expect("$history")).data, { before: 17, limit: 50 });
  p.cut(); // it changes nothing: it is repeated
  const q = await w.back();
  const m = await q.expect("$history");
  q.say({ type: "$ok", re: m.id, room: "room:8", pos: { epoch: "k3", seq: 23 }, data: { messages: [{ type: "chat", pos: { seq: 15 }, mid: "9c", from: "bob", data: "hi" }], more: true } });
  await rest();
  assert.deepEqual(reading.value, {
    messages: [{ type: "chat", room: "room:8", data: "hi", from: "bob", mid: "9c", position: { epoch: "k3", seq: 15, mid: "9c" } }],
    more: true,
  });
  const refused = outcome(r.history());
  q.fail(await q.expect("$history"), "unsupported");
  await rest();
  assert.equal(refused.error.code, "unsupported");
  const stop = new AbortController();
  const given = outcome(r.history({ signal: stop.signal }));
  await q.expect("$history");
  stop.abort(new Error("enough"));
  await rest();
  assert.equal(given.error.message, "enough", "nothing is unknown about it");
  await rejects(Promise.race([r.history(), w.pass(30_000).then(() => rest())]), "timeout");
}));

test("names are checked", run(async (w) => {
  const [tw] = await w.connect();
  assert.throws(() => tw.room("a b"), { code: "invalid" });
  assert.throws(() => tw.room("x".repeat(129)), { code: "too-large" });
  assert.throws(() => tw.handle("$ok", () => {}), { code: "invalid" });
}));
