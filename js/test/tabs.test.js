import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import "../tidewire/stream.js"; // it is there when it is imported
import { join, outcome, rest, room, run } from "./kit.js";
import { open, shared, tab, two } from "./two.js";

test("two tabs share one connection", shared(async (w) => {
  const [a, b, p] = await two(w);
  assert.equal(a.state.session, b.state.session);
  for (const tw of [a, b]) {
    const sum = outcome(tw.call("sum", [1, 2]));
    await rest();
    const m = await p.expect("sum");
    p.say({ type: "$ok", re: m.id, data: 3 });
    await rest();
    assert.equal(sum.value, 3);
  }
  await a.close(); // it had opened the connection
  await rest();
  assert.equal(p.closed, undefined);
  open(b);
  await b.close();
  await rest();
  assert.equal(p.closed, 1000);
}));

test("what comes without a room is for all tabs", shared(async (w) => {
  const [a, b, p] = await two(w);
  const heard = [];
  a.handle("note", (n) => heard.push(`a ${n}`));
  b.handle("note", (n) => heard.push(`b ${n}`));
  p.say({ type: "note", data: 1 });
  await rest();
  assert.deepEqual(heard, ["a 1", "b 1"]);
  p.say({ type: "$degraded", data: { rooms: "stored" } });
  await rest();
  assert.ok(a.state.degraded && b.state.degraded);
  const c = tab(w);
  await rest();
  assert.ok(c.state.degraded);
}));

test("each tab has its own position", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  await join(ra, p, 10);
  p.chat("room:7", 10, 11);
  await rest();
  heardA("live", "11");
  // b comes from further back: it is sent what it missed, and a is not told again.
  const [rb, heardB] = room(b, "room:7", { position: { epoch: "k3", seq: 5 } });
  const joining = outcome(rb.join());
  await rest();
  const m = await p.expect("$join");
  assert.deepEqual(m.pos, { epoch: "k3", seq: 5 });
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 5 }, data: { recovered: true, head: 11 } });
  p.chat("room:7", 5, 8);
  p.chat("room:7", 8, 11);
  p.chat("room:7", 11, 12);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 12 } });
  await rest();
  assert.ok(joining.done && !joining.error);
  heardB("8", "11", "12", "live");
  heardA("12");
  // c comes from where nothing is kept any more: the first gap is its own.
  const [rc, heardC] = room(tab(w), "room:7", { position: { epoch: "k3", seq: 1 } });
  rc.join();
  await rest();
  const n = await p.expect("$join");
  p.say({ type: "$ok", re: n.id, room: "room:7", pos: { epoch: "k3", seq: 4 }, data: { recovered: false, head: 12 } });
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k3", seq: 4 }, data: { after: 1, reason: "evicted" } });
  p.chat("room:7", 4, 12);
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k3", seq: 15 }, data: { after: 12, reason: "evicted" } });
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 15 } });
  await rest();
  heardC("gap 1-4 evicted", "12", "gap 12-15 evicted", "live");
  heardA("gap 12-15 evicted");
  heardB("gap 12-15 evicted");
  // When all are there, a gap is everybody's.
  p.say({ type: "$gap", room: "room:7", pos: { epoch: "k3", seq: 20 }, data: { after: 15, reason: "slow" } });
  p.chat("room:7", 20, 21);
  await rest();
  for (const heard of [heardA, heardB, heardC]) heard("gap 15-20 slow", "21");
}));

test("joins of a room come one after the other", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, rb] = [a, b].map((tw) => tw.room("room:7", { last: 2 }));
  const joins = [outcome(ra.join()), outcome(rb.join())];
  await rest();
  const m = await p.expect("$join");
  await p.quiet();
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 5 }, data: { recovered: false, head: 7 } });
  await p.quiet();
  assert.ok(joins[0].done && !joins[1].done);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 7 } });
  await rest();
  p.fail(await p.expect("$join"), "forbidden");
  await rest();
  assert.equal(joins[1].error.code, "forbidden");
  p.chat("room:7", 7, 8);
  await rest();
  assert.equal(ra.position.seq, 8);
}));

test("a room is left when the last tab leaves it", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra, heardA] = room(a, "room:7");
  const [rb] = room(b, "room:7");
  await join(ra, p, 10);
  await join(rb, p, 10);
  heardA("live");
  await rb.leave();
  await p.quiet();
  p.chat("room:7", 10, 11);
  await rest();
  heardA("11");
  await ra.leave();
  p.ok(await p.expect("$leave"), 0);
  p.chat("room:7", 11, 12);
  await rest();
  heardA();
  // It is joined anew, and left while that is under way.
  const again = a.room("room:7");
  const joining = outcome(again.join());
  await rest();
  const m = await p.expect("$join");
  again.leave();
  await rest();
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 12 }, data: { head: 12 } });
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 12 } });
  await rest();
  assert.equal(joining.error.code, "left");
  await p.expect("$leave");
}));

