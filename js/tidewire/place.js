// A room, or a wildcard, in which tabs are together: to the server they are one member.

import { patternOf } from "./message.js";

const VALUES = 10_000; // keys whose latest message is known: as many as a hub keeps

export class Place {
  members = new Map(); // tabs, with whether they want presence and, where there is a history, how far they were told
  queue = []; // joins that wait for the one under way
  values = new Map(); // where the latest message of each key is kept: their mids
  presence = false; // what the server was asked for

  constructor(line, name) {
    Object.assign(this, { line, name, pattern: patternOf(name) });
  }

  /** Takes a tab's join. Joining again starts over on the server: so one tab after the other. */
  join(tab, m) {
    this.queue.push({ tab, m });
    this.next();
  }

  next() {
    this.line.requests.pump("sends"); // which may have waited
    if (this.current || !this.queue.length) return this.line.vacate(this);
    const join = (this.current = this.queue.shift());
    const { tab, m } = join;
    const wanted = Boolean(m.data?.presence);
    // Where nothing is stored there is nothing to start over.
    const stored = this.stored || this.values.size > 0;
    if (this.joined && !stored && !this.guarded && !m.data?.token && (this.presence || !wanted)) return this.enter(join);
    const presence = wanted || this.listeners.length > 0;
    const data = { ...m.data, presence };
    this.line.requests.ask(tab, { type: "$join", room: this.name, pos: m.pos, data }, "joins", (reply) => {
      if (reply.type === "$ok") this.presence = presence;
      this.answered(join, reply);
    });
  }

  /** Says whether publishes wait: where only members may publish, they come behind the first join. */
  get waits() {
    return !this.joined && (this.queue.length > 0 || this.line.requests.waiting.joins.some((p) => p.m.room === this.name));
  }

  answered(join, reply) {
    const { tab, m, again } = join;
    if (!again) tab.say({ room: this.name, ...reply, re: m.id });
    if (reply.type === "$error") {
      this.members.delete(tab);
      if (again) tab.drop(1013, "what this tab missed is not to be had");
      return this.done();
    }
    const { pos, data } = reply;
    join.behind = true; // until $live the server tells how this tab catches up
    this.joined = true;
    this.stored = Boolean(pos);
    this.guarded ||= Boolean(m.data?.token); // who has none may be refused
    this.start = pos; // all that is behind it the server tells
    this.told(pos, data?.head);
    for (const [other, { at }] of [...this.members]) {
      if (pos && at && at.epoch !== pos.epoch) this.gap(other, { type: "$gap", room: this.name, pos, data: { reason: "epoch" } });
    }
    if (!join.left) this.members.set(tab, { presence: Boolean(m.data?.presence), at: pos });
  }

  /** Lets a tab in without asking the server. */
  enter(join) {
    const { tab, m } = join;
    this.members.set(tab, { presence: Boolean(m.data?.presence) });
    tab.say({ type: "$ok", re: m.id, room: this.name, data: { recovered: false, head: 0 } });
    tab.say({ type: "$live", room: this.name });
    if (m.data?.presence) {
      this.line.requests.ask(tab, { type: "$presence", room: this.name }, "calls", ({ type, data }) => {
        if (type === "$ok") tab.say({ type: "$presence", room: this.name, data });
      });
    }
    this.done();
  }

  done() {
    this.current = undefined;
    // If the server began further ahead than the others were told, it begins again where they are.
    const [tab, behind] = [...this.members].find(([, { at }]) => this.misses(at)) ?? [];
    if (behind) this.queue.unshift({ tab, m: { pos: behind.at, data: { presence: behind.presence } }, again: true });
    this.next();
  }

  leave(tab) {
    this.members.delete(tab);
    this.queue = this.queue.filter((join) => join.tab !== tab);
    if (this.current?.tab === tab) this.current.left = true;
    this.next();
  }

  get empty() {
    return !this.members.size && !this.queue.length && !this.current;
  }

  get listeners() {
    return [...this.members.keys()].filter((tab) => this.members.get(tab).presence);
  }

  /** Takes over how far the server has told of the room: what comes again is not for those with a wildcard. */
  told(pos, head = 0) {
    if (!pos) return;
    if (pos.epoch && pos.epoch !== this.epoch) [this.epoch, this.top] = [pos.epoch, 0];
    this.top = Math.max(this.top ?? 0, pos.seq, head);
  }

  /** Says whether the server began further ahead than a tab was told. */
  misses(at) {
    return at && at.seq < this.start?.seq;
  }

  /** Takes a message. Returns whether it was told before, and the members that it is for. */
  take(m) {
    const { pos, mid } = m;
    const again = pos ? pos.seq <= this.top : this.repeats(m);
    this.told(pos);
    const tabs = [];
    for (const [tab, member] of this.members) {
      const { at } = member;
      if (pos && at) {
        if (pos.seq <= at.seq || this.misses(at)) continue;
        member.at = { epoch: at.epoch, seq: pos.seq, mid };
      } else if (again && this.current && this.current.tab !== tab) continue;
      tabs.push(tab);
    }
    return { again, tabs };
  }

  /** Says whether a message is the value of its key that was told before. */
  repeats({ key, mid, volatile }) {
    const { values } = this;
    if (!key || volatile) return false;
    const again = values.get(key) === mid;
    values.delete(key);
    values.set(key, mid);
    if (values.size > VALUES) values.delete(values.keys().next().value);
    return again;
  }

  /** Tells a tab of a gap behind where it is. */
  gap(tab, m) {
    const member = this.members.get(tab);
    tab.say({ ...m, data: { ...m.data, after: member.at?.seq } });
    member.at = m.pos;
  }

  /** Takes what the server says of the room beside messages. */
  heard(m, text) {
    const { type, pos, data } = m;
    const { current } = this;
    if (type === "$presence") return this.listeners.forEach((tab) => tab.say(text));
    const rewound = data?.reason === "rewound";
    if (rewound) this.top = 0;
    if (type === "$gap") this.start = pos;
    this.told(pos);
    for (const [tab, member] of [...this.members]) {
      const { at } = member;
      const other = current?.behind && current.tab !== tab; // it is told what concerns it, too
      if (type === "$live") {
        if (other || this.misses(at)) continue;
      } else if (type === "$gap" && pos && at && other) {
        if (at.epoch !== pos.epoch || (rewound ? at.seq !== pos.seq : at.seq < pos.seq)) this.gap(tab, m);
        continue;
      }
      tab.say(text);
      if (pos && (type === "$gap" || (pos.epoch === at?.epoch && pos.seq > at.seq))) member.at = pos;
    }
    const left = type === "$left";
    if (left) {
      this.members.clear();
      this.joined = false;
    }
    if (current?.behind && (left || type === "$live")) this.done();
    this.line.vacate(this);
  }
}
