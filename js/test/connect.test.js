import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../tidewire.js";
import { join, outcome, rejects, rest, room, run } from "./kit.js";

test("$hello", run(async (w) => {
  const tw = w.client();
  const states = [tw.state.phase];
  tw.on("state", ({ phase }) => states.push(phase));
  const p = await w.next();
  assert.deepEqual([p.url, p.protocol], ["ws://hub/live", "tidewire.v1.json"]);
  await p.welcome();
  const { token, client, ping, join } = p.hello.data;
  assert.deepEqual([token, ping, join], [undefined, 25_000, []]);
  assert.match(client, /^[\w+/]{24}$/);
  assert.deepEqual(tw.state, { phase: "open", session: "s1", user: "ann", degraded: false });
  p.cut();
  const again = await w.back();
  assert.equal(again.hello.data.client, client, "a stranger's mids are known by it");
  await tw.close();
  assert.equal(again.closed, 1000);
  assert.deepEqual(states, ["connecting", "open", "waiting", "connecting", "open", "closed"]);
  assert.equal(tw.state.error.code, "closed");
  await tw.close();
  await rejects(tw.call("sum"), "closed");
  await rejects(tw.room("room:7").join(), "closed");
}));

test("addresses", run(async (w) => {
  for (const [base, url, want] of [[undefined, "https://hub/live", "wss://hub/live"], ["http://page:8080/a/b", "/live", "ws://page:8080/live"], ["https://page/a", "live", "wss://page/live"]]) {
    globalThis.location = base && { href: base };
    const tw = connect(url);
    assert.equal(tw.url, want);
    delete globalThis.location;
    w.clients.push(tw);
  }
  await rest();
  w.peers.length = 0;
}));

// Looks at how waits are spread over a range, with room for chance.
function uniform(waits, least, greatest) {
  const parts = [0, 0, 0, 0];
  for (const wait of waits) {
    assert.ok(wait >= least && wait <= greatest, `a wait of ${wait}, outside ${least} to ${greatest}`);
    parts[Math.min(Math.floor(((wait - least) * 4) / (greatest - least)), 3)]++;
  }
  for (const n of parts) assert.ok(n > waits.length / 8 && n < (waits.length * 3) / 8, `${parts} in the quarters of ${least} to ${greatest}`);
}

test("backoff has full jitter", run(async (w) => {
  w.down = true;
  const waits = [[], [], [], [], []];
  for (let i = 0; i < 400; i++) {
    let n = 0;
    w.client({ backoff: { min: 1000, max: 10_000 } }).on("state", ({ phase, wait }) => phase === "waiting" && waits[n++]?.push(wait));
  }
  await w.pass(60_000);
  [2000, 4000, 8000, 10_000, 10_000].forEach((top, n) => uniform(waits[n], 1000, top));
  const first = w.dials.slice(400).filter((at) => at < w.dials[0] + 2000);
  assert.ok(first.length > 200, "it waits as long as it says");
}));

test("the server's backoff, and after a drain", run(async (w) => {
  const waits = [];
  const drained = [];
  for (let i = 0; i < 400; i++) {
    const [tw, p] = await w.connect({}, { backoff: [3000, 4000] });
    p.cut();
    waits.push(tw.state.wait);
    const q = await w.back();
    q.say({ type: "$drain", data: { backoff: [1000, 60_000] } });
    q.end(1012);
    drained.push(tw.state.wait);
    await tw.close();
  }
  uniform(waits, 3000, 4000);
  uniform(drained, 1000, 60_000);
}));

test("a server's backoff is bounded", run(async (w) => {
  for (const [backoff, least, greatest] of [[[0, 0], 10, 10], [[1e12, 1e15], 3_600_000, 3_600_000], [[800, 700], 700, 800], ["x", 500, 1000], [[1], 500, 1000], [["x", 700], 10, 20]]) {
    const [tw, p] = await w.connect({}, { backoff });
    p.cut();
    assert.ok(tw.state.wait >= least && tw.state.wait <= greatest, `${backoff}: ${tw.state.wait}`);
    await tw.close();
  }
}));

