import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Room } from "../pages/room.js";
import { FakeClock, FakeSocket } from "./fakes.js";

let clock, room, told;
const latest = () => FakeSocket.made.at(-1);
const sent = () => latest().sent.map((text) => JSON.parse(text));
const says = (...messages) => {
  for (const message of messages) latest().onmessage({ data: JSON.stringify(message) });
};
const chat = (seq, prev, mid = `m${seq}`) => ({ type: "chat", room: "room:7", pos: { seq }, prev, mid, data: seq });
const joined = (seq, epoch = "k3") => ({ type: "$ok", room: "room:7", pos: { epoch, seq }, data: {} });
const liveAt = (seq, epoch = "k3") => ({ type: "$live", room: "room:7", pos: { epoch, seq, mid: `m${seq}` } });

// opens is a connection whose $hello is answered.
function opens() {
  latest().opens();
  says({ type: "$ok", re: sent()[0].id, data: { session: "s9", dedupe: 120_000, backoff: [100, 900] } });
}

beforeEach(() => {
  FakeSocket.made = [];
  [clock, told] = [new FakeClock(), []];
  const tell = (data, { type }) => told.push(type === "chat" ? data : type);
  room = new Room("/x", "room:7", {
    client: "secret", WebSocket: FakeSocket, clock, now: clock.now, random: () => 0.5,
    on: Object.fromEntries(["chat", "note", "$live", "$gap", "$left", "$degraded", "$error"].map((type) => [type, tell])),
  });
  room.socket.open();
});

test("it says hello, joins, and hands on what comes", () => {
  opens();
  assert.deepEqual(sent(), [{
    type: "$hello", id: 1, data: { client: "secret", ping: 5000, join: [{ room: "room:7", last: 100 }] },
  }]);
  assert.deepEqual([room.session, room.dedupe, room.live], ["s9", 120_000, false]);
  says(joined(17), chat(19, 17), chat(23, 19));
  assert.equal(room.live, false);
  says(liveAt(23), chat(24, 23), { type: "note", data: "without a room" });
  assert.equal(room.live, true);
  assert.deepEqual(told, [19, 23, "$live", 24, "note"]);
});

test("it comes back with its position, and shows each message once", () => {
  opens();
  says(joined(0), chat(1, 0), chat(4, 1), liveAt(4));
  latest().ends();
  assert.equal(room.live, false);
  clock.advance(1000);
  opens();
  assert.deepEqual(sent()[0].data.join, [{ room: "room:7", last: 100, pos: { epoch: "k3", seq: 4, mid: "m4" } }]);
  says(joined(4), chat(4, 1), chat(6, 4), chat(5, 4), chat(9, 6), liveAt(9));
  assert.deepEqual(told, [1, 4, "$live", 6, 9, "$live"]);
});

test("its position is that of the last message, whatever a reply says before a gap is told", () => {
  opens();
  says(joined(0), liveAt(4), chat(6, 4));
  for (const reply of [joined(6), joined(0, "k4"), joined(6)]) {
    latest().ends();
    clock.advance(1000);
    opens();
    assert.deepEqual(sent()[0].data.join[0].pos, { epoch: "k3", seq: 6, mid: "m6" });
    says(reply);
  }
});

test("what is missing between two messages is fetched", () => {
  opens();
  says(joined(1), liveAt(1), chat(5, 3), chat(6, 5));
  assert.deepEqual(sent()[1], {
    type: "$join", id: 2, room: "room:7", pos: { epoch: "k3", seq: 1, mid: "m1" }, data: { last: 100 },
  });
  assert.equal(room.live, false);
  says({ ...joined(1), re: 2 }, chat(3, 1), chat(5, 3), chat(6, 5), liveAt(6));
  assert.deepEqual(told, ["$live", 3, 5, 6, "$live"]);
});

