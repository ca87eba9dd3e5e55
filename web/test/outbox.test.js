import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, newKey } from "../pages/outbox.js";

// wire is a connection that takes messages while it is up.
function wire() {
  const sent = [];
  const send = (entry) => send.up && sent.push(entry.text) > 0;
  return Object.assign(send, { up: true, sent });
}

test("messages leave once, in order, one at a time", () => {
  const outbox = new Outbox();
  const send = wire();
  const keys = ["one", "two", "three"].map((text) => outbox.add(text).key);
  for (const key of keys) {
    outbox.flush(send);
    outbox.flush(send);
    assert.equal(send.sent.length, 1 + keys.indexOf(key), "the next one waits for the server's word");
    outbox.confirm(key);
  }
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one", "two", "three"]);
});

test("what was not confirmed is sent again, with the same key", () => {
  const outbox = new Outbox();
  const send = wire();
  const one = outbox.add("one");
  const two = outbox.add("two");
  outbox.flush(send);
  assert.equal(outbox.confirm(one.key).text, "one");
  outbox.flush(send);
  outbox.requeue();
  send.up = false;
  outbox.add("three");
  outbox.flush(send);
  send.up = true;
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one", "two", "two"]);
  assert.deepEqual([...outbox].map((entry) => entry.key)[0], two.key);
});

test("only what is asked for is sent again", () => {
  const outbox = new Outbox();
  const { key } = outbox.add("one");
  outbox.flush(wire());
  outbox.requeue("another");
  assert.equal([...outbox][0].state, "sent");
  outbox.requeue(key);
  assert.equal([...outbox][0].state, "queued");
});

test("a send that fails leaves everything as it is", () => {
  const outbox = new Outbox();
  for (const text of ["one", "two"]) outbox.add(text);
  outbox.flush(() => false);
  assert.deepEqual([...outbox].map(({ state, first }) => [state, first]), [["queued", 0], ["queued", 0]]);
});

test("what was sent too long ago is not sent again by itself", () => {
  let time = 1000;
  const outbox = new Outbox({ now: () => time });
  const send = wire();
  const { key } = outbox.add("one");
  outbox.add("never sent");
  time += 500; // counted from the first sending on
  outbox.flush(send);
  outbox.requeue();
  time += 2000;
  outbox.expire(2000, "who knows");
  outbox.flush(send);
  outbox.requeue();
  time += 1;
  outbox.expire(2000, "who knows");
  assert.deepEqual([...outbox].map(({ state, reason }) => [state, reason]), [["refused", "who knows"], ["queued", undefined]]);
  outbox.retry(key);
  outbox.expire(2000, "who knows");
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one", "one", "one"], "the user may want it all the same");
});

test("past its bound it refuses, and says so", () => {
  const outbox = new Outbox({ max: 2 });
  const first = outbox.add("one");
  assert.ok(outbox.add("two"));
  assert.equal(outbox.add("three"), null);
  assert.deepEqual([...outbox].map((entry) => entry.text), ["one", "two"]);
  outbox.confirm(first.key);
  assert.ok(outbox.add("three"));
});

test("a refused message waits for the user", () => {
  const outbox = new Outbox();
  const send = wire();
  const { key } = outbox.add("one");
  outbox.flush(send);
  assert.equal(outbox.refuse(key, "too fast").reason, "too fast");
  outbox.requeue();
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one"], "not by itself");
  outbox.retry(key);
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one", "one"]);
  outbox.discard(key);
  assert.equal(outbox.size, 0);
});

test("strangers' keys do nothing", () => {
  const outbox = new Outbox();
  outbox.add("one");
  for (const key of ["", "other", undefined, "__proto__"]) {
    assert.equal(outbox.confirm(key), undefined);
    assert.equal(outbox.refuse(key, "no"), undefined);
    assert.equal(outbox.retry(key), undefined);
  }
  assert.equal(outbox.size, 1);
});

test("a reload loses nothing", () => {
  let saved = "[]";
  const save = (entries) => (saved = JSON.stringify(entries));
  const before = new Outbox({ save, now: () => 7 });
  const send = wire();
  const one = before.add("one");
  const two = before.add("two");
  before.flush(send);
  before.confirm(one.key);
  before.flush(send);
  const after = new Outbox({ saved: JSON.parse(saved), save });
  assert.deepEqual([...after], [{ key: two.key, text: "two", state: "queued", first: 7 }]);
});

test("nonsense that was saved is ignored", () => {
  for (const saved of [null, 7, "x", {}, [{ key: 1, text: "a" }, { key: "k" }]]) {
    assert.equal(new Outbox({ saved }).size, 0);
  }
});

test("keys are all different", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newKey)).size, 1000);
});
