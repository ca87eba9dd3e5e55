// One room of a hub, by hand: what docs/protocol.md asks of a client, and no more
// than one room needs. Messages are JSON. Types that begin with "$" are the
// protocol's, all others the application's.
//
//   → {"type":"$hello","id":1,"data":{"client":"…","ping":5000,"join":[{"room":"room:7","last":100}]}}
//   ← {"type":"$ok","re":1,"data":{"session":"s9","dedupe":120000,"backoff":[500,5000]}}
//   ← {"type":"$ok","room":"room:7","pos":{"epoch":"k3","seq":17},"data":{"recovered":false,"head":23}}
//   ← {"type":"chat","room":"room:7","prev":17,"pos":{"seq":23},"mid":"a0","data":{"text":"one"}}
//   ← {"type":"$live","room":"room:7","pos":{"epoch":"k3","seq":23,"mid":"a0"}}
//
// The room keeps the position of the last message that it handed on. After a lost
// connection it joins with that, and the server sends what is missing, in order, or
// says with $gap that it cannot.

import { Backoff } from "./backoff.js";
import { dispatch, parse } from "./dispatch.js";
import { ReconnectingSocket } from "./socket.js";

const ping = 5000; // ms: the server says something at least that often
const last = 100; // messages that somebody new is shown

export class Room {
  session = ""; // our name for the others, which proves nothing
  dedupe = 0; // ms for which the server knows a message again
  live = false; // whether everything before now has come
  #name;
  #client;
  #on;
  #now;
  #backoff;
  #position = null; // {epoch, seq, mid}
  #joined = false;
  #lastId = 0;
  #replies = new Map(); // id of a request → what to do with the reply
  #heard = 0; // when the server last said anything

  // client is a secret of this page by which the server knows its messages again. on
  // holds a function for each type: the application's, and $live, $gap, $left,
  // $degraded, and $error for a join that was refused.
  constructor(url, name, { client, on, onState = () => {}, now = () => performance.now(), ...options }) {
    this.#name = name;
    this.#client = client;
    this.#on = on;
    this.#now = now;
    this.#backoff = new Backoff(options);
    this.socket = new ReconnectingSocket(url, {
      backoff: this.#backoff,
      onMessage: (text) => this.#receive(text),
      onState: (state) => {
        this.#joined = this.live = false;
        this.#replies.clear(); // whoever waits for one sends again
        if (state.name === "open") this.#hello();
        onState(state);
      },
      ...options,
    });
  }

  // request sends a message that wants a reply, for answer. It returns false, and
  // sends nothing, when there is no connection. If that ends, there is no reply.
  request(message, answer = () => {}) {
    const id = (this.#lastId += 1);
    if (!this.socket.send(JSON.stringify({ ...message, id }))) return false;
    this.#replies.set(id, answer);
    return true;
  }

  // publish sends a message to everybody in the room. With the same mid it may be
  // sent again: the server stores it once.
  publish(type, mid, data, answer) {
    return this.request({ type, room: this.#name, mid, data }, answer);
  }

  // silence is for how many ms the server has said nothing. Past two pings it is
  // given up. Somebody must look now and then.
  silence() {
    const silence = this.#now() - this.#heard;
    if (silence > 2 * ping && this.socket.state.name === "open") this.socket.drop("no heartbeat from the server");
    return silence;
  }

  #hello() {
    this.#heard = this.#now();
    const join = [{ room: this.#name, last, pos: this.#position ?? undefined }];
    this.request({ type: "$hello", data: { client: this.#client, ping, join } }, ({ type, data }) => {
      if (type === "$error") return this.socket.drop(`refused: ${data.message}`);
      this.session = data.session;
      this.dedupe = data.dedupe;
      this.#backoff.range(data.backoff);
    });
  }

  #receive(text) {
    this.#heard = this.#now();
    const message = parse(text);
    if (!message) return;
    const { type, id, re, room, data } = message;
    if (re !== undefined) {
      const answer = this.#replies.get(re);
      this.#replies.delete(re);
      answer?.(message);
    } else if (type === "$drain") { // the server is about to go, and tells all pages
      this.#backoff.range(data.backoff);
      this.#backoff.spread();
    } else if (room === this.#name) {
      this.#inRoom(message);
    } else if (id !== undefined) { // a call; the only one that we can answer is $ping
      const code = "unknown-type";
      this.socket.send(JSON.stringify(type === "$ping" ? { type: "$ok", re: id } : { type: "$error", re: id, data: { code } }));
    } else if (room === undefined) {
      dispatch(message, this.#on);
    }
  }

  #inRoom(message) {
    const { type, pos, prev, mid } = message;
    if (type === "$ok") {
      this.#joined = true;
      this.#position ??= pos; // who has one keeps it, or is told of a gap
      return;
    }
    if (type === "$live" || type === "$gap") {
      this.#position = pos;
      this.live ||= type === "$live";
    } else if (type === "$left") {
      this.#joined = this.live = false;
    } else if (!this.#joined && type !== "$error") {
      return; // from before we joined again
    } else if (pos) {
      if (pos.seq <= this.#position.seq) return; // seen
      if (prev > this.#position.seq) return this.#joinAgain(); // there is something between
      this.#position = { epoch: this.#position.epoch, seq: pos.seq, mid };
    }
    dispatch(message, this.#on);
  }

  #joinAgain() {
    this.#joined = this.live = false;
    this.request({ type: "$join", room: this.#name, pos: this.#position, data: { last } }, (m) => this.#inRoom(m));
  }
}
