import assert from "node:assert/strict";
import { test } from "node:test";
import { TidewireError } from "../tidewire.js";
import { outcome, rest } from "./kit.js";
import { asks, open, shared, tab, two } from "./two.js";

test("a connection that is dead is noticed when a tab comes", shared(async (w) => {
  const [a, b, p] = await two(w, { token: () => "ann1" });
  await w.pass(10_000);
  const c = tab(w, { token: () => "ann2" });
  await rest();
  await p.expect("$ping");
  await asks(p, "ann2");
  await w.pass(4900);
  await p.quiet();
  assert.equal(p.closed, undefined);
  await w.pass(200);
  assert.equal(p.closed, 4000);
  const q = await w.back();
  assert.equal(q.hello.data.token, "ann2");
  open(c);
  for (const tw of [a, b]) assert.equal(tw.state.error.message, "no answer to $ping");
}));

test("one that lives stays when a tab comes", shared(async (w) => {
  const [a, , p] = await two(w);
  await w.pass(10_000);
  const c = tab(w);
  await rest();
  const ping = await p.expect("$ping");
  tab(w);
  await p.quiet(); // it is asked already
  p.ok(ping, 0);
  await w.pass(10_000);
  open(a);
  open(c);
  tab(w);
  p.ok(await p.expect("$ping"), 0); // it is asked anew
  await w.pass(10_000);
  assert.equal(w.dials.length, 1);
  tab(w);
  await p.expect("$ping");
})); // and no timer is left

test("an answer that never comes costs the connection, as with one tab", shared(async (w) => {
  const [a, b, p] = await two(w);
  a.room("room:7").join();
  await rest();
  await p.expect("$join");
  await w.pass(29_900);
  assert.equal(p.closed, undefined);
  b.call("x").catch(() => {}); // whatever else there is
  await w.pass(200);
  assert.equal(p.closed, 4000);
  assert.equal(b.state.error.message, "no answer to $join");
}));

test("a tab that is impatient does not cost the others their connection", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: "ann" });
  const b = tab(w, { callTimeout: 1000 });
  await rest();
  open(b);
  b.room("room:7").join();
  await rest();
  await p.expect("$join");
  await w.pass(1100);
  assert.equal(b.state.phase, "waiting");
  open(a);
  assert.equal(p.closed, undefined);
}));

test("what the server says right behind its welcome is heard", shared(async (w) => {
  const heard = [];
  const tw = tab(w);
  tw.handle("note", (n) => heard.push(n));
  tw.handle("confirm", () => true);
  const p = await w.next();
  const m = await p.expect("$hello");
  p.say({ type: "$ok", re: m.id, data: { session: "s1" } });
  p.say({ type: "note", data: 1 });
  p.say({ type: "confirm", id: 1 });
  await rest();
  assert.deepEqual(heard, [1]);
  assert.deepEqual(await p.expect("$ok"), { type: "$ok", re: 1, data: true });
}));

test("what comes from a connection that is given up does nothing", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: "ann", token: () => "t" });
  a.call("x").catch(() => {});
  await rest();
  p.fail(await p.expect("x"), "expired");
  await rest();
  const m = await asks(p, "t");
  await a.close();
  await rest();
  p.onmessage({ data: JSON.stringify({ type: "$ok", re: m.id, data: { user: "ann", ttl: 1000 } }) });
})); // and no timer is left

test("where a WebSocket opens no other way is tried, whatever becomes of $hello", shared(async (w) => {
  const saved = globalThis.fetch;
  const posts = [];
  globalThis.fetch = async (url) => posts.push(url) && new Promise(() => {});
  try {
    const tw = tab(w, { fallback: true, token: () => "t" });
    const p = await w.next();
    p.fail(await p.expect("$hello"), "unauthorized");
    await w.pass(2000);
    assert.deepEqual(posts, []);
    await w.back();
    open(tw);
  } finally {
    globalThis.fetch = saved;
  }
}));