test("the server ends the membership", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [[ra, heardA], [rb, heardB]] = [a, b].map((tw) => room(tw, "room:7"));
  await join(ra, p, 10);
  await join(rb, p, 10);
  p.say({ type: "$left", room: "room:7", data: { reason: "removed" } });
  await rest();
  heardA("live", "left removed");
  heardB("live", "left removed");
  await join(a.room("room:7"), p, 10); // and it may be joined again
}));

test("a room without a history is joined once", shared(async (w) => {
  const [a, b, p] = await two(w);
  const crowds = [];
  const ra = a.room("cast:7", { presence: true });
  const rb = b.room("cast:7", { presence: true });
  rb.on("$presence", ({ sessions }) => crowds.push(sessions));
  const joining = ra.join();
  await rest();
  const m = await p.expect("$join");
  assert.equal(m.data.presence, true);
  p.say({ type: "$ok", re: m.id, room: "cast:7", data: { recovered: false, head: 0 } });
  p.say({ type: "$live", room: "cast:7" });
  await joining;
  const joined = outcome(rb.join());
  await rest();
  assert.ok(joined.done);
  const q = await p.expect("$presence");
  await p.quiet();
  p.say({ type: "$ok", re: q.id, room: "cast:7", data: { version: 3, users: [{ user: "ann", sessions: [{ session: "s1" }] }] } });
  p.say({ type: "$presence", room: "cast:7", data: { version: 4, join: [{ user: "bob", session: "s2" }] } });
  await rest();
  assert.deepEqual(crowds, [1, 2]);
  const c = tab(w).room("cast:7"); // it does not ask who is there, and is not told
  c.on("$presence", () => crowds.push("c"));
  c.join();
  await rest();
  p.say({ type: "$presence", room: "cast:7", data: { version: 5, leave: [{ user: "bob", session: "s2" }] } });
  await rest();
  assert.deepEqual(crowds, [1, 2, 1]);
}));

test("presence is asked for when one tab wants it, and goes on for it", shared(async (w) => {
  const [a, b, p] = await two(w);
  const ra = a.room("room:7", { presence: true });
  await join(ra, p, 10);
  const rb = b.room("room:7");
  const m = await join(rb, p, 10);
  assert.equal(m.data.presence, true);
  p.say({ type: "$presence", room: "room:7", data: { version: 1, count: { users: 4, sessions: 5 } } });
  await rest();
  assert.equal(ra.present.sessions, 5);
  assert.equal(rb.present.sessions, 0);
}));

test("a wildcard in one tab is not told what another one catches up with", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [all, heardAll] = room(a, "room:*");
  const joining = all.join();
  await rest();
  const m = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "room:*", data: { recovered: false, head: 0 } });
  p.say({ type: "$live", room: "room:*" });
  await joining;
  p.say({ type: "chat", room: "room:7", pos: { seq: 10 }, mid: "m10", data: 10 });
  const [rb, heardB] = room(b, "room:7", { position: { epoch: "k3", seq: 8 } });
  rb.join();
  await rest();
  heardAll("live", "10");
  const n = await p.expect("$join");
  p.say({ type: "$ok", re: n.id, room: "room:7", pos: { epoch: "k3", seq: 8 }, data: { recovered: true, head: 10 } });
  p.chat("room:7", 8, 9);
  p.chat("room:7", 9, 10);
  p.chat("room:7", 10, 11);
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 11 } });
  await rest();
  heardB("9", "10", "11", "live");
  heardAll("11");
}));

test("publishes keep their tabs, and their order", shared(async (w) => {
  const [a, b, p] = await two(w);
  const sent = [a, b].flatMap((tw, i) => Array.from({ length: 50 }, (_, n) => outcome(tw.room("room:7").send("chat", i * 100 + n))));
  await rest();
  assert.equal(p.sent.length, 32);
  let seq = 0;
  while (sent.some((o) => !o.done)) {
    const m = await p.expect("chat");
    p.ok(m, ++seq);
    await rest();
    assert.equal(sent[m.data < 100 ? m.data : m.data - 50].value.seq, seq);
  }
  const values = (from) => sent.slice(from, from + 50).map((o) => o.value.seq);
  for (const list of [values(0), values(50)]) assert.deepEqual(list, list.toSorted((x, y) => x - y));
}));

