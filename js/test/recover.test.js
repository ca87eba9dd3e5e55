import assert from "node:assert/strict";
import { test } from "node:test";
import { join, room, run } from "./kit.js";

test("doubled and reordered messages", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 10);
  p.chat("room:7", 10, 12);
  p.chat("room:7", 10, 12);
  p.chat("room:7", 10, 11);
  p.chat("room:7", 12, 15);
  p.chat("room:7", 3, 16); // prev is not above: nothing is missing
  p.chat("room:7", 0, 17);
  heard("live", "12", "15", "16", "17");
  await p.quiet();
}));

test("prev above joins again", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 10);
  p.chat("room:7", 10, 12);
  p.chat("room:7", 13, 14);
  let m = await p.expect("$join");
  assert.deepEqual(m.pos, { epoch: "k3", seq: 12, mid: "m12" });
  p.chat("room:7", 12, 15); // before the reply
  heard("live", "12");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true, head: 15 } });
  for (const n of [13, 14, 15]) p.chat("room:7", n - 1, n);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 15, mid: "m15" } });
  heard("13", "14", "15", "live");

  // A server that never gives what is missing is asked at a humane pace.
  const start = w.clock.now;
  for (let i = 0; i < 3; i++) {
    p.chat("room:7", 17, 18);
    m = await p.expect("$join");
    p.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true } });
  }
  assert.ok(w.clock.now - start >= 1000, `three joins in ${w.clock.now - start} ms`);
}));

test("comes back where it was", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7", { last: 5, presence: true });
  await join(r, p, 10);
  p.chat("room:7", 10, 12);
  heard("live", "12");
  p.cut();
  p.chat("room:7", 12, 13); // the connection has ended
  const q = await w.back();
  assert.deepEqual(q.hello.data.join, [{ room: "room:7", pos: { epoch: "k3", seq: 12, mid: "m12" }, last: 5, presence: true }]);
  q.chat("room:7", 0, 99); // before the reply
  q.say({ type: "$ok", room: "room:7", pos: { epoch: "k3", seq: 12, mid: "m12" }, data: { recovered: true, head: 13 } });
  q.chat("room:7", 12, 13);
  q.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 13 } });
  heard("13", "live");
  await q.quiet();
}));

test("gaps", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 50);
  heard("live");
  p.cut();
  const q = await w.back();
  q.say({ type: "$ok", room: "room:7", pos: { epoch: "k4", seq: 3 }, data: { recovered: false, head: 5 } });
  assert.deepEqual(r.position, { epoch: "k3", seq: 50 }, "the reply moves nobody who has a position");
  q.say({ type: "$gap", room: "room:7", pos: { epoch: "k4", seq: 3 }, data: { after: 50, reason: "epoch" } });
  q.chat("room:7", 3, 5); // below what was: another epoch
  heard("gap 50-3 epoch", "5");
  assert.deepEqual(r.position, { epoch: "k4", seq: 5, mid: "m5" });
  q.say({ type: "$gap", room: "room:7", pos: { epoch: "k4", seq: 9 }, data: { after: 5, reason: "slow" } });
  q.chat("room:7", 9, 10);
  heard("gap 5-9 slow", "10");
}));

test("$live again after catching up", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 5);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 8, mid: "m8" } });
  assert.equal(r.position.seq, 8, "all before it was sent");
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 7 } });
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k9", seq: 70 } });
  assert.equal(r.position.seq, 8);
  heard("live", "live", "live", "live");
}));

test("goes on at a position", run(async (w) => {
  const [tw, p] = await w.connect();
  const position = { epoch: "k3", seq: 41, mid: "m41" };
  const [r, heard] = room(tw, "room:7", { position });
  assert.deepEqual((await join(r, p, 41)).pos, position);
  p.chat("room:7", 0, 41);
  p.chat("room:7", 41, 42);
  heard("live", "42");
}));

test("a position that another epoch continues", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7", { position: { epoch: "k2", seq: 41, mid: "m41" } });
  r.join();
  const m = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 41, mid: "m41" }, data: { recovered: true } });
  p.chat("room:7", 41, 42);
  assert.deepEqual(r.position, { epoch: "k3", seq: 42, mid: "m42" });
  heard("42");
}));
