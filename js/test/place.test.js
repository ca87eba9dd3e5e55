import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rest, room } from "./kit.js";
import { shared, tab, two } from "./two.js";

const k3 = (seq) => ({ epoch: "k3", seq });

/** A room of that name in a tab, joined at the server's word. Returns what room does. */
async function joined(tw, p, name, data, options) {
  const [r, heard] = room(tw, name, options);
  r.join();
  await rest();
  const m = await p.expect("$join");
  const pos = data.pos;
  p.say({ type: "$ok", re: m.id, room: name, pos, data: { recovered: false, head: pos?.seq ?? 0, ...data } });
  return [r, heard, m];
}

test("the latest values are for the tab that joins", shared(async (w) => {
  const [a, b, p] = await two(w);
  const value = (key, n) => p.say({ type: "chat", room: "state:7", key, mid: `m${n}`, data: n });
  const live = () => p.say({ type: "$live", room: "state:7" });
  const [, heardA] = await joined(a, p, "state:7", {});
  value("x", 1);
  value("y", 2);
  live();
  value("x", 3);
  await rest();
  heardA("1", "2", "live", "3");
  const [all, heardAll] = await joined(a, p, "state:*", {});
  p.say({ type: "$live", room: "state:*" });
  const [, heardB] = await joined(b, p, "state:7", {});
  value("y", 2);
  value("x", 3);
  value("z", 4); // this one is new
  live();
  p.say({ type: "chat", room: "state:7", key: "x", mid: "v", volatile: true, data: "v" });
  await rest();
  heardB("2", "3", "4", "live", '"v"');
  heardA("4", '"v"');
  heardAll("live", "4", '"v"');
  await all.leave();
  await p.expect("$leave");
  // What is volatile is no value: the last one comes again.
  const [, heardC] = await joined(tab(w), p, "state:7", {});
  value("x", 3);
  live();
  await rest();
  heardC("3", "live");
  heardA();
}));

test("another history is told to all tabs, whoever learns of it", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  p.chat("room:7", 10, 11);
  await rest();
  heardA("live", "11");
  const [rb, heardB] = await joined(b, p, "room:7", { pos: { epoch: "k4", seq: 2 } }, { last: 5 });
  p.chat("room:7", 2, 3);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k4", seq: 3 } });
  p.chat("room:7", 3, 4);
  await rest();
  heardB("3", "live", "4");
  heardA("gap 11-2 epoch", "3", "4");
  assert.deepEqual(ra.position, { epoch: "k4", seq: 4, mid: "m4" });
  assert.deepEqual(rb.position, ra.position);
  await p.quiet();
}));

test("a history that is older than what a tab was told of", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  const [rc, heardC] = room(tab(w), "room:7");
  await rest();
  await join(rc, p, 8);
  const [, heardB] = await joined(b, p, "room:7", { pos: k3(8) }, { position: k3(9) });
  p.say({ type: "$gap", room: "room:7", pos: k3(8), data: { after: 9, reason: "rewound" } });
  p.chat("room:7", 8, 9);
  p.say({ type: "$live", room: "room:7", pos: k3(9) });
  await rest();
  heardB("gap 9-8 rewound", "9", "live");
  heardA("live", "gap 10-8 rewound", "9");
  heardC("live", "9");
}));

test("what the server passes over for one tab another one gets", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  p.chat("room:7", 10, 11);
  await rest();
  heardA("live", "11");
  // The server was behind with the others when b came: b begins where the room is.
  const [rb, heardB] = await joined(b, p, "room:7", { pos: k3(15) });
  p.say({ type: "$live", room: "room:7", pos: k3(15) });
  await rest();
  heardB("live");
  heardA();
  const m = await p.expect("$join");
  assert.deepEqual(m.pos, { epoch: "k3", seq: 11, mid: "m11" });
  p.chat("room:7", 15, 16); // and still it does not overtake those before it
  p.say({ type: "$live", room: "room:7", pos: k3(16) });
  await rest();
  heardB("16", "live");
  heardA();
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true, head: 16 } });
  p.chat("room:7", 11, 13);
  p.chat("room:7", 13, 15);
  p.chat("room:7", 15, 16);
  p.say({ type: "$live", room: "room:7", pos: k3(16) });
  p.chat("room:7", 16, 17);
  await rest();
  heardA("13", "15", "16", "live", "17");
  heardB("17");
  assert.equal(ra.position.seq, rb.position.seq);
  await p.quiet();
}));

