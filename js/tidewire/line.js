// The connection that tabs share, in their worker: to the server it is one client.

import { Place } from "./place.js";
import { Requests } from "./requests.js";

const CASTS = 256; // whose tabs are known, should they be refused
const PING = 25_000; // ms of silence behind which the server sends $ping
const LIFE = 5000; // for a sign of life, when a tab comes in
const RENEWAL = [1000, 30_000]; // ms for a tab to bring a new token, at least and at most, before another one is asked

export class Line {
  tabs = new Set();
  places = new Map();
  wild = new Set(); // those of them that are wildcards
  casts = new Map(); // tabs, by mid
  calls = new Map(); // calls of the server's, by id: the tab that is asked, and those that are left

  /** Opens a connection for the token. socket looks like a WebSocket; ended is called once. */
  constructor(socket, token, secret, ended) {
    Object.assign(this, { socket, token, secret, ended });
    this.requests = new Requests(socket, ({ kind, m }) => kind === "sends" && this.places.get(m.room)?.waits);
    socket.onopen = () => {
      this.direct = socket.url; // a WebSocket opens here
      this.requests.pump("others");
    };
    socket.onmessage = ({ data }) => this.heard(data);
    socket.onclose = ({ code, reason }) => this.end(code, reason);
  }

  /** Resolves with the reply to $hello. welcomed is called before anything that comes behind it is taken. */
  hello(welcomed) {
    const { token, secret } = this;
    return new Promise((done) => {
      this.requests.ask(undefined, { type: "$hello", data: { token, client: secret, ping: PING } }, "others", (reply) => {
        if (reply.type === "$ok") {
          const { ttl, ...data } = reply.data ?? {};
          this.welcome = data;
          this.plan(ttl);
          welcomed();
        }
        done(reply);
      });
    });
  }

  /** Says whether a tab with that token is the same user's: the server is asked, unless that is plain. */
  async suits(tab, token) {
    if (this.over || this.draining) return false;
    this.probe();
    if (token === this.token) return Boolean(token || tab.named || !this.welcome.user); // a cookie may say something else by now
    if (!token || !this.token || !this.welcome.user) return false; // strangers are not to be told apart
    const reply = await new Promise((done) => this.requests.ask(tab, { type: "$refresh", data: { token } }, "refreshes", done));
    if (reply.type !== "$ok" || this.over) return false;
    this.renewed(token, reply);
    return true;
  }

  /** Ends the connection if it proves to be dead: who opens a tab as the others hang is not to hang as well. */
  probe() {
    if (this.probing || Math.abs(Date.now() - this.heardAt) < LIFE) return;
    this.heardAt = 0;
    this.requests.ask(undefined, { type: "$ping" }, "others", () => {});
    this.probing = setTimeout(() => {
      this.probing = undefined;
      if (!this.heardAt) this.close(4000, "no answer to $ping");
    }, LIFE);
  }

  /** Takes in a tab, whose $hello that is. */
  add(tab, { id, data }) {
    this.tabs.add(tab);
    if (this.direct) tab.post({ direct: this.direct });
    tab.say({ type: "$ok", re: id, data: this.welcome });
    if (this.degraded) tab.say(this.degraded);
    for (const { room, pos, ...more } of data.join ?? []) this.join(tab, { room, pos, data: more });
  }

  /** A tab is gone, or has closed with that code. */
  remove(tab, code) {
    if (!this.tabs.delete(tab)) return;
    const deaf = code === 4000 && this.requests.overdue;
    if (deaf || !this.tabs.size) return this.close(code, `no answer to ${deaf}`);
    this.requests.forget(tab);
    for (const place of [...this.places.values()]) place.leave(tab);
    for (const [id, call] of this.calls) {
      if (call.tab === tab) this.reply(id, { type: "$error", data: { code: "internal", message: "the tab that was asked is gone" } });
    }
  }

  close(code, reason) {
    const { socket } = this;
    this.end(1006, reason);
    try {
      socket.close(code === 1000 || code >= 4000 ? code : 4001);
    } catch {} // what never opened may not like it
  }

  /** The connection is lost: each tab comes back by itself. */
  end(code, reason) {
    if (this.over) return;
    this.over = true;
    Object.assign(this, { code, reason });
    clearTimeout(this.renewing);
    clearTimeout(this.probing);
    this.ended(this);
    for (const tab of this.tabs) tab.lost(code, reason);
    this.requests.end();
  }

  // What tabs say.