test("tries are counted anew once a connection has lasted", run(async (w) => {
  const tw = w.client();
  const longest = async (lasts) => {
    let max = 0;
    for (let i = 0; i < 40; i++) {
      const p = await w.back();
      await w.pass(lasts);
      p.cut();
      max = Math.max(max, tw.state.wait);
    }
    return max;
  };
  assert.ok((await longest(4900)) > 5000);
  await longest(5000);
  assert.ok((await longest(5000)) <= 1000);
}));

test("close codes", run(async (w) => {
  for (const [code, greatest] of [[1001, false], [1006, false], [1008, true], [1009, true], [1011, false], [1012, false], [1013, false]]) {
    const [tw, p] = await w.connect();
    p.end(code, code === 1013 ? "full" : "");
    const { phase, error, wait } = tw.state;
    assert.deepEqual([phase, error.code, error.status, wait === 20_000], ["waiting", "disconnected", code, greatest], `${code}`);
    if (code === 1013) assert.equal(error.message, "full");
    await tw.close();
  }
}));

test("sent away", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7");
  const sent = outcome(r.send("chat", 1));
  await p.expect("chat");
  p.end(4403, "banned");
  await rest();
  assert.deepEqual([tw.state.phase, tw.state.error.code, tw.state.error.message], ["closed", "sent-away", "banned"]);
  assert.equal(sent.error.code, "unknown");
  assert.equal(sent.error.cause.code, "sent-away");
  await rejects(r.join(), "sent-away");
  await w.pass(3_600_000);
  assert.equal(w.dials.length, 1, "it came back");
}, { page: true }));

test("a silent server", run(async (w) => {
  const [tw, p] = await w.connect();
  for (let i = 0; i < 10; i++) {
    await w.pass(25_000);
    p.say({ type: "$ping" });
  }
  await p.quiet();
  assert.equal(tw.state.phase, "open");
  await w.pass(20_000);
  p.say({ type: "$ping", id: 4 });
  assert.equal((await p.expect("$ok")).re, 4);
  await w.pass(49_000);
  assert.equal(tw.state.phase, "open");
  const probed = w.clock.now;
  p.say({ type: "$ok", re: (await p.expect("$ping")).id }); // late, but there
  await w.pass(49_000);
  assert.equal(tw.state.phase, "open", "an answer counts");
  await p.expect("$ping");
  const start = w.clock.now;
  await w.pass(5000);
  assert.equal(tw.state.phase, "waiting");
  assert.equal(tw.state.error.message, "no answer to $ping");
  assert.ok(start - probed > 0 && w.clock.now - probed < 90_000);
}));

test("a clock that jumps an hour", run(async (w) => {
  for (const hour of [3_600_000, -3_600_000]) {
    const [tw, p] = await w.connect();
    w.clock.sleep(hour);
    await w.pass(25_000);
    const ping = await p.expect("$ping"); // asked, not given up: the server may be well
    p.say({ type: "$ok", re: ping.id });
    await w.pass(20_000);
    assert.equal(tw.state.phase, "open");
    w.clock.sleep(hour);
    await w.pass(25_000);
    await p.expect("$ping");
    await w.pass(5000);
    assert.equal(p.closed, 4000);
    await tw.close();
    w.peers.length = 0;
  }
}));

test("what nobody knows", run(async (w) => {
  const [tw, p] = await w.connect();
  p.say({ type: "$future", id: 5 });
  assert.equal((await p.expect("$error")).data.code, "unknown-type");
  p.say({ type: "$future" });
  p.say({ type: "$live", room: "room:unknown" });
  p.say({ type: "chat", room: "room:unknown", data: 1 });
  p.say("no JSON");
  p.say({ type: "$ok", re: 99 });
  p.say({ type: "$ok", room: "room:7" });
  await p.quiet();
  p.say({ type: "two words", id: 6 });
  const e = await p.expect("$error");
  assert.deepEqual([e.re, e.data.code], [6, "invalid"]);
  assert.equal(tw.state.phase, "open");
}));

test("no answer to $hello", run(async (w) => {
  const tw = w.client({ callTimeout: 7000 });
  await w.next();
  const start = w.clock.now;
  await w.pass(6999);
  assert.equal(tw.state.phase, "connecting");
  await w.pass(1);
  assert.equal(tw.state.phase, "waiting");
  await w.next();
  assert.ok(w.clock.now - start <= 8100);
}));

