// A connection to a hub that comes back when it is lost.

import { Backoff } from "./backoff.js";
import { Emitter, report } from "./emitter.js";
import { TidewireError, disconnected, errorOf, unknown } from "./error.js";
import { Link } from "./link.js";
import { bytes, checkName } from "./message.js";
import { follow } from "./page.js";
import { Room } from "./room.js";

const DEFAULTS = {
  callTimeout: 30_000,
  maxSend: 1 << 16,
  inbox: 1024,
  token: undefined,
  shareTabs: undefined,
  fallback: true,
  backoff: { min: 500, max: 20_000, settle: 5000 },
  queue: { max: 256, maxSize: 1 << 20, ttl: 60_000 },
};
const MOST = 50; // publishes under way, calls, and joins, those in $hello too: below a hub's limits

const filled = (o, defaults) =>
  Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, typeof v === "object" ? filled(o?.[k], v) : (o?.[k] ?? v)]));

export class Client extends Emitter {
  handlers = new Map();
  rooms = new Map();
  toJoin = new Set();
  timers = new Set();
  out = new Set(); // what is sent, or waits for that, and is not answered, in the order of the calls
  outSize = 0;
  dedupe = 0; // ms for which the server knows a mid again
  tries = 0; // to connect, since a connection has lasted
  why = "hello"; // the next token is asked for
  attempt = {}; // the one that counts
  state = {};

  constructor(url, o) {
    super();
    this.url = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    this.o = filled(o, DEFAULTS);
    this.backoff = new Backoff(this.o.backoff);
    this.secret = this.random();
    this.unfollow = follow(this);
    this.connect();
  }

  // What the application calls.

  handle(type, f) {
    checkName("type", type);
    this.handlers.set(type, f);
    return () => this.handlers.get(type) === f && this.handlers.delete(type);
  }

  room(name, options) {
    checkName("room", name);
    const room = this.rooms.get(name) ?? new Room(this, name, options);
    this.rooms.set(name, room);
    return room;
  }

  async call(type, data, options) {
    return (await this.request({ m: { type, data } }, { timeout: this.o.callTimeout, ...options })).data;
  }

  async close() {
    this.end(new TidewireError("closed"), 1000);
  }

  // Time. When the client has ended nothing is done any more.

