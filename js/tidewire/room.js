// A room, or a wildcard that stands for several, as one client sees it.

import { Crowd } from "./crowd.js";
import { Emitter } from "./emitter.js";
import { TidewireError, errorOf } from "./error.js";
import { Loop } from "./loop.js";
import { patternOf } from "./message.js";

export class Room extends Emitter {
  loops = new Set();
  waiters = new Set(); // for the join: functions that are called with nothing, or with an error
  refs = 0; // joins that no leave has taken back
  failures = 0; // of joins in a row
  sends = 0; // publishes under way
  wanted = false; // to be in the room, as soon as there is a connection
  asked = false; // to be joined, on the present connection
  joined = false;
  joining; // the join that is under way, or comes soon: what arrives is ignored

  constructor(client, name, { last, presence, position, token } = {}) {
    super();
    Object.assign(this, { client, name, position, token, pattern: patternOf(name), request: { last, presence } });
    this.crowd = new Crowd(this);
  }

  // What the application calls.

  get present() {
    return this.crowd.present();
  }

  join({ signal } = {}) {
    const { client, name } = this;
    const joining = new Promise((resolve, reject) => {
      if (client.closed) throw client.state.error;
      const handle = client.rooms.get(name) ?? this;
      client.rooms.set(name, handle);
      if (handle !== this) throw new TidewireError("stale");
      signal?.throwIfAborted();
      this.refs++;
      if (this.joined) return resolve();
      const done = (error) => {
        this.waiters.delete(done);
        signal?.removeEventListener("abort", abort);
        if (!error) return resolve();
        if (/^(left|closed)$/.test(error.code)) joining.catch(() => {}); // the page did that itself
        reject(error);
      };
      const abort = () => {
        done(signal.reason);
        this.leave();
      };
      this.waiters.add(done);
      signal?.addEventListener("abort", abort);
      if (this.wanted) return;
      this.wanted = true;
      this.wantJoin();
    });
    return joining;
  }

  async leave() {
    if (--this.refs > 0) return;
    const { client, name } = this;
    const { link } = client;
    const inside = this.joined || this.joining;
    this.cease(new TidewireError("left"));
    if (client.rooms.get(name) === this) client.rooms.delete(name);
    if (inside && link) await link.demand({ type: "$leave", room: name });
  }

  async send(type, data, { key, signal } = {}) {
    const m = { type, room: this.name, mid: this.client.random(), key, data };
    return (await this.client.request({ m, room: this }, { signal })).pos;
  }

  cast(type, data) {
    const { link, random } = this.client;
    const text = this.client.encode({ type, room: this.name, mid: random(), volatile: true, data });
    if (!link?.up || link.socket.bufferedAmount > 1 << 18) return false;
    link.socket.send(text);
    return true;
  }

  async history({ signal, ...range } = {}) {
    const { name: room, client } = this;
    const m = { type: "$history", room, data: range };
    const { data, pos } = await client.request({ m, read: true }, { signal, timeout: client.o.callTimeout });
    const messages = data.messages.map((old) => metaOf({ ...old, room }, { ...pos, ...old.pos, mid: old.mid }));
    return { messages, more: !!data.more };
  }

  messages(type = "*", { signal } = {}) {
    return new Loop(this, type).run(signal);
  }

  // The membership.

  wantJoin() {
    this.client.toJoin.add(this);
    this.client.pump();
  }

  /** Is outside now, or in that join. */
  moveTo(joining) {
    this.joined = this.asked = false;
    return (this.joining = joining);
  }

  /** Begins a join. Returns what takes the answer. */
  beginJoin(link) {
    const mine = this.moveTo({});
    this.crowd.asking = undefined;
    link.joining++;
    return link.due("$join", (m) => {
      link.joining--;
      if (m && this.joining === mine) this.answered(link, m);
      this.client.pump();
    });
  }

  async sendJoin(link) {
    const answered = this.beginJoin(link);
    const mine = this.joining;
    let token;
    try {
      if (this.token) token = await this.client.ask("join", this.token);
    } catch (e) {
      if (this.joining === mine) this.refused(e, !this.waiters.size);
    }
    if (this.joining !== mine) return answered(); // it is not wanted any more
    this.asked = true;
    link.ask({ type: "$join", room: this.name, pos: this.position, data: { ...this.request, token } }, answered);
    if (this.token) this.client.pump();
  }