test("a cast that is refused is told to its tab", shared(async (w) => {
  const [a, b, p] = await two(w);
  const refused = [];
  a.on("refused", (e) => refused.push(`a ${e.code}`));
  b.on("refused", (e) => refused.push(`b ${e.code}`));
  assert.equal(b.room("room:7").cast("typing"), true);
  await rest();
  const m = await p.expect("typing");
  p.say({ type: "$error", room: "room:7", mid: m.mid, data: { code: "forbidden" } });
  await rest();
  assert.deepEqual(refused, ["b forbidden"]);
}));

test("a call of the server's is for the tab that was seen last, of those that know it", shared(async (w) => {
  const [a, b, p] = await two(w);
  const c = tab(w);
  await rest();
  const asked = [];
  a.handle("confirm", () => asked.push("a"));
  b.handle("confirm", () => asked.push("b") && "yes");
  b.handle("slow", () => new Promise(() => {}));
  await w.pass(10);
  w.document.fire("visibilitychange"); // all of them, in this order
  await rest();
  for (const ping of p.sent.splice(0)) p.ok(ping, 0);
  p.say({ type: "confirm", id: 1 });
  await rest();
  const m = await p.expect("$ok");
  assert.equal(asked.length, 1);
  assert.equal(m.re, 1);
  p.say({ type: "other", id: 2 });
  await rest();
  const none = await p.expect("$error");
  assert.equal(none.data.code, "unknown-type");
  p.say({ type: "slow", id: 3 });
  await p.quiet();
  await b.close();
  await rest();
  assert.equal((await p.expect("$error")).data.code, "internal");
  await c.close();
}, { page: true }));

test("a lost connection: all come back, over one, each from where it was", shared(async (w) => {
  const [a, b, p] = await two(w);
  const rooms = [a, b].map((tw) => tw.room("room:7"));
  await join(rooms[0], p, 10);
  await join(rooms[1], p, 10);
  p.chat("room:7", 10, 11);
  await rest();
  p.end(1012, "going");
  await rest();
  assert.equal(a.state.error.status, 1012);
  const q = await w.back();
  const positions = [];
  for (let i = 0; i < 200 && positions.length < 2; i++) {
    await w.pass(100);
    const m = q.sent.shift();
    if (!m) continue;
    assert.equal(m.type, "$join");
    positions.push(m.pos.seq);
    q.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true, head: 11 } });
    q.say({ type: "$live", room: "room:7", pos: m.pos });
  }
  assert.deepEqual(positions, [11, 11]);
  assert.equal(w.dials.length, 2);
}));

test("the secret is one for all, and stays", shared(async (w) => {
  const [a, b, p] = await two(w);
  const { client } = p.hello.data;
  assert.equal(a.secret, client);
  assert.equal(b.secret, client);
  const sent = outcome(a.room("room:7").send("chat", 1));
  await rest();
  const m = await p.expect("chat");
  p.cut();
  const q = await w.back();
  assert.equal(q.hello.data.client, client);
  const again = await q.expect("chat");
  assert.equal(again.mid, m.mid);
  q.ok(again, 1);
  await rest();
  assert.equal(sent.value.seq, 1);
}));

test("a tab that dies leaves its rooms", shared(async (w) => {
  const [, b, p] = await two(w);
  await join(b.room("room:7"), p, 10);
  w.browser.locks.crash(w.browser.locks.names[1]);
  await w.pass(300);
  await p.expect("$leave");
  assert.equal(p.closed, undefined);
}));

test("the last tab that dies ends the connection", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: "ann" });
  w.browser.locks.crash(w.browser.locks.names[0]);
  await w.pass(300);
  assert.equal(p.closed, 4001);
}));

test("a worker that dies is noticed at once, and another one starts", shared(async (w) => {
  const [a, b] = await two(w);
  w.browser.crash();
  await rest();
  for (const tw of [a, b]) assert.equal(tw.state.error.message, "the worker is gone");
  await w.back({ session: "s2" });
  await w.pass(1000);
  for (const tw of [a, b]) assert.equal(tw.state.session, "s2");
  assert.equal(w.dials.length, 2);
}));

test("a silent server is found out by one tab, for all", shared(async (w) => {
  const [a, b, p] = await two(w);
  w.page.fire("online"); // both ask
  await rest();
  await p.expect("$ping");
  await w.pass(5100);
  assert.notEqual(a.state.phase, "open");
  assert.notEqual(b.state.phase, "open");
  assert.equal(p.closed, 4000);
  await w.back();
}, { page: true }));