  after(ms, f) {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      f();
    }, Math.min(ms, 0x7fffffff));
    this.timers.add(timer);
    return timer;
  }

  stop(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  // The connection.

  set(state) {
    this.state = state;
    this.emit("state", state);
  }

  async connect() {
    const mine = (this.attempt = {});
    this.stop(this.again);
    this.set({ phase: "connecting" });
    try {
      const token = await this.ask(this.why, this.o.token);
      if (this.attempt !== mine) return;
      const socket = await this.transport();
      if (this.attempt !== mine) socket.close();
      else this.link = new Link(this, socket, token);
    } catch (e) {
      if (this.attempt === mine) this.comeBack(e);
    }
  }

  /** Opens a connection: returns a WebSocket that has not opened yet, or what looks like one. */
  async transport() {
    const stream = this.tries % 2 && this.o.fallback && !this.direct;
    if (this.o.shareTabs) return (await import("./tabs.js")).open(this, stream);
    if (stream) return (await import("./stream.js")).open(this.url);
    return new WebSocket(this.url, "tidewire.v1.json");
  }

  /** Asks the application for a token, if it has them. */
  async ask(why, f) {
    if (!f) return;
    let timer;
    const late = new Promise((_, reject) => {
      timer = this.after(this.o.callTimeout, () => reject(new TidewireError("timeout")));
    });
    try {
      return (await Promise.race([f(why), late])) || undefined;
    } finally {
      this.stop(timer);
    }
  }

  comeBack(error, wait = this.backoff.wait(++this.tries)) {
    this.attempt = {};
    this.stop(this.again);
    this.set({ phase: "waiting", error, wait });
    if (wait < Infinity) this.again = this.after(wait, () => this.hurry());
  }

  /** Connects at once, if that waits for its time. */
  hurry() {
    if (this.state.phase === "waiting" && !this.away) this.connect();
  }

  /** Lets go of the connection until resume. page is 1 where the page is put away, and else the application wants it. */
  pause(page) {
    const { away, link } = this;
    if (this.closed) return;
    this.away |= page === 1 || 2; // 3 if both do
    if (away) return;
    const error = disconnected("away");
    if (link) link.drop(error, 4001);
    else this.comeBack(error, Infinity);
  }

  resume() {
    this.away = 0;
    this.hurry();
  }

  lost(link, error) {
    if (this.link !== link) return;
    this.link = undefined;
    const { status } = error;
    if (status === 4403) return this.end(error);
    if (status === 4401) this.why = "refused";
    if (Date.now() - link.since >= this.o.backoff.settle) this.tries = 0;
    for (const room of this.rooms.values()) room.disconnected();
    const greatest = link.greatest || status === 1008 || status === 1009;
    this.comeBack(error, this.away ? Infinity : greatest ? this.backoff.max : link.draining ? this.backoff.wait(Infinity) : undefined);
  }

  end(error, status) {
    const { link } = this;
    if (this.closed) return;
    this.link = undefined;
    this.attempt = {};
    this.closed = true;
    this.set({ phase: "closed", error });
    this.unfollow.abort();
    link?.drop(error, status);
    for (const p of this.out) p.giveUp(error);
    for (const room of this.rooms.values()) room.cease(error);
    for (const timer of this.timers) this.stop(timer);
    this.rooms.clear();
  }

  helloJoins(link) {
    const joins = [];
    for (const room of this.toJoin) {
      if (joins.length === MOST) break;
      if (room.token) continue;
      this.toJoin.delete(room);
      joins.push({ room: room.name, pos: room.position, ...room.request });
      link.pending.set(room.name, room.beginJoin(link));
      room.asked = true;
    }
    return joins;
  }

  welcome(link, m) {
    if (m.type === "$error") {
      const e = errorOf(m);
      const identity = /^(unauthorized|expired)$/.test(e.code);
      if (identity) this.why = "refused";
      link.greatest = !e.retryable && !(identity && this.o.token);
      return link.drop(e);
    }
    const { session, user, ttl, dedupe, backoff } = m.data ?? {};
    link.since = Date.now();
    this.why = "hello";
    this.dedupe = Number(dedupe) || 0;
    this.backoff.told(backoff);
    this.set({ phase: "open", session, user, degraded: false });
    this.planRenewal(link, ttl * 0.8);
    this.pump();
  }

  /** Takes what the server says that is no reply. */
  heard(link, m) {
    const { type, room, data } = m;
    if (type === "$drain") {
      link.draining = true;
      this.backoff.told(data?.backoff);
    } else if (type === "$degraded") {
      const degraded = !!data?.rooms;
      if (degraded !== this.state.degraded) this.set({ ...this.state, degraded });
      if (!degraded) for (const r of this.rooms.values()) r.unblock();
    } else if (type[0] !== "$") {
      if (room) this.arrived(m);
      else this.called(link, m);
    } else {
      this.rooms.get(room)?.told(link, m);
      link.reply(m.id, new TidewireError("unknown-type")); // what we know has no id
    }
  }

  arrived(m) {
    const room = this.rooms.get(m.room);
    if (room?.wanted) {
      if (!room.accepts(m)) return; // it comes again, or came before, for wildcards too
      room.deliver(m);
    }
    for (const other of this.rooms.values()) if (other.joined && other.pattern?.test(m.room)) other.deliver(m);
  }

  async called(link, { type, id, data }) {
    const f = this.handlers.get(type);
    try {
      if (!f) throw new TidewireError("unknown-type");
      link.reply(id, undefined, await f(data));
    } catch (e) {
      const ours = e instanceof TidewireError;
      link.reply(id, ours ? e : new TidewireError("internal"));
      if (!ours) report(e);
    }
  }

  // The identity.

  planRenewal(link, wait, why = "expiry") {
    if (wait > 0 && this.o.token) link.renewing = this.after(wait, () => this.renew(link, why));
  }

  /** Brings a new token. */
  async renew(link, why) {
    if (link.over || link.refreshing) return;
    link.refreshing = true;
    this.stop(link.renewing);
    try {
      const token = await this.ask(why, this.o.token);
      const m = await link.demand({ type: "$refresh", data: { token } });
      link.refreshing = false;
      if (!m) return;
      if (m.type === "$error") throw errorOf(m);
      link.expired = false;
      link.renewals = 0;
      this.planRenewal(link, m.data?.ttl * 0.8);
      this.pump();
    } catch (e) {
      link.refreshing = false;
      if (link.over) return;
      this.emit("refused", e);
      link.renewals++;
      if (e.code === "forbidden" || link.renewals === 5) link.drop(e); // another user takes another session
      else this.planRenewal(link, this.backoff.wait(link.renewals), "refused");
    }
  }

  /** Says whether it helps to repeat what was refused as expired. */
  hasExpired(link) {
    if (!this.o.token) return false;
    link.expired = true;
    this.renew(link, "refused");
    return true;
  }

  // What is sent.

  random() {
    return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
  }

  /** A message of the application as JSON. Throws where no server would take it. */
  encode(m) {
    checkName("type", m.type);
    checkName("key", m.key ?? "-");
    return this.fitting(JSON.stringify(m));
  }

  fitting(text) {
    const size = bytes(text) + 25; // the id comes to it
    if (size > this.o.maxSend) throw new TidewireError("too-large", `${size} bytes (maxSend)`);
    return text;
  }

  /**
   * Sends a message and waits for its reply. p has the message m, and one of these: room, in whose order it
   * is sent and repeated with its mid; read, if it changes nothing and may be repeated at any time.
   */
  async request(p, { signal, timeout }) {
    if (this.closed) throw this.state.error;
    p.text = p.read ? JSON.stringify(p.m) : this.encode(p.m);
    p.size = bytes(p.text);
    const { max, maxSize } = this.o.queue;
    const { size } = this.out;
    if (size >= max || (size && this.outSize + p.size > maxSize)) throw new TidewireError("queue-full");
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      p.queued = Date.now();
      p.tries = 0;
      p.kind = p.room ? "sends" : "calls";
      p.finish = (error, m) => {
        if (!this.out.delete(p)) return;
        this.outSize -= p.size;
        this.stop(timer);
        signal?.removeEventListener("abort", abort);
        if (m) resolve(m);
        else reject(error);
      };
      p.giveUp = (why) => p.finish(!p.read && (p.sent || p.lost) ? unknown(why) : why);
      const abort = () => p.giveUp(signal.reason);
      const timer = timeout && this.after(timeout, () => p.giveUp(new TidewireError("timeout")));
      signal?.addEventListener("abort", abort);
      this.out.add(p);
      this.outSize += p.size;
      this.pump();
    });
  }

  /** Sends what can be sent now: joins, then messages in their order. */
  pump() {
    const { link } = this;
    this.sweep();
    if (!link?.up) return;
    for (const room of this.toJoin) {
      if (link.joining >= MOST) break;
      this.toJoin.delete(room);
      room.sendJoin(link);
    }
    for (const p of this.out) {
      if (!p.sent && !p.room?.waits && link[p.kind] < MOST) this.transmit(link, p);
    }
    this.sweep();
  }

  transmit(link, p) {
    const { room, kind } = p;
    const count = (n) => {
      link[kind] += n;
      if (room) room.sends += n;
    };
    count(1);
    p.sent = performance.now();
    p.first ||= Date.now();
    const done = (m, error) => {
      count(-1);
      p.sent = false;
      if (this.out.has(p)) this.answered(link, p, m, error);
      room?.drained();
      this.pump();
    };
    link.ask(p.m, done, p.text);
  }

  /** Takes the answer to a message, or the loss of its connection. */
  answered(link, p, m, error) {
    if (!m) {
      p.lost = true;
      if (error.status === 1009 || !(p.room || p.read)) p.finish(unknown(error)); // it may be what was too large
      return;
    }
    if (m.type === "$ok") return p.finish(undefined, m);
    const e = (p.refusal = errorOf(m));
    p.tries++;
    if (e.code === "expired" && p.tries < 3 && this.hasExpired(link)) return;
    if (e.retryable && p.room) p.room.block(this.backoff.wait(p.tries, e.retryAfter));
    else p.finish(e);
  }

  /** Gives up what has waited for too long, and comes back for the next. */
  sweep() {
    this.stop(this.sweeping);
    let next = Infinity;
    for (const p of this.out) {
      const until = !p.first ? p.queued + this.o.queue.ttl : p.room ? p.first + this.dedupe : Infinity;
      // An answer that may come is given its time, whatever the clock does meanwhile.
      const left = p.sent ? p.sent + Math.max(this.dedupe, 60_000) - performance.now() : until - Date.now();
      if (left <= 0) p.giveUp(p.refusal ?? new TidewireError("not-sent"));
      else next = Math.min(next, left);
    }
    if (next < Infinity) this.sweeping = this.after(next, () => this.pump());
  }
}
