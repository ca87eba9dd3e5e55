// A room, or a wildcard, in which tabs are together: to the server they are one member.

import { patternOf } from "./message.js";

export class Place {
  members = new Map(); // tabs, and whether they want presence
  queue = []; // joins that wait for the one under way
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
    // Without a history there is nothing to start over.
    if (this.joined && !this.stored && !m.data?.token && (this.presence || !wanted)) return this.enter(join);
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
    const { tab, m } = join;
    tab.say({ ...reply, re: m.id });
    if (reply.type === "$error") return this.done(join);
    const { pos, data } = reply;
    this.joined = true;
    this.stored = Boolean(pos);
    this.told(pos, data?.head);
    if (!join.left && !tab.over) this.members.set(tab, Boolean(m.data?.presence));
    if (pos) join.behind = true; // until $live the server tells how this tab catches up
    else this.done(join);
  }

  /** Lets a tab in without asking the server. */
  enter(join) {
    const { tab, m } = join;
    this.members.set(tab, Boolean(m.data?.presence));
    tab.say({ type: "$ok", re: m.id, room: this.name, data: { recovered: false, head: 0 } });
    tab.say({ type: "$live", room: this.name });
    if (m.data?.presence) {
      this.line.requests.ask(tab, { type: "$presence", room: this.name }, "calls", ({ type, data }) => {
        if (type === "$ok") tab.say({ type: "$presence", room: this.name, data });
      });
    }
    this.done(join);
  }

  done(join) {
    if (this.current !== join) return;
    this.current = undefined;
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
    return [...this.members.keys()].filter((tab) => this.members.get(tab));
  }

  /** Takes over how far the server has told of the room: what comes again is for one tab, and not for those with a wildcard. */
  told(pos, head = 0) {
    if (!pos) return;
    if (pos.epoch && pos.epoch !== this.epoch) [this.epoch, this.top] = [pos.epoch, 0];
    this.top = Math.max(this.top ?? 0, pos.seq, head);
  }

  /** Says whether a message was told before. */
  again({ pos }) {
    const again = pos && pos.seq <= this.top;
    this.told(pos);
    return again;
  }

  /** Takes what the server says of the room beside messages. */
  heard(m, text) {
    const { current } = this;
    if (m.type === "$presence") return this.listeners.forEach((tab) => tab.say(text));
    if (m.data?.reason === "rewound") this.top = 0;
    this.told(m.pos);
    const left = m.type === "$left";
    const tabs = current?.behind && !left ? [current.tab] : [...this.members.keys()];
    if (left) {
      this.members.clear();
      this.joined = false;
    }
    for (const tab of tabs) tab.say(text);
    if (current?.behind && (left || m.type === "$live")) this.done(current);
    this.line.vacate(this);
  }
}
