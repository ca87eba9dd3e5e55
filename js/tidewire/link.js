// One connection: $hello, requests with their replies, and whether the server still lives.

import { guard } from "./emitter.js";
import { TidewireError, disconnected, errorOf } from "./error.js";
import { parse } from "./message.js";

const PING = 25_000; // ms of silence behind which the server sends $ping
const PATIENCE = 5000; // for the answer to a probe

export class Link {
  /** socket is a WebSocket that has not opened, or looks like one. */
  constructor(client, socket, token) {
    Object.assign(this, { client, socket, lastId: 0, pending: new Map(), joins: new Map() });
    Object.assign(this, { ready: false, over: false, expired: false, draining: false });
    this.joining = this.sends = this.calls = this.renewals = 0; // under way, and failed renewals
    const welcomed = this.due("$hello", (m) => m && client.welcome(this, m));
    this.joins.set("", welcomed); // told if the connection never opens
    socket.onopen = () => {
      this.joins.delete("");
      this.ask({ type: "$hello", data: { token, client: client.secret, ping: PING, join: client.helloJoins(this) } }, welcomed);
      this.watch();
    };
    socket.onmessage = ({ data }) => !this.over && guard(() => this.message(data));
    socket.onclose = ({ code, reason }) => this.lost(disconnected(reason, code));
  }

  /** Says whether messages can be sent now. */
  get up() {
    return this.ready && !this.over && this.socket.readyState === 1;
  }

  /** Sends a message, given as an object or as its JSON, and calls done with the reply, or with an error when the connection is lost. */
  ask(m, done) {
    const text = typeof m === "string" ? m : JSON.stringify(m);
    if (this.over) return void done();
    this.pending.set(++this.lastId, done);
    this.socket.send(`{"id":${this.lastId},${text.slice(1)}`);
  }

  /** Is done, with a time for it: who gets no answer gives up the connection. */
  due(what, done) {
    const { client } = this;
    const timer = client.after(client.o.callTimeout, () => this.drop(disconnected(`no answer to ${what} in time`)));
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
    const viaHello = !m.re && !m.mid; // to a join in $hello; a cast that is refused has a mid
    const [waiting, key] = viaHello ? [this.joins, m.room] : [this.pending, m.re];
    const done = waiting.get(key);
    waiting.delete(key);
    if (done) done(m);
    else if (m.type === "$error" && !m.re) this.client.emit("refused", errorOf(m), m);
  }

  /** Answers a call of the server's. */
  reply(re, error, data) {
    if (!re || this.over) return;
    const { code, message, retryable } = error ?? {};
    const m = error ? { type: "$error", re, data: { code, message, retryable } } : { type: "$ok", re, data };
    this.socket.send(this.client.fitting(JSON.stringify(m)));
  }

  /** Looks now and then whether the server still lives. The clock decides, as timers of hidden pages are late. */
  watch() {
    const { client } = this;
    this.watching = client.after(PING, () => {
      if (Math.abs(Date.now() - this.heard) > 2 * PING) this.probe();
      else this.watch();
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
      else this.drop(disconnected("server is silent"));
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
    for (const done of [...this.pending.values(), ...this.joins.values()]) done(undefined, error);
    this.client.lost(this, error);
  }
}