test("a server that pings is heard by all tabs", shared(async (w) => {
  const [a, b, p] = await two(w);
  for (let i = 0; i < 10; i++) {
    await w.pass(25_000);
    p.say({ type: "$ping" });
  }
  await p.quiet();
  open(a);
  open(b);
}));

test("a server that is going: who comes then looks for another", shared(async (w) => {
  const [a, , p] = await two(w);
  p.say({ type: "$drain", data: { backoff: [500, 1000] } });
  await rest();
  const c = tab(w);
  await w.back({ session: "s2" });
  open(a);
  assert.equal(c.state.session, "s2");
}));

test("a tab that does not read is let go", shared(async (w) => {
  const [a, b, p] = await two(w);
  const [ra] = room(a, "room:7");
  await join(ra, p, 0);
  const data = "x".repeat(60_000);
  const port = b.link.socket.port;
  const { onmessage } = port;
  const kept = [];
  port.onmessage = (m) => kept.push(m); // it is busy
  const [rb] = room(b, "room:7");
  const joining = rb.join();
  joining.catch(() => {});
  await rest();
  const m = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: { epoch: "k3", seq: 0 }, data: { head: 0 } });
  p.say({ type: "$live", room: "room:7", pos: { epoch: "k3", seq: 0 } });
  for (let i = 0; i < 20; i++) {
    p.say({ type: "chat", room: "room:7", prev: i, pos: { seq: i + 1 }, mid: `m${i}`, data });
    await rest();
  }
  kept.forEach((e) => onmessage(e));
  await rest();
  assert.equal(b.state.error.status, 1013);
  open(a);
  assert.equal(ra.position.seq, 20);
}));

test("what waits for the network is known in each tab", shared(async (w) => {
  const [a, , p] = await two(w);
  const r = a.room("room:7");
  p.bufferedAmount = 1 << 19;
  const data = "x".repeat(60_000);
  let sent = 0;
  while (r.cast("big", data)) await rest(sent++);
  assert.equal(sent, 5);
  p.bufferedAmount = 0;
  await w.pass(100);
  assert.equal(r.cast("big", data), true);
  await rest();
}));

test("a tab that reads is let go for no sum", shared(async (w) => {
  const [, b, p] = await two(w);
  const note = { type: "note", data: "x".repeat(60_000) };
  for (let i = 0; i < 60; i++) {
    p.say(note);
    await rest();
  }
  open(b);
  b.link.socket.port.onmessage = () => {}; // and now it is busy
  for (let i = 0; i < 20; i++) {
    p.say(note);
    await rest();
  }
  const c = tab(w);
  b.call("x").catch(() => {});
  await rest();
  await p.quiet(); // the worker has let go of it
  open(c);
}));

test("where a worker does not start each tab has its own", run(async (w) => {
  let started = 0;
  globalThis.SharedWorker = class {
    port = { postMessage() {} };
    constructor() {
      started++;
    }
  };
  const { locks } = w.browser;
  try {
    const { open: way } = await import("../tidewire/tabs.js?alone");
    const own = {};
    const client = { url: "ws://hub/live", secret: "s", random: () => "r", o: { shareTabs: true }, out: [], transport: () => own };
    const opening = outcome(way(client));
    await rest();
    assert.deepEqual(locks.names, ["tidewire r"]);
    await w.pass(5000);
    assert.equal(opening.value, own);
    assert.equal(client.o.shareTabs, undefined);
    assert.deepEqual(locks.names, []);
    assert.equal(await way({ ...client, o: { shareTabs: true } }), own); // at once
    assert.equal(started, 1);
  } finally {
    delete globalThis.SharedWorker;
  }
}, { tabs: true }));

test("where there is no worker each tab has its own", run(async (w) => {
  tab(w);
  const p = await w.next();
  await p.welcome();
  tab(w);
  await (await w.next()).welcome();
}));

test("a failed connection is tried again by HTTP, also from the worker", shared(async (w) => {
  w.down = true;
  const tw = tab(w, { fallback: true });
  await rest();
  assert.equal(tw.state.phase, "waiting");
  const saved = globalThis.fetch;
  const asked = [];
  globalThis.fetch = async (url) => asked.push(url) && new Promise(() => {});
  try {
    for (let i = 0; i < 20 && !asked.length; i++) await w.pass(100);
    assert.deepEqual(asked, ["http://hub/live"]);
    await tw.close();
    await rest();
  } finally {
    globalThis.fetch = saved;
  }
}));

test("tabs of another version have a worker of their own", () => {
  const read = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
  assert.match(read("../tidewire/tabs.js"), new RegExp(`VERSION = "${JSON.parse(read("../package.json")).version}"`));
});
