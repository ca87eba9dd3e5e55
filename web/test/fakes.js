// A WebSocket and a clock that do what the test says.
export class FakeSocket {
  static made = [];
  readyState = 0;
  bufferedAmount = 0;
  extensions = "permessage-deflate";
  sent = [];
  closed = null;

  constructor(url) {
    if (url === "nonsense") throw new SyntaxError("bad");
    this.url = url;
    FakeSocket.made.push(this);
  }
  send(data) {
    this.sent.push(data);
  }
  close(code) {
    this.closed = code ?? "no code";
    this.readyState = 2;
  }
  opens() {
    this.readyState = 1;
    this.onopen();
  }
  ends(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
}

export class FakeClock {
  time = 0;
  timers = new Map();
  next = 1;
  now = () => this.time;
  after = (ms, f) => {
    this.timers.set(this.next, { at: this.time + ms, f });
    return this.next++;
  };
  cancel = (id) => this.timers.delete(id);
  advance(ms) {
    this.time += ms;
    for (const [id, { at, f }] of [...this.timers]) {
      if (at <= this.time && this.timers.delete(id)) f();
    }
  }
}
