import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rest, room } from "./kit.js";
import { shared, tab, two } from "./two.js";

const k3 = (seq) => ({ epoch: "k3", seq });

test("publishes come behind the first join of their room", shared(async (w) => {
  const [a, b, p] = await two(w);
  for (let i = 0; i < 15; i++) a.room(`other:${i}`).join().catch(() => {});
  await rest();
  const others = p.sent.splice(0);
  assert.equal(others.length, 15);
  const r = b.room("room:7");
  const joining = outcome(r.join());
  const sent = outcome(r.send("chat", 1));
  const elsewhere = outcome(b.room("room:8").send("chat", 2));
  await rest();
  p.ok(await p.expect("chat"), 5); // who is in no room does not wait
  await p.quiet();
  assert.ok(elsewhere.done);
  p.fail(others[0], "forbidden");
  await rest();
  await p.joined(10);
  p.ok(await p.expect("chat"), 11);
  await rest();
  assert.ok(joining.done && !joining.error);
  assert.equal(sent.value.seq, 11);
}));

test("publishes wait for a join that another tab's may fail", shared(async (w) => {
  const [a, b, p] = await two(w);
  a.room("room:7", { token: () => "bad" }).join().catch(() => {});
  await rest();
  const m = await p.expect("$join");
  const r = b.room("room:7");
  r.join();
  const sent = outcome(r.send("chat", 1));
  await p.quiet();
  p.fail(m, "forbidden");
  const n = await p.expect("$join");
  const chat = await p.expect("chat");
  p.say({ type: "$ok", re: n.id, room: "room:7", pos: k3(1), data: { head: 1 } });
  p.ok(chat, 2);
  await rest();
  assert.equal(sent.value.seq, 2);
}));

test("a room is left before it is joined anew", shared(async (w) => {
  const [a, b, p] = await two(w);
  const c = tab(w);
  await rest();
  const [ra] = room(a, "room:7");
  await join(ra, p, 10);
  for (const tw of [b, c]) for (let i = 0; i < 50; i++) tw.call("slow").catch(() => {});
  await rest();
  assert.equal(p.sent.splice(0).length, 16);
  ra.leave();
  const [rb, heard] = room(b, "room:7");
  rb.join();
  await rest();
  await p.expect("$leave");
  await p.joined(10);
  p.chat("room:7", 10, 11);
  await rest();
  heard("live", "11");
}));

test("publishes of who is in wait for nobody", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra] = room(a, "room:7");
  await join(ra, p, 10);
  b.room("room:7").join();
  tab(w).room("room:7").join();
  await rest();
  await p.expect("$join");
  const sent = outcome(ra.send("chat", 1));
  await rest();
  p.ok(await p.expect("chat"), 11);
  await rest();
  assert.ok(sent.done);
}));

test("publishes that wait for a join go when that is taken back", shared(async (w) => {
  const [a, b, p] = await two(w);
  a.room("room:7").join();
  await rest();
  await p.expect("$join");
  const r = b.room("room:7");
  r.join();
  const sent = outcome(r.send("chat", 1));
  await p.quiet();
  r.leave();
  await rest();
  p.ok(await p.expect("chat"), 2);
  await rest();
  assert.equal(sent.value.seq, 2);
  await p.quiet();
}));

test("publishes go as soon as the room is joined", shared(async (w) => {
  const [a, b, p] = await two(w);
  a.room("room:7").join();
  await rest();
  const m = await p.expect("$join");
  const r = b.room("room:7");
  r.join();
  r.send("chat", 1).catch(() => {});
  await p.quiet();
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: k3(1), data: { head: 5 } });
  await rest();
  assert.deepEqual(p.sent.splice(0).map((one) => one.type), ["chat"]);
}));
