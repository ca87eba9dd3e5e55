import assert from "node:assert/strict";
import { test } from "node:test";
import { join, outcome, rest, room, run } from "./kit.js";

const page = { page: true };

test("put into the back/forward cache, and back", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 5);
  w.page.fire("pageshow"); // that of the first load
  await p.quiet();
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  const states = [];
  tw.on("state", ({ phase, wait }) => states.push([phase, wait]));
  w.page.fire("pagehide");
  assert.equal(p.closed, 4001, "so that presence has its grace");
  w.document.fire("freeze");
  w.page.fire("online"); // a page that is away does nothing
  await w.pass(3_600_000);
  assert.equal(w.dials.length, 1);
  assert.equal(sent.error?.code, "unknown", "an hour is past the window");
  w.document.fire("resume");
  w.page.fire("pageshow");
  const q = await w.back();
  assert.equal(w.clock.now, w.dials[1], "at once");
  assert.equal(q.hello.data.join[0].pos.seq, 5);
  assert.deepEqual(states, [["waiting", Infinity], ["connecting", undefined], ["open", undefined]]);
  heard("live");
}, page));

test("away while it connects, and while it waits", run(async (w) => {
  const tw = w.client();
  await rest();
  w.page.fire("pagehide");
  const p = w.peers.shift();
  await rest();
  assert.ok(p.readyState > 1, "what was opening is closed");
  await w.pass(60_000);
  assert.equal(w.dials.length, 1);
  w.page.fire("pageshow");
  await w.back();
  assert.equal(tw.state.phase, "open");
}, page));

test("away at the moment at which it connects", run(async (w) => {
  w.dialing = () => w.page.fire("pagehide");
  w.client();
  await rest();
  assert.equal(w.dials.length, 1);
  assert.ok(w.peers.shift().readyState > 1);
  w.dialing = undefined;
  w.page.fire("pageshow");
  await w.back();
}, page));

test("frozen, and not put away", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 5);
  heard("live");
  w.document.fire("freeze");
  assert.equal(p.closed, 4001);
  p.onmessage({ data: JSON.stringify({ type: "chat", room: "room:7", prev: 5, pos: { seq: 6 }, data: 6 }) });
  heard(); // it comes again
  tw.handle("news", () => assert.fail("the connection is over"));
  p.onmessage({ data: JSON.stringify({ type: "news" }) });
  await w.pass(60_000);
  assert.equal(w.dials.length, 1);
  w.document.fire("resume");
  assert.equal((await w.back()).hello.data.join[0].pos.seq, 5);
}, page));

test("away while a token is fetched", run(async (w) => {
  let give;
  w.client({ token: () => new Promise((done) => (give = done)) });
  w.page.fire("pagehide");
  give("t");
  await rest();
  assert.equal(w.dials.length, 0);
  w.page.fire("pageshow");
  give("u");
  assert.equal((await w.back()).hello.data.token, "u");
}, page));

test("away while waiting", run(async (w) => {
  w.down = true;
  const tw = w.client();
  await w.pass(100);
  assert.equal(tw.state.phase, "waiting");
  w.page.fire("pagehide");
  const dials = w.dials.length;
  await w.pass(600_000);
  assert.equal(w.dials.length, dials);
  w.down = false;
  w.page.fire("pageshow");
  await w.back();
}, page));

test("online and visible are reasons to hurry", run(async (w) => {
  for (const fire of [() => w.page.fire("online"), () => w.document.fire("visibilitychange")]) {
    w.down = true;
    const tw = w.client({ backoff: { min: 60_000, max: 60_000 } });
    await rest();
    assert.equal(tw.state.phase, "waiting");
    w.down = false;
    const start = w.clock.now;
    fire();
    await w.back({ backoff: undefined });
    assert.equal(w.clock.now, start);
    await tw.close();
  }
}, page));

test("offline, online and visible ask whether the server lives", run(async (w) => {
  for (const fire of [() => w.page.fire("offline"), () => w.page.fire("online"), () => w.document.fire("visibilitychange")]) {
    const [tw, p] = await w.connect();
    fire();
    p.say({ type: "$ok", re: (await p.expect("$ping")).id });
    await w.pass(20_000);
    assert.equal(tw.state.phase, "open");
    fire();
    await w.pass(2000);
    fire(); // again and again: that does not put it off
    await w.pass(2999);
    assert.equal(tw.state.phase, "open");
    await w.pass(1);
    assert.equal(p.closed, 4000);
    await tw.close();
    w.peers.length = 0;
  }
}, page));

test("closed while it is away", run(async (w) => {
  const [tw] = await w.connect();
  w.page.fire("pagehide");
  await tw.close();
  w.page.fire("pageshow");
  w.page.fire("online");
  await w.pass(60_000);
  assert.equal(w.dials.length, 1);
}, page));