test("a connection that is lost while much waits for it", shared(async (w) => {
  const [a, , p] = await two(w);
  p.bufferedAmount = 1 << 19;
  a.room("room:7").cast("big", "x");
  await w.pass(200);
  p.cut();
  await w.pass(100);
})); // and no timer is left

test("one long message is let through", shared(async (w) => {
  const [a, b, p] = await two(w);
  const call = outcome(b.call("all"));
  await rest();
  const m = await p.expect("all");
  p.say({ type: "$ok", re: m.id, data: "x".repeat(1 << 21) });
  await rest();
  assert.equal(call.value.length, 1 << 21);
  open(a);
  open(b);
}));

test("what was sent under another secret is not sent again", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: "ann" }, { user: undefined });
  const sent = outcome(a.room("room:7").send("chat", 1));
  await rest();
  await p.expect("chat");
  a.pause(); // as it is put away
  const late = outcome(a.room("room:7").send("chat", 2));
  const { secret } = a;
  a.secret = "that of a tab that came meanwhile, and of a worker that is gone"; // what follows is the other way round
  a.resume();
  const q = await w.back({ user: undefined });
  await rest();
  assert.equal(q.hello.data.client, secret);
  assert.equal(a.secret, secret);
  assert.equal(sent.error.code, "unknown");
  q.ok(await q.expect("chat"), 2);
  await rest();
  assert.equal(late.value.seq, 2);
}));

test("a tab that is gone is not asked about any more", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: "ann", token: () => "ann" });
  tab(w, { token: () => "bob" });
  await rest();
  p.fail(await asks(p, "bob"), "forbidden");
  const q = await w.back({ session: "s2", user: "bob" });
  const c = tab(w, { token: () => "cy" });
  await rest();
  const m = await asks(p, "cy");
  await c.close();
  await rest();
  p.fail(m, "forbidden");
  await p.quiet();
  await q.quiet();
  const d = tab(w, { token: () => "dan" });
  await rest();
  p.fail(await asks(p, "dan"), "forbidden");
  await rest();
  const n = await asks(q, "dan");
  await d.close();
  await rest();
  q.fail(n, "forbidden");
  await q.quiet();
  assert.equal(w.dials.length, 2);
}));

test("a token that brought a tab in is the connection's from then on", shared(async (w) => {
  const asked = [];
  const token = (name, t) => (why) => (asked.push(`${name} ${why}`), t);
  const [, p] = await w.connect({ shareTabs: true, token: token("a", "ann1") });
  tab(w, { shareTabs: true, token: token("b", "ann2") });
  await rest();
  const m = await asks(p, "ann2");
  p.say({ type: "$ok", re: m.id, data: { user: "ann", ttl: 10_000 } });
  await rest();
  const c = tab(w, { shareTabs: true, token: token("c", "ann2") });
  await p.quiet();
  open(c);
  asked.splice(0);
  await w.pass(8000);
  assert.equal(asked.length, 1);
  const n = await p.expect("$refresh");
  p.say({ type: "$ok", re: n.id, data: { user: "ann", ttl: 10_000 } });
  await w.pass(7900);
  await p.quiet();
  await w.pass(200);
  assert.equal(asked.length, 2);
  await p.expect("$refresh");
  for (const { link } of w.clients) assert.equal(link.renewing, undefined); // tabs have no plans of their own
}));

test("who has no tokens is asked for none", shared(async (w) => {
  const [, , p] = await two(w, {}, { ttl: 10_000 });
  await w.pass(20_000);
  await p.quiet();
}));

test("a tab that is gone does not keep the next one waiting", shared(async (w) => {
  const [, p] = await w.connect({ shareTabs: true, token: () => "ann1" });
  const b = tab(w, { shareTabs: true, token: () => "ann2" });
  await rest();
  const m = await asks(p, "ann2");
  const c = tab(w, { shareTabs: true, token: () => "ann1" });
  await rest();
  assert.equal(c.state.phase, "connecting");
  await b.close();
  await rest();
  open(c);
  p.fail(m, "unauthorized");
  await rest();
  assert.equal(w.dials.length, 1);
}));