  take(tab, m) {
    const { type, id, room } = m;
    if (m.re) return this.answered(tab, m);
    if (type === "$join") return this.join(tab, m);
    if (type === "$leave") {
      this.places.get(room)?.leave(tab);
      return tab.say({ type: "$ok", re: id, room });
    }
    if (type === "$refresh") return this.refresh(tab, m);
    if (!id) return this.cast(tab, m);
    const kind = type === "$ping" ? "others" : room && type[0] !== "$" ? "sends" : "calls";
    this.requests.ask(tab, m, kind, (reply) => tab.say({ ...reply, re: id }));
  }

  join(tab, m) {
    const place = this.places.get(m.room) ?? new Place(this, m.room);
    this.places.set(m.room, place);
    if (place.pattern) this.wild.add(place);
    place.join(tab, m);
  }

  /** Leaves a room that no tab wants any more. */
  vacate(place) {
    if (!place.empty || this.places.get(place.name) !== place) return;
    this.places.delete(place.name);
    this.wild.delete(place);
    if (place.joined) this.requests.ask(undefined, { type: "$leave", room: place.name }, "others", () => {}); // at once: before it is joined again
  }

  cast(tab, m) {
    if (m.mid) this.casts.set(m.mid, tab);
    if (this.casts.size > CASTS) this.casts.delete(this.casts.keys().next().value);
    this.socket.send(JSON.stringify(m));
  }

  refresh(tab, m) {
    const { token } = m.data ?? {};
    // Who was a stranger would become somebody, and the other tabs with it.
    if (!this.welcome.user && this.tabs.size > 1) return tab.say({ type: "$error", re: m.id, data: { code: "forbidden", message: "other tabs share this session" } });
    this.requests.ask(tab, m, "refreshes", (reply) => {
      const { ttl, ...data } = reply.data ?? {};
      if (reply.type === "$ok") this.renewed(token, reply);
      tab.say({ ...reply, re: m.id, data });
    });
  }

  renewed(token, { data }) {
    this.token = token;
    if (data?.user) this.welcome.user = data.user;
    this.plan(data?.ttl);
  }

  /** Has a living tab bring a new token in time, and another one if that does not. */
  plan(ttl) {
    clearTimeout(this.renewing);
    let n = 0;
    const ask = () => {
      const tabs = this.latest;
      tabs[n++ % tabs.length]?.post({ renew: "expiry" });
      this.renewing = setTimeout(ask, Math.max(RENEWAL[0], Math.min(ttl * 0.1, RENEWAL[1])));
    };
    if (ttl > 0) this.renewing = setTimeout(ask, Math.min(ttl * 0.8, 0x7fffffff));
  }

  // What the server says.

  heard(text) {
    if (this.over) return;
    this.heardAt = Date.now();
    const m = JSON.parse(text);
    const { type, re, room } = m;
    const place = this.places.get(room);
    const all = (what) => [...this.tabs].forEach((tab) => tab.say(what));
    if (type === "$ok" || type === "$error") {
      if (re) this.requests.replied(m);
      else this.casts.get(m.mid)?.say(text);
    } else if (room && type[0] !== "$") {
      this.message(m, text, place);
    } else if (room) {
      place?.heard(m, text);
    } else if (m.id) {
      this.ask(m.id, { m, left: this.latest });
    } else {
      if (type === "$drain") this.draining = true;
      if (type === "$degraded") this.degraded = m.data?.rooms ? text : undefined;
      all(text);
    }
  }

  message(m, text, place) {
    const { again, tabs } = place?.take(m) ?? { tabs: [] };
    const wild = again ? [] : [...this.wild].filter((p) => p.pattern.test(m.room)).flatMap((p) => [...p.members.keys()]);
    for (const tab of new Set([...tabs, ...wild.filter((tab) => !place?.members.has(tab))])) tab.say(text);
  }

  /** The tabs, those first that were seen last. */
  get latest() {
    return [...this.tabs].sort((a, b) => b.seen - a.seen);
  }

  /** A call of the server's is one tab's: that seen last of those that know it. */
  ask(id, call) {
    call.tab = call.left.shift();
    this.calls.set(id, call);
    if (call.tab) call.tab.say(call.m);
    else this.reply(id, call.refusal);
  }

  answered(tab, m) {
    const call = this.calls.get(m.re);
    if (call?.tab !== tab) return;
    call.left = call.left.filter((other) => this.tabs.has(other));
    if (m.type === "$error" && m.data?.code === "unknown-type" && call.left.length) this.ask(m.re, { ...call, refusal: m });
    else this.reply(m.re, m);
  }

  reply(id, m) {
    this.calls.delete(id);
    this.socket.send(JSON.stringify({ ...m, re: id }));
  }
}
