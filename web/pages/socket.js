// A WebSocket that comes back by itself.
//
//   const socket = new ReconnectingSocket(address("/chat"), {
//     onState: (state) => show(state),
//     onMessage: (data) => handle(data),
//   });
//   socket.open();
//
// A browser's WebSocket cannot be reopened, so each attempt is a new one. The
// state goes  closed → connecting → open → waiting → connecting → …
//
//   { name: "connecting" }
//   { name: "open", extensions }           what the handshake agreed on
//   { name: "waiting", until, why }        until: the clock time of the next attempt
//   { name: "closed", why }
//
// why is { code, reason } of the connection that ended, or null.

import { Backoff } from "./backoff.js";

const sentAway = 4403; // a close code of ours: do not come back by yourself

// The time functions, in one place so that a test can bring its own.
const realClock = {
  now: () => performance.now(),
  after: (ms, f) => setTimeout(f, ms),
  cancel: (timer) => clearTimeout(timer),
};

// address is where path is on the server that this page came from.
export function address(path) {
  return location.origin.replace(/^http/, "ws") + path;
}

export class ReconnectingSocket {
  #socket = null;
  #timer = null;
  #opened = 0;
  #options;

  constructor(url, options = {}) {
    this.url = url;
    this.state = { name: "closed", why: null };
    this.#options = {
      onState: () => {},
      onMessage: () => {},
      backoff: new Backoff(),
      patience: 10_000, // how long one attempt may take, in ms
      settle: 5_000, // a connection this old counts as a success, in ms
      clock: realClock,
      WebSocket: globalThis.WebSocket,
      ...options,
    };
  }

  // open connects now, whether the socket was closed or waiting.
  open() {
    if (this.state.name === "connecting" || this.state.name === "open") return;
    const { WebSocket, clock, patience } = this.#options;
    this.#cancelTimer();
    let socket;
    try {
      socket = new WebSocket(this.url);
    } catch {
      // Only an address that is no address at all ends here. No retry helps.
      this.#enter({ name: "closed", why: { code: 0, reason: "bad address" } });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    // Every handler first asks whether it still belongs to the current attempt:
    // a socket that was given up may have its say much later.
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#cancelTimer();
      this.#opened = clock.now();
      this.#enter({ name: "open", extensions: socket.extensions });
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#options.onMessage(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      const why = { code: event.code, reason: event.reason };
      if (event.code === sentAway) this.#end(why);
      else this.#wait(why);
    };
    this.#timer = clock.after(patience, () => this.drop("no answer"));
    this.#enter({ name: "connecting" });
  }

  // send hands data to the connection. It returns false when there is none; then
  // nothing was sent, and what to do with the data is the caller's decision.
  send(data) {
    if (this.state.name !== "open" || this.#socket.readyState !== 1) return false;
    this.#socket.send(data);
    return true;
  }

  // buffered is how many bytes send has taken that the network has not yet.
  get buffered() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  // drop gives up a connection that seems dead, and tries again later. It does
  // not wait for the peer: a browser may take a minute to notice what we know.
  drop(reason) {
    if (this.state.name !== "connecting" && this.state.name !== "open") return;
    const socket = this.#socket;
    this.#wait({ code: 1006, reason });
    socket.close();
  }

  // close ends it for good: no more attempts until open.
  close() {
    const socket = this.#socket;
    this.#end(null);
    socket?.close(1000);
  }

  #end(why) {
    this.#cancelTimer();
    this.#socket = null;
    if (this.state.name !== "closed") this.#enter({ name: "closed", why });
  }

  #wait(why) {
    const { backoff, clock, settle } = this.#options;
    this.#cancelTimer();
    this.#socket = null;
    // A server that accepts and drops at once must not be hammered, so only a
    // connection that lasted makes the next wait short again.
    if (this.state.name === "open" && clock.now() - this.#opened >= settle) backoff.reset();
    const ms = backoff.next(why.code);
    this.#timer = clock.after(ms, () => this.open());
    this.#enter({ name: "waiting", until: clock.now() + ms, why });
  }

  #cancelTimer() {
    this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #enter(state) {
    this.state = state;
    this.#options.onState(state);
  }
}