test("what a tab missed is not to be had", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra] = room(a, "room:7");
  await join(ra, p, 10);
  await joined(b, p, "room:7", { pos: k3(14) });
  p.say({ type: "$live", room: "room:7", pos: k3(14) });
  await rest();
  p.fail(await p.expect("$join"), "unavailable", { retryable: true });
  await rest();
  assert.equal(a.state.error.status, 1013); // it comes back by itself, as ever
  assert.equal(b.state.phase, "open");
  const m = await p.expect("$join");
  assert.deepEqual(m.pos, { epoch: "k3", seq: 10 });
}));

test("a gap while a tab catches up is told to those whom it concerns", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  const [, heardB] = await joined(b, p, "room:7", { pos: k3(5) }, { position: k3(5) });
  p.chat("room:7", 5, 8);
  p.say({ type: "$gap", room: "room:7", pos: k3(9), data: { after: 8, reason: "slow" } });
  p.say({ type: "$gap", room: "room:7", pos: k3(12), data: { after: 9, reason: "slow" } });
  p.say({ type: "$live", room: "room:7", pos: k3(12) });
  await rest();
  heardB("8", "gap 8-9 slow", "gap 9-12 slow", "live");
  heardA("live", "gap 10-12 slow");
  p.say({ type: "$live", room: "room:7", pos: k3(13) }); // after it was slow once more
  p.chat("room:7", 13, 14);
  await rest();
  for (const heard of [heardA, heardB]) heard("live", "14");
}));

test("a tab whose join is refused is in the room no more", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [[ra, heardA], [rb]] = [a, b].map((tw) => room(tw, "room:7"));
  await join(ra, p, 10);
  await join(rb, p, 10);
  p.chat("room:7", 12, 13); // something is missing: both join again
  await rest();
  p.fail(await p.expect("$join"), "forbidden");
  await p.joined(10);
  await rest();
  heardA("live", "left forbidden");
  await rb.leave();
  await p.expect("$leave");
}));

test("the server ends the membership while a tab catches up", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  const [, heardB] = await joined(b, p, "room:7", { pos: k3(5) }, { position: k3(5) });
  const rc = tab(w).room("room:7");
  const joining = outcome(rc.join());
  p.chat("room:7", 5, 8);
  p.say({ type: "$left", room: "room:7", data: { reason: "removed" } });
  await rest();
  heardA("live", "left removed");
  heardB("8", "left removed");
  await p.joined(10); // c tries by itself
  assert.ok(joining.done && !joining.error);
}));

test("where a room wants a token, each tab is asked for its own", shared(async (w) => {
  const [a, b, p] = await two(w);
  await joined(a, p, "cast:7", {}, { token: () => "t" });
  p.say({ type: "$live", room: "cast:7" });
  const joining = outcome(b.room("cast:7").join());
  await rest();
  p.fail(await p.expect("$join"), "forbidden");
  await rest();
  assert.equal(joining.error.code, "forbidden");
}));

test("a refused join of a tab that comes back is told, also if the server does not repeat the room", shared(async (w) => {
  const [a, , p] = await two(w);
  const [ra, heard] = room(a, "room:7");
  await join(ra, p, 10);
  p.cut();
  const q = await w.back();
  q.fail(await q.expect("$join"), "forbidden");
  await rest();
  heard("live", "left forbidden");
}));

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

test("a tab that has a token for a room shows it, whoever is in", shared(async (w) => {
  const [a, b, p] = await two(w);
  await joined(a, p, "cast:7", {});
  p.say({ type: "$live", room: "cast:7" });
  const [, heard, m] = await joined(b, p, "cast:7", {}, { token: () => "t" });
  assert.equal(m.data.token, "t");
  p.say({ type: "$live", room: "cast:7" });
  await rest();
  heard("live");
}));