  answered(link, m) {
    this.joining = undefined;
    if (m.type === "$error") {
      const e = errorOf(m);
      if (e.code === "expired" && this.failures++ < 2 && this.client.hasExpired(link)) this.wantJoin();
      else this.refused(e, e.retryable);
      return;
    }
    this.joined = true;
    this.failures = 0;
    const { pos, data } = m;
    this.position ??= pos;
    if (pos && data?.recovered) this.position = { ...this.position, epoch: pos.epoch };
    this.settle();
  }

  refused(e, retryable) {
    if (retryable) this.rejoin(this.client.backoff.wait(++this.failures, e.retryAfter));
    else this.left(e);
  }

  /** Joins again from where the room is, after a while. */
  rejoin(wait) {
    const mine = this.moveTo({});
    this.client.after(wait, () => this.joining === mine && this.wantJoin());
  }

  disconnected() {
    this.moveTo();
    this.broken = undefined;
    this.failures = 0;
    this.unblock();
    if (this.wanted) this.wantJoin();
  }

  settle(error) {
    for (const done of this.waiters) done(error);
  }

  /** Ends the membership on this side. */
  cease(error) {
    this.moveTo();
    this.wanted = false;
    this.refs = 0;
    this.client.toJoin.delete(this);
    this.crowd = new Crowd(this);
    this.settle(error);
    for (const loop of this.loops) loop.end(error);
    this.loops.clear();
  }

  /** Takes note that the server ended the membership, or refused it. */
  left(error) {
    const { size } = this.waiters;
    this.cease(error);
    if (!size) this.emit("$left", error);
  }

  /** Takes what the server says of the room beside messages. */
  told(link, { type, pos, data = {} }) {
    if (type === "$left" && this.wanted) this.left(new TidewireError(data.reason));
    if (!this.joined) return;
    if (type === "$presence") this.crowd.take(link, data);
    if (type === "$live") {
      if (pos && pos.epoch === this.position?.epoch && pos.seq > this.position.seq) this.position = pos;
      this.emit("$live");
    }
    if (type === "$gap") {
      this.position = pos ?? this.position;
      const gap = { after: data.after ?? 0, position: pos, reason: data.reason };
      for (const loop of this.loops) loop.missed(gap);
      this.emit("$gap", gap);
    }
  }

  // Messages.

  /** Says whether a message is the next one, and goes on to its position. docs/protocol.md, "Positions". */
  accepts({ pos, prev, mid }) {
    const at = this.position;
    if (!this.joined || !pos) return this.joined;
    if (pos.seq <= at?.seq) return false;
    if (prev > at?.seq) {
      const again = this.broken === at.seq;
      this.broken = at.seq;
      this.rejoin(again ? this.client.backoff.wait(++this.failures) : 0);
      return false;
    }
    this.position = { epoch: at?.epoch, seq: pos.seq, mid };
    return true;
  }

  deliver(m) {
    const meta = metaOf(m, this.pattern ? m.pos : m.pos && this.position);
    for (const loop of this.loops) loop.take(meta);
    this.emit(m.type, m.data, meta) || this.emit("*", m.data, meta);
  }

  // Publishes that have to wait.

  /** Says whether they do: as the server could not store one, or as it does not know yet that we are in the room. */
  get waits() {
    return this.resume || (this.wanted && !this.asked);
  }

  /** Holds them back for a while, and until those under way are answered. */
  block(wait) {
    this.resume = Math.max(this.resume ?? 0, Date.now() + wait);
  }

  unblock() {
    this.resume = this.resume && Date.now();
    this.drained();
  }

  drained() {
    if (!this.resume || this.sends) return;
    this.client.stop(this.resuming);
    this.resuming = this.client.after(this.resume - Date.now(), () => {
      this.resume = undefined;
      this.client.pump();
    });
  }
}

const metaOf = ({ pos, prev, ...m }, position) => ({ ...m, position });
