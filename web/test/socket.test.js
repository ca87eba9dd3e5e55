import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ReconnectingSocket } from "../pages/socket.js";
import { FakeClock, FakeSocket } from "./fakes.js";

let clock, states, messages, waits;
const latest = () => FakeSocket.made.at(-1);

function make(options = {}) {
  const backoff = { resets: 0, next: () => waits.shift() ?? 100, reset: () => (backoff.resets += 1) };
  const socket = new ReconnectingSocket("/x", {
    WebSocket: FakeSocket, clock, backoff,
    onState: (state) => states.push(state),
    onMessage: (data) => messages.push(data),
    ...options,
  });
  return { socket, backoff };
}

beforeEach(() => {
  FakeSocket.made = [];
  [clock, states, messages, waits] = [new FakeClock(), [], [], []];
});

test("it opens, delivers and sends", () => {
  const { socket } = make();
  assert.equal(socket.send("too early"), false);
  socket.open();
  assert.equal(socket.send("still too early"), false);
  latest().opens();
  latest().onmessage({ data: "hi" });
  assert.equal(socket.send("hello"), true);
  assert.deepEqual(latest().sent, ["hello"]);
  assert.deepEqual(messages, ["hi"]);
  assert.deepEqual(states, [{ name: "connecting" }, { name: "open", extensions: "permessage-deflate" }]);
  assert.equal(clock.timers.size, 0, "no timer is left behind");
});

test("a lost connection comes back after the wait, and says why it ended", () => {
  const { socket } = make();
  waits = [700];
  socket.open();
  latest().opens();
  latest().ends(1001, "restart");
  assert.deepEqual(socket.state, { name: "waiting", until: 700, why: { code: 1001, reason: "restart" } });
  assert.equal(socket.send("lost?"), false);
  clock.advance(699);
  assert.equal(FakeSocket.made.length, 1);
  clock.advance(1);
  assert.equal(FakeSocket.made.length, 2);
  latest().opens();
  assert.equal(socket.state.name, "open");
});

test("only a connection that lasted resets the backoff", () => {
  const { socket, backoff } = make({ settle: 5000 });
  socket.open();
  latest().opens();
  clock.advance(4999);
  latest().ends();
  assert.equal(backoff.resets, 0);
  clock.advance(100);
  latest().ends(); // an attempt that failed
  clock.advance(100);
  latest().opens();
  clock.advance(5000);
  latest().ends();
  assert.equal(backoff.resets, 1);
});

test("open while waiting tries at once, and only once", () => {
  const { socket } = make();
  waits = [10_000];
  socket.open();
  latest().ends();
  socket.open();
  socket.open();
  assert.equal(FakeSocket.made.length, 2);
  clock.advance(9999);
  latest().opens();
  clock.advance(100_000);
  assert.equal(FakeSocket.made.length, 2);
});

test("close is for good", () => {
  const { socket } = make();
  socket.open();
  latest().opens();
  socket.close();
  assert.equal(latest().closed, 1000);
  latest().ends(1000);
  clock.advance(100_000);
  assert.equal(FakeSocket.made.length, 1);
  assert.deepEqual(socket.state, { name: "closed", why: null });
});

test("close while waiting stops the waiting", () => {
  const { socket } = make();
  socket.open();
  latest().ends();
  socket.close();
  clock.advance(100_000);
  assert.equal(FakeSocket.made.length, 1);
});

test("drop does not wait for the peer, and ignores what it says later", () => {
  const { socket } = make();
  socket.open();
  latest().opens();
  const dead = latest();
  socket.drop("no heartbeat");
  assert.deepEqual(socket.state.why, { code: 1006, reason: "no heartbeat" });
  assert.equal(dead.closed, "no code");
  clock.advance(100);
  latest().opens();
  dead.onmessage({ data: "from the grave" });
  dead.ends();
  dead.onopen();
  assert.equal(socket.state.name, "open");
  assert.deepEqual(messages, []);
  assert.equal(FakeSocket.made.length, 2);
});

test("an attempt that nobody answers is given up", () => {
  const { socket } = make({ patience: 10_000 });
  socket.open();
  clock.advance(10_000);
  assert.deepEqual(socket.state.why, { code: 1006, reason: "no answer" });
  clock.advance(100);
  assert.equal(FakeSocket.made.length, 2);
});

test("who was sent away does not come back by itself", () => {
  const { socket } = make();
  socket.open();
  latest().opens();
  latest().ends(4403, "enough");
  assert.deepEqual(socket.state, { name: "closed", why: { code: 4403, reason: "enough" } });
  clock.advance(100_000);
  assert.equal(FakeSocket.made.length, 1);
  socket.open();
  assert.equal(FakeSocket.made.length, 2);
});

test("a bad address is not tried again", () => {
  const { socket } = make();
  socket.url = "nonsense";
  socket.open();
  assert.equal(socket.state.name, "closed");
  assert.equal(clock.timers.size, 0);
});

test("buffered is the browser's count", () => {
  const { socket } = make();
  assert.equal(socket.buffered, 0);
  socket.open();
  latest().bufferedAmount = 42;
  assert.equal(socket.buffered, 42);
});