test("a tab that goes while its connection comes takes it along", shared(async (w) => {
  const a = tab(w);
  await rest();
  await a.close();
  await rest();
  assert.equal(w.peers[0].closed, 1000);
  const b = tab(w);
  await rest();
  assert.equal(w.dials.length, 2);
  w.peers.shift();
  const p = await w.next();
  const m = await p.expect("$hello");
  p.fail(m, "forbidden");
  await rest();
  assert.equal(b.state.error.code, "forbidden");
  assert.equal(p.closed, 1000);
}));

test("a worker that can open no connection says so", shared(async (w) => {
  globalThis.WebSocket = class {
    constructor() {
      throw new Error("blocked");
    }
  };
  const a = tab(w);
  await rest();
  assert.equal(a.state.error.message, "the worker failed");
}));

test("who comes when the server is going, or has recovered", shared(async (w) => {
  const [a, , p] = await two(w);
  p.say({ type: "$degraded", data: { rooms: "stored" } });
  p.say({ type: "$degraded", data: { rooms: "" } });
  await rest();
  const b = tab(w);
  await rest();
  assert.equal(b.state.degraded, false);
  p.say({ type: "$drain", data: { backoff: [500, 1000] } });
  await rest();
  const c = tab(w);
  await rest();
  assert.equal(w.dials.length, 2);
  await w.back({ session: "s2" });
  open(a);
  assert.equal(c.state.session, "s2");
}));

test("a call of the server's is for the tab that was seen last", shared(async (w) => {
  const [a, b, p] = await two(w);
  const asked = [];
  w.document.visibilityState = "hidden";
  await w.pass(10);
  const c = tab(w);
  await rest();
  for (const [name, tw] of Object.entries({ a, b, c })) tw.handle("confirm", () => asked.push(name));
  p.say({ type: "confirm", id: 1 });
  await rest();
  await p.expect("$ok");
  assert.deepEqual(asked, ["a"]); // c was never seen
  w.document.visibilityState = "visible";
  const d = tab(w);
  d.handle("confirm", () => asked.push("d"));
  await rest();
  p.say({ type: "confirm", id: 2 });
  await rest();
  await p.expect("$ok");
  assert.deepEqual(asked, ["a", "d"]);
  await d.close(); // what it was asked is answered
  await p.quiet();
}, { page: true }));

test("a call of the server's passes over tabs that are gone", shared(async (w) => {
  const [a, b, p] = await two(w);
  const c = tab(w);
  await rest();
  const asked = [];
  a.handle("confirm", async () => {
    await b.close();
    await rest();
    throw new TidewireError("unknown-type");
  });
  b.handle("confirm", () => asked.push("b"));
  c.handle("confirm", () => asked.push("c"));
  a.handle("slow", () => new Promise((done) => (a.done = done)));
  p.say({ type: "slow", id: 1 });
  p.say({ type: "confirm", id: 2 });
  for (let i = 0; i < 5; i++) await rest();
  assert.equal((await p.expect("$ok")).re, 2);
  assert.deepEqual(asked, ["c"]);
  a.done("late");
  await rest();
  assert.deepEqual(await p.expect("$ok"), { type: "$ok", re: 1, data: "late" });
}));

test("only the latest casts are remembered", shared(async (w) => {
  const [a, , p] = await two(w);
  const refused = [];
  a.on("refused", (e, m) => refused.push(m.mid));
  for (let i = 0; i < 257; i++) a.room("room:7").cast("typing");
  await rest();
  const sent = p.sent.splice(0);
  for (const { mid } of [sent[0], sent[1]]) p.say({ type: "$error", room: "room:7", mid, data: { code: "forbidden" } });
  await rest();
  assert.deepEqual(refused, [sent[1].mid]);
}));

test("the last tab is let go, and its connection with it", shared(async (w) => {
  const [a, p] = await w.connect({ shareTabs: true });
  a.link.socket.port.onmessage = () => {}; // it is busy
  for (let i = 0; i < 20; i++) p.say({ type: "note", data: "x".repeat(60_000) });
  await rest();
  assert.equal(p.closed, 4001); // 1013 is not for clients to say
}));
