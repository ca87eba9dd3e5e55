// Tab sharing, the worker's half: the tabs of one page's origin come here (tabs.js), and those of one user get one connection.

import { Line } from "./line.js";

const UNREAD = 1 << 20; // characters that a tab may be behind
const DYING = 200; // ms for what a tab said last to arrive
const BUFFERED = 1 << 18; // bytes that wait for the network before tabs are told so

const lines = new Set();
let secret; // under which the server knows our messages again
let life; // the lock that this worker holds as long as it lives: who gets it knows that it died
let turn = Promise.resolve(); // one tab after the other looks for its line

/** A tab, at the other end of a port: its client speaks to us as to a server. */
class Tab {
  seen = 0;
  unread = 0;

  constructor(port) {
    this.port = port;
    this.gone = new Promise((gone) => (this.go = gone));
    port.onmessage = ({ data }) => this.told(data);
  }

  told(data) {
    if (this.over) return;
    if (typeof data === "string") {
      this.take(JSON.parse(data));
      this.taken(data.length);
    } else if (data.url) {
      Object.assign(this, data);
      secret ??= data.secret;
      navigator.locks.request(data.lock, () => this.died()); // it lives as long as it has that lock
      life ??= live(`${data.lock} worker`);
      life.then((lock) => {
        this.post({ secret, lock });
        this.post({ open: true });
      });
    } else if (data.seen) {
      this.seen = Date.now();
    } else if (data.read) {
      this.unread -= data.read;
    } else {
      this.close(data.close);
    }
  }

  take(m) {
    if (this.line) return this.line.take(this, m);
    if (m.type === "$hello") turn = turn.then(() => Promise.race([this.find(m), this.gone])).catch(() => this.lost(1006, "the worker failed"));
  }

  /** Tells the tab that the network has taken something, once it has. */
  taken(n) {
    if (this.over || (this.line?.socket.bufferedAmount ?? 0) <= BUFFERED) this.post({ taken: n });
    else setTimeout(() => this.taken(n), 50);
  }

  /** Finds the line of this tab's user, or opens one. */
  async find(hello) {
    const { token } = hello.data;
    for (const line of lines) {
      if (this.over) return;
      if (await line.suits(this, token)) return this.enter(line, hello);
    }
    if (this.over) return;
    const line = new Line(await this.connect(), token, secret, (line) => lines.delete(line));
    this.gone.then(() => line.tabs.size || line.close(1000));
    const reply = await line.hello(() => {
      lines.add(line);
      this.enter(line, hello);
    });
    if (reply.type === "$ok") return;
    if (line.direct) this.post({ direct: line.direct });
    if (line.over) return this.lost(line.code, line.reason);
    this.say({ ...reply, re: hello.id });
    line.close(1000);
  }

  enter(line, hello) {
    if (this.over) return;
    this.line = line;
    line.add(this, hello);
  }

  async connect() {
    if (this.stream) return (await import("./stream.js")).open(this.url);
    return new WebSocket(this.url, "tidewire.v1.json");
  }

  // What the tab is told.

  post(data) {
    if (!this.over) this.port.postMessage(data);
  }

  say(m) {
    const text = typeof m === "string" ? m : JSON.stringify(m);
    if (this.unread > UNREAD) return this.drop(1013, "this tab reads too slowly");
    this.unread += text.length; // one message alone may be longer
    this.post(text);
  }

  drop(code, reason) {
    this.lost(code, reason);
    this.line?.remove(this, code);
  }

  lost(code, reason) {
    this.post({ code, reason });
    this.end();
  }

  close(code) {
    this.end();
    this.line?.remove(this, code);
  }

  /** The tab's lock is free: unless that it has closed is still on its way, it died. */
  died() {
    if (!this.over) this.dying = setTimeout(() => this.close(4001), DYING);
  }

  end() {
    this.over = true;
    clearTimeout(this.dying);
    this.port.close();
    this.go();
  }
}

/** Takes a lock, and resolves with its name. */
function live(name) {
  return new Promise((held) => navigator.locks.request(name, () => (held(name), new Promise(() => {}))));
}

globalThis.onconnect = ({ ports: [port] }) => new Tab(port);