test("presence that nobody wanted yet is asked for", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [, heardA] = await joined(a, p, "cast:7", {});
  p.say({ type: "$live", room: "cast:7" });
  const refused = outcome(b.room("cast:7", { presence: true }).join());
  await rest();
  p.fail(await p.expect("$join"), "forbidden");
  await rest();
  assert.equal(refused.error.code, "forbidden");
  const [rc, , m] = await joined(tab(w), p, "cast:7", {}, { presence: true });
  assert.equal(m.data.presence, true);
  p.say({ type: "$presence", room: "cast:7", data: { version: 1, users: [{ user: "ann", sessions: [{ session: "s1" }] }] } });
  p.say({ type: "$live", room: "cast:7" });
  await rest();
  assert.equal(rc.present.sessions, 1);
  heardA("live"); // it is live as before
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

test("several tabs miss something: the server is asked once", shared(async (w) => {
  const [a, b, p] = await two(w);
  const c = tab(w);
  await rest();
  const [rc, heardC] = room(c, "room:7", { presence: true });
  const [ra, heardA] = room(a, "room:7", { presence: true });
  const [, heardAll] = await joined(a, p, "room:*", {});
  p.say({ type: "$live", room: "room:*" });
  await join(rc, p, 10);
  await join(ra, p, 10);
  p.chat("room:7", 10, 11);
  await rest();
  heardC("live", "11");
  heardA("live", "11");
  const [, heardB] = await joined(b, p, "room:7", { pos: k3(14) });
  p.say({ type: "$live", room: "room:7", pos: k3(14) });
  p.chat("room:7", 14, 15);
  await rest();
  heardB("live", "15");
  const m = await p.expect("$join");
  assert.equal(m.pos.seq, 11);
  assert.equal(m.data.presence, true);
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true, head: 15 } });
  p.say({ type: "$presence", room: "room:7", data: { version: 1, count: { users: 4, sessions: 5 } } });
  for (const [prev, seq] of [[11, 13], [13, 15]]) p.chat("room:7", prev, seq);
  p.say({ type: "$live", room: "room:7", pos: k3(15) });
  await p.quiet();
  for (const r of [ra, rc]) {
    assert.equal(r.position.seq, 15);
    assert.equal(r.present.sessions, 5);
  }
  heardAll("live", "11", "13", "15"); // with the room, as it is in both
  heardB();
}));

test("who was told of a gap, or that all is sent, misses nothing", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra] = room(a, "room:7");
  await join(ra, p, 10);
  p.say({ type: "$gap", room: "room:7", pos: k3(14), data: { after: 10, reason: "slow" } });
  p.say({ type: "$live", room: "room:7", pos: k3(16) });
  await joined(b, p, "room:7", { pos: k3(16) });
  p.say({ type: "$live", room: "room:7", pos: k3(16) });
  await p.quiet();
  assert.equal(ra.position.seq, 16);
}));

test("another history, and an older one, for those with a wildcard", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [, heardAll] = await joined(a, p, "room:*", {});
  p.say({ type: "$live", room: "room:*" });
  const [ra, heardB] = room(b, "room:7");
  await join(ra, p, 10);
  p.say({ type: "$gap", room: "room:7", pos: k3(4), data: { after: 10, reason: "rewound" } });
  p.chat("room:7", 4, 5);
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k4", seq: 1 }, data: { after: 5, reason: "epoch" } });
  p.chat("room:7", 1, 2);
  await rest();
  heardB("live", "gap 10-4 rewound", "5", "gap 5-1 epoch", "2");
  heardAll("live", "5", "2");
  // It becomes another one while a tab catches up.
  const [, heardC] = await joined(tab(w), p, "room:7", { pos: { epoch: "k4", seq: 1 } }, { last: 1 });
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k5", seq: 1 }, data: { after: 1, reason: "epoch" } });
  p.chat("room:7", 1, 2);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k5", seq: 2 } });
  await rest();
  heardC("gap 1-1 epoch", "2", "live");
  heardB("gap 2-1 epoch", "2");
  heardAll("2");
}));

test("after the server has ended a membership nobody is in", shared(async (w) => {
  const [a, b, p] = await two(w);
  for (const tw of [a, b]) {
    const [r] = room(tw, "room:7");
    await join(r, p, 10);
  }
  p.say({ type: "$left", room: "room:7", data: { reason: "removed" } });
  await rest();
  const r = b.room("room:7");
  await join(r, p, 10);
  await r.leave();
  await p.expect("$leave");
}));
