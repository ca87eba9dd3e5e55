import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Outbox } from "../pages/outbox.js";
import { Publisher } from "../pages/publisher.js";
import { FakeClock } from "./fakes.js";

let clock, outbox, publisher, room, sent, stored;

beforeEach(() => {
  clock = new FakeClock();
  [sent, stored] = [[], []];
  outbox = new Outbox({ now: clock.now });
  // A room that keeps what is published, and the function that wants the reply.
  room = { live: true, dedupe: 120_000, publish: (type, mid, data, reply) => sent.push({ type, mid, data, reply }) > 0 };
  publisher = new Publisher(outbox, room, {
    after: clock.after,
    message: (text) => ({ type: "chat", data: { text } }),
    onChange: () => {},
    onStored: (key) => stored.push(outbox.confirm(key).text),
  });
});

const ok = { type: "$ok" };
const refused = (data) => ({ type: "$error", data });

test("one at a time, each when the one before it is stored", () => {
  room.live = false;
  const { key } = outbox.add("one");
  outbox.add("two");
  publisher.flush();
  assert.equal(sent.length, 0, "not before the room is live");
  room.live = true;
  publisher.flush();
  publisher.flush();
  assert.deepEqual([sent.length, sent[0].type, sent[0].mid, sent[0].data], [1, "chat", key, { text: "one" }]);
  sent[0].reply(ok);
  sent[1].reply(ok);
  assert.deepEqual(stored, ["one", "two"]);
});

test("what may be tried again is, in its order, after the wait that the server wants", () => {
  outbox.add("one");
  outbox.add("two");
  publisher.flush();
  sent[0].reply(refused({ code: "rate", retryable: true, retryAfter: 200 }));
  publisher.flush();
  clock.advance(199);
  assert.equal(sent.length, 1);
  clock.advance(1);
  assert.deepEqual(sent[1].mid, sent[0].mid);
  sent[1].reply(refused({ code: "draining", retryable: true }));
  clock.advance(1000);
  sent[2].reply(ok);
  sent[3].reply(ok);
  assert.deepEqual(stored, ["one", "two"]);
});

test("what is refused for good waits for the user, and holds nobody up", () => {
  outbox.add("one");
  outbox.add("two");
  publisher.flush();
  sent[0].reply(refused({ code: "chat.text", message: "too long" }));
  sent[1].reply(ok);
  assert.deepEqual(stored, ["two"]);
  assert.deepEqual([...outbox].map(({ state, reason }) => [state, reason]), [["refused", "too long"]]);
});

test("a lost connection has it sent again with its key, while the server knows that", () => {
  outbox.add("one");
  clock.advance(5);
  publisher.flush();
  publisher.disconnected();
  publisher.flush();
  assert.equal(sent[1].mid, sent[0].mid);
  publisher.disconnected();
  clock.advance(120_001);
  publisher.flush();
  assert.equal(sent.length, 2);
  assert.equal([...outbox][0].state, "refused");
});
