// One connection: $hello, requests with their replies, and whether the server still lives.

import { guard } from "./emitter.js";
import { disconnected, errorOf } from "./error.js";
import { parse } from "./message.js";

const PING = 25_000; // ms of silence behind which the server sends $ping
const PATIENCE = 5000; // for the answer to a probe

export class Link {
  pending = new Map(); // what takes replies, by id; those to the joins in $hello, by room
  lastId = 1; // that of $hello
  joining = 0; // joins under way
  sends = 0;
  calls = 0;
  renewals = 0; // of the token that failed in a row
  since = NaN; // when $hello was answered
  over = false;

  /** socket is a WebSocket that has not opened, or looks like one. */
  constructor(client, socket, token) {
    Object.assign(this, { client, socket });
    this.pending.set(1, this.due("$hello", (m) => m && client.welcome(this, m)));
    socket.onopen = () => {
      client.direct ||= socket.url; // a WebSocket opens here
      const data = { token, client: client.secret, ping: PING, join: client.helloJoins(this) };
      socket.send(JSON.stringify({ type: "$hello", id: 1, data }));
      this.watch();
    };
    socket.onmessage = ({ data }) => !this.over && guard(() => this.message(data));
    socket.onclose = ({ code, reason }) => this.lost(disconnected(reason, code));
  }

  /** Says whether messages can be sent now. */
  get up() {
    return this.since && !this.over && !this.expired && this.socket.readyState === 1;
  }

  /** Sends a message and calls done with the reply, or with nothing and an error when the connection is lost. */
  ask(m, done, text = JSON.stringify(m)) {
    if (this.over) return done();
    this.pending.set(++this.lastId, done);
    this.socket.send(`{"id":${this.lastId},${text.slice(1)}`);
  }

  /** Asks what the server has to answer in time. Resolves with undefined when the connection is lost. */
  demand(m) {
    return new Promise((done) => this.ask(m, this.due(m.type, done)));
  }

  /** Is done, with a time for it: who gets no answer gives up the connection. */
  due(what, done) {
    const { client } = this;
    const timer = client.after(client.o.callTimeout, () => this.drop(disconnected(`no answer to ${what}`)));
    return (m, error) => {
      client.stop(timer);
      done(m, error);
    };
  }

  message(text) {
    this.heard = Date.now();
    let m;
    try {
      m = parse(text);
    } catch (e) {
      return this.reply(e.about.id, e);
    }
    if (m.type === "$ok" || m.type === "$error") this.replied(m);
    else if (m.type === "$ping") this.reply(m.id);
    else this.client.heard(this, m);
  }

  replied(m) {
    const key = m.re ?? (m.mid ? undefined : m.room); // a cast that is refused has a mid
    const done = this.pending.get(key);
    this.pending.delete(key);
    if (done) done(m);
    else if (m.type === "$error" && !m.re) this.client.emit("refused", errorOf(m), m);
  }

  /** Answers a call of the server's. */
  reply(re, error, data) {
    if (!re || this.over) return;
    const m = { type: error ? "$error" : "$ok", re, data: error ?? data };
    this.socket.send(this.client.fitting(JSON.stringify(m)));
  }

  /** Looks now and then whether the server still lives. The clock decides, as timers of hidden pages are late. */
  watch() {
    const { client } = this;
    this.watching = client.after(PING, () => {
      this.watch();
      if (Math.abs(Date.now() - this.heard) > 2 * PING) this.probe();
    });
  }

  /** Asks for a sign of life, and drops the connection if none comes. */
  probe() {
    const { client } = this;
    if (!this.up || !this.heard) return; // it is asked already
    this.heard = 0;
    client.stop(this.watching);
    this.ask({ type: "$ping" }, () => {});
    this.watching = client.after(PATIENCE, () => {
      if (this.heard) this.watch();
      else this.drop(disconnected("no answer to $ping"));
    });
  }

  /** Ends the connection from this side. */
  drop(error, status = 4000) {
    try {
      this.socket.close(status);
    } catch {} // what never opened may not like it
    this.lost(error);
  }

  lost(error) {
    if (this.over) return;
    this.over = true;
    this.client.stop(this.watching);
    for (const done of this.pending.values()) done(undefined, error);
    this.client.lost(this, error);
  }
}