test("a connection that never opens", run(async (w) => {
  const tw = w.client();
  await rest();
  const stuck = w.peers.shift();
  await w.pass(30_000);
  assert.equal(tw.state.phase, "waiting");
  assert.equal(stuck.closed, 4000);
  await w.back();
  assert.equal(tw.state.phase, "open");
}));

test("$hello is refused", run(async (w) => {
  for (const [code, more, greatest] of [["invalid", {}, true], ["unauthorized", {}, true], ["unavailable", { retryable: true }, false]]) {
    const tw = w.client();
    const p = await w.next();
    p.fail(await p.expect("$hello"), code, more);
    const { phase, error, wait } = tw.state;
    assert.deepEqual([phase, error.code, wait === 20_000], ["waiting", code, greatest]);
    await tw.close();
  }
}));

test("an answer to $hello that says nothing", run(async (w) => {
  const tw = w.client();
  const p = await w.next();
  p.say({ type: "$ok", re: (await p.expect("$hello")).id });
  assert.equal(tw.state.phase, "open");
}));

test("closed while connecting, asking for a token and waiting", run(async (w) => {
  const connecting = w.client();
  await rest();
  assert.equal(w.peers.length, 1);
  const joining = outcome(connecting.room("room:7").join());
  await connecting.close();
  await rest();
  assert.equal(joining.error.code, "closed");
  assert.ok(w.peers.shift().readyState > 1);
  const asking = w.client({ token: () => new Promise(() => {}) });
  await rest();
  await asking.close();
  assert.equal(w.clock.timers.size, 0);
  let give;
  const late = w.client({ token: () => new Promise((done) => (give = done)) });
  await late.close();
  give("t");
  await rest();
  w.down = true;
  const waiting = w.client();
  await rest();
  assert.equal(waiting.state.phase, "waiting");
  await waiting.close();
  await w.pass(3_600_000);
  assert.equal(w.dials.length, 2);
}));

test("closed from a callback", run(async (w) => {
  for (const phase of ["open", "waiting", "closed"]) {
    const tw = w.client({ token: () => "t" });
    tw.on("state", (s) => s.phase === phase && tw.close());
    const p = await w.next();
    p.say({ type: "$ok", re: (await p.expect("$hello")).id, data: { ttl: 1000 } });
    if (phase === "closed") tw.close();
    p.cut();
    await rest();
    assert.equal(tw.state.phase, "closed");
    assert.equal(w.clock.timers.size, 0);
  }
}));

test("callbacks that throw disturb nothing", run(async (w) => {
  const tw = w.client();
  const told = [];
  const stop = tw.on("state", () => { throw new Error("oh"); });
  tw.on("state", ({ phase }) => told.push(phase));
  const p = await w.back();
  stop();
  const [r] = room(tw, "room:7");
  r.on("chat", () => { throw new Error("no"); });
  await join(r, p, 1);
  p.chat("room:7", 1, 2);
  p.chat("room:7", 2, 3);
  assert.equal(r.position.seq, 3);
  assert.deepEqual(told, ["open"]);
  assert.deepEqual(w.reported.splice(0).map((e) => e.message), ["oh", "no", "no"]);
}));

test("a $presence without sense disturbs nothing", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r, heard] = room(tw, "room:7");
  await join(r, p, 1);
  p.say({ type: "$presence", room: "room:7", data: { version: 1, users: 7 } });
  p.chat("room:7", 1, 2);
  heard("live", "2");
  assert.equal(w.reported.splice(0).length, 1);
}));

test("a WebSocket that cannot be made", run(async (w) => {
  const working = globalThis.WebSocket;
  globalThis.WebSocket = class { constructor() { throw new SyntaxError("insecure"); } };
  const tw = w.client();
  await rest();
  assert.deepEqual([tw.state.phase, tw.state.error.message], ["waiting", "insecure"]);
  globalThis.WebSocket = working;
  await w.back();
  assert.equal(tw.state.phase, "open");
}));
