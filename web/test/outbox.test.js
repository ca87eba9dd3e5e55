import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, newKey } from "../pages/outbox.js";

// wire is a connection that takes messages while it is up.
function wire() {
  const sent = [];
  const send = (entry) => send.up && sent.push(entry.text) > 0;
  return Object.assign(send, { up: true, sent });
}

test("messages leave once, in order", () => {
  const outbox = new Outbox();
  const send = wire();
  for (const text of ["one", "two", "three"]) outbox.add(text);
  outbox.flush(send);
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
  outbox.disconnected();
  send.up = false;
  outbox.add("three");
  outbox.flush(send);
  send.up = true;
  outbox.flush(send);
  assert.deepEqual(send.sent, ["one", "two", "two", "three"]);
  assert.deepEqual([...outbox].map((entry) => entry.key)[0], two.key);
});

test("a send that fails keeps that message and all behind it", () => {
  const outbox = new Outbox();
  for (const text of ["one", "two", "three"]) outbox.add(text);
  const taken = [];
  outbox.flush((entry) => entry.text === "one" && taken.push(entry.text) > 0);
  assert.deepEqual([...outbox].map((entry) => entry.state), ["sent", "queued", "queued"]);
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
  outbox.disconnected();
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
  const before = new Outbox({ save });
  const send = wire();
  const one = before.add("one");
  const two = before.add("two");
  before.flush(send);
  before.confirm(one.key);
  const after = new Outbox({ saved: JSON.parse(saved), save });
  assert.deepEqual([...after], [{ key: two.key, text: "two", state: "queued" }]);
});

test("nonsense that was saved is ignored", () => {
  for (const saved of [null, 7, "x", {}, [{ key: 1, text: "a" }, { key: "k" }]]) {
    assert.equal(new Outbox({ saved }).size, 0);
  }
});

test("keys are all different", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newKey)).size, 1000);
});
