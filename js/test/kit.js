// A hub whose lines are spoken by the test, over a WebSocket that is none, in a time that is none.

import assert from "node:assert/strict";
import { connect } from "../tidewire.js";
import { browser } from "./sharing.js";

const soon = globalThis.setImmediate;

let steps = 3;

/** Lets everything run that needs no time to pass. */
export const rest = async () => {
  for (let i = 0; i < steps; i++) await new Promise((done) => soon(done));
};

/** The time: it stands still unless a test lets it pass. */
class Clock {
  now = 1_700_000_000_000;
  skew = 0; // somebody has set the clock
  timers = new Map();
  last = 0;

  install() {
    const saved = [globalThis.setTimeout, globalThis.clearTimeout, Date.now, performance.now];
    globalThis.setTimeout = (f, ms = 0) => {
      assert.ok(ms >= -1e9 && ms <= 0x7fffffff, `a timer of ${ms} ms`);
      this.timers.set(++this.last, { at: this.now + Math.max(ms, 0), f });
      return this.last;
    };
    globalThis.clearTimeout = (id) => this.timers.delete(id);
    Date.now = () => this.now + this.skew;
    performance.now = () => this.now;
    return () => ([globalThis.setTimeout, globalThis.clearTimeout, Date.now, performance.now] = saved);
  }

  async pass(ms) {
    const end = this.now + ms;
    await rest();
    for (;;) {
      const [first] = [...this.timers].sort(([i, a], [j, b]) => a.at - b.at || i - j);
      if (!first || first[1].at > end) break;
      this.timers.delete(first[0]);
      this.now = Math.max(this.now, first[1].at);
      first[1].f();
      await rest();
    }
    this.now = Math.max(this.now, end);
  }

  /** The machine sleeps: the clock goes on, and all timers are late. */
  sleep(ms) {
    this.now += ms;
    for (const timer of this.timers.values()) timer.at += ms;
  }
}

/** The server's end of one connection. */
class Peer {
  sent = [];
  readyState = 0;
  bufferedAmount = 0;

  constructor(world, url, protocol) {
    Object.assign(this, { world, url, protocol });
    world.dials.push(world.clock.now);
    world.dialing?.();
    if (world.down) soon(() => this.end(1006));
    else world.peers.push(this);
  }

  // The WebSocket.

  send(text) {
    assert.equal(this.readyState, 1, "sent over a connection that is not open");
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closed ??= code;
    this.readyState = 2;
    soon(() => this.end(1006));
  }

  // What the test does.

  open() {
    this.readyState = 1;
    this.onopen();
  }

  end(code, reason = "") {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  cut() {
    this.end(1006);
  }

  say(m) {
    if (this.readyState === 1) this.onmessage({ data: typeof m === "string" ? m : JSON.stringify(m) });
  }

  /** Waits for the next message, which must have that type. */
  async expect(type) {
    for (let i = 0; i < 200 && this.sent.length === 0 && this.readyState < 2; i++) await this.world.clock.pass(i < 2 ? 0 : 500);
    assert.ok(this.sent.length > 0, `the client sent nothing, want ${type}`);
    const m = this.sent.shift();
    assert.equal(m.type, type, `the client sent ${JSON.stringify(m)}`);
    return m;
  }

  /** Checks that the client has sent nothing. */
  async quiet() {
    await rest();
    assert.deepEqual(this.sent, []);
  }

  async welcome(data) {
    this.hello = await this.expect("$hello");
    this.say({ type: "$ok", re: this.hello.id, data: { session: "s1", user: "ann", dedupe: 120_000, backoff: [500, 20_000], ...data } });
    await rest();
  }

  /** Answers a $join from that position on. */
  async joined(seq) {
    const m = await this.expect("$join");
    this.say({ type: "$ok", re: m.id, room: m.room, pos: { epoch: "k3", seq }, data: { recovered: Boolean(m.pos), head: seq } });
    this.say({ type: "$live", room: m.room, pos: { epoch: "k3", seq } });
    await rest();
    return m;
  }

  chat(room, prev, seq) {
    this.say({ type: "chat", room, prev, pos: { seq }, mid: `m${seq}`, from: "bob", data: seq });
  }

  ok(m, seq) {
    this.say({ type: "$ok", re: m.id, room: m.room, pos: { epoch: "k3", seq, mid: m.mid } });
  }

  fail(m, code, more = {}) {
    this.say({ type: "$error", re: m.id, data: { code, ...more } });
  }
}

/** A page or document that can be told of events. */
export class Target {
  functions = new Map();