test("a gap is told, and it goes on behind it, in another epoch too", () => {
  opens();
  says(joined(50), liveAt(50));
  latest().ends();
  clock.advance(1000);
  opens();
  says(joined(0, "k4"), { type: "$gap", room: "room:7", pos: { epoch: "k4", seq: 2 }, data: { after: 50, reason: "epoch" } });
  says(chat(3, 2), liveAt(3, "k4"));
  assert.deepEqual(told, ["$live", "$gap", 3, "$live"]);
  latest().ends();
  clock.advance(1000);
  opens();
  assert.deepEqual(sent()[0].data.join[0].pos, { epoch: "k4", seq: 3, mid: "m3" });
});

test("messages without a position are handed on, but not before the reply", () => {
  opens();
  const loose = { type: "chat", room: "room:7", volatile: true, data: "loose" };
  says(loose, chat(18, 17), joined(17), loose);
  assert.deepEqual(told, ["loose"]);
});

test("requests get their own reply, or none", () => {
  const replies = [];
  assert.equal(room.publish("chat", "m1", "hi", (m) => replies.push(m)), false, "there is no connection");
  opens();
  assert.equal(room.publish("chat", "m1", "hi", (m) => replies.push(m.type)), true);
  room.request({ type: "sum", data: [1] }, (m) => replies.push(m.data));
  const [, publish, call] = sent();
  assert.deepEqual(publish, { type: "chat", room: "room:7", mid: "m1", data: "hi", id: publish.id });
  says({ type: "$ok", re: call.id, data: 1 }, { type: "$error", re: publish.id, data: {} }, { type: "$ok", re: call.id, data: 2 });
  assert.deepEqual(replies, [1, "$error"]);
  room.request({ type: "late" }, () => assert.fail("that was another connection"));
  const { id } = sent().at(-1);
  latest().ends();
  clock.advance(1000);
  opens();
  says({ type: "$ok", re: id });
});

test("the server says how long to wait, and after a drain that is anywhere in it", () => {
  opens();
  latest().ends();
  assert.equal(room.socket.state.until - clock.now(), 150, "between 100 and 200");
  clock.advance(150);
  opens();
  says({ type: "$drain", data: { backoff: [1000, 5000] } });
  latest().ends(1012);
  assert.equal(room.socket.state.until - clock.now(), 3000);
});

test("a server that is silent for two pings is given up", () => {
  opens();
  clock.advance(9000);
  says({ type: "$ping" });
  clock.advance(9999);
  assert.equal(room.silence(), 9999);
  assert.equal(room.socket.state.name, "open");
  clock.advance(2);
  room.silence();
  assert.deepEqual(room.socket.state.why, { code: 1006, reason: "no heartbeat from the server" });
});

test("calls are answered", () => {
  opens();
  says({ type: "$ping", id: 7 }, { type: "confirm", id: 8, data: "sure?" });
  assert.deepEqual(sent().slice(1), [
    { type: "$ok", re: 7 },
    { type: "$error", re: 8, data: { code: "unknown-type" } },
  ]);
});

test("a refused hello needs another connection", () => {
  latest().opens();
  says({ type: "$error", re: 1, data: { code: "busy", message: "too much" } });
  assert.deepEqual(room.socket.state.why, { code: 1006, reason: "refused: too much" });
});

test("a refused join is told, and nothing comes after $left", () => {
  opens();
  says({ type: "$error", room: "room:7", data: { code: "forbidden" } });
  says(joined(1), chat(2, 1), { type: "$left", room: "room:7", data: { reason: "removed" } }, chat(3, 2));
  assert.deepEqual(told, ["$error", 2, "$left"]);
  says({ type: "$degraded", data: { rooms: "stored" } });
  assert.equal(told.at(-1), "$degraded");
});

test("nonsense does nothing", () => {
  opens();
  for (const data of ["", "null", "{", '{"type":7}', '{"type":"constructor"}', '{"type":"$new","room":"room:7"}', '{"type":"chat","room":"room:8"}']) {
    latest().onmessage({ data });
  }
  assert.deepEqual(told, []);
  assert.equal(sent().length, 1);
});