  addEventListener(event, f, { signal } = {}) {
    this.functions.set(event, [...(this.functions.get(event) ?? []), f]);
    signal?.addEventListener("abort", () => this.removeEventListener(event, f));
  }

  removeEventListener(event, f) {
    this.functions.set(event, (this.functions.get(event) ?? []).filter((other) => other !== f));
  }

  fire(event) {
    for (const f of this.functions.get(event) ?? []) f({ type: event });
  }

  get count() {
    return [...this.functions.values()].flat().length;
  }
}

class World {
  clock = new Clock();
  peers = [];
  dials = [];
  clients = [];
  reported = [];
  down = false;

  /** A client. It is closed when the test ends, and nothing of it may be left. */
  client(options) {
    const tw = connect("ws://hub/live", { fallback: false, ...options });
    this.clients.push(tw);
    return tw;
  }

  /** A client that the server has welcomed, and the connection. */
  async connect(options, data) {
    const tw = this.client(options);
    const p = await this.next();
    await p.welcome(data);
    return [tw, p];
  }

  /** Waits for the next connection. */
  async next() {
    for (let i = 0; i < 1000 && this.peers.length === 0; i++) await this.clock.pass(i < 2 ? 0 : 100);
    const p = this.peers.shift();
    assert.ok(p, "no connection came");
    p.open();
    await rest();
    return p;
  }

  /** The next connection, welcomed. */
  async back(data) {
    const p = await this.next();
    await p.welcome(data);
    return p;
  }

  pass(ms) {
    return this.clock.pass(ms);
  }
}

/** Runs f in a world of its own. page: one with a document and events; tabs: one whose clients may share a worker. */
export const run = (f, { page, tabs } = {}) => async () => {
  const w = new World();
  const put = (name, value) => {
    const saved = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    return () => (saved ? Object.defineProperty(globalThis, name, saved) : delete globalThis[name]);
  };
  const undo = [
    w.clock.install(),
    put("WebSocket", class { constructor(url, protocol) { return new Peer(w, url, protocol); } }),
    put("reportError", (e) => w.reported.push(e)),
  ];
  if (page) {
    w.page = new Target();
    w.document = Object.assign(new Target(), { visibilityState: "visible" });
    undo.push(put("document", w.document), put("addEventListener", w.page.addEventListener.bind(w.page)), put("removeEventListener", w.page.removeEventListener.bind(w.page)));
  }
  if (tabs) {
    const { SharedWorker, navigator } = (w.browser = await browser());
    undo.push(put("SharedWorker", SharedWorker), put("navigator", navigator));
  }
  steps = tabs ? 20 : 3; // what passes through ports takes longer
  try {
    await f(w);
    assert.deepEqual(w.reported.map(String), [], "reported, and not looked at");
    for (const tw of w.clients) await tw.close();
    await rest();
    assert.equal(w.clock.timers.size, 0, "timers are left");
    if (page) assert.equal(w.page.count + w.document.count, 0, "listeners are left");
    for (const p of w.peers) assert.ok(p.readyState > 1, "a connection is left");
  } finally {
    for (const back of undo.reverse()) back();
  }
};

/** What becomes of a promise: its value or error as soon as there is one. */
export function outcome(promise) {
  const o = { done: false };
  promise.then(
    (value) => Object.assign(o, { done: true, value }),
    (error) => Object.assign(o, { done: true, error }),
  );
  return o;
}

/** A room whose events go to a list of words. */
export function room(tw, name, options) {
  const said = [];
  const r = tw.room(name, options);
  r.on("chat", (data) => said.push(`${JSON.stringify(data)}`));
  r.on("$gap", (g) => said.push(`gap ${g.after}-${g.position?.seq ?? 0} ${g.reason}`));
  r.on("$live", () => said.push("live"));
  r.on("$left", (e) => said.push(`left ${e.code}`));
  const heard = (...words) => assert.deepEqual(said.splice(0), words);
  return [r, heard];
}

/** Joins while the server answers. */
export async function join(r, p, seq) {
  const joining = r.join();
  const m = await p.joined(seq);
  await joining;
  return m;
}

/** Checks that a promise is rejected with that code. */
export async function rejects(promise, code) {
  const error = await promise.then(
    () => assert.fail(`want ${code}`),
    (e) => e,
  );
  assert.equal(error.code, code, error.stack);
  return error;
}
