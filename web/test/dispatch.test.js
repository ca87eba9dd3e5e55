import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, pack } from "../pages/dispatch.js";

test("what pack makes, dispatch delivers", () => {
  for (const data of ["text", { a: [1, null, "🌊"] }, 0, false, null, '{"json":"in a string"}']) {
    const got = [];
    assert.equal(dispatch(pack("say", data), { say: (d) => got.push(d) }), true);
    assert.deepEqual(got, [data]);
  }
});

test("a message without data calls its function without data", () => {
  let got = "untouched";
  assert.equal(dispatch('{"type":"ping"}', { ping: (d) => (got = d) }), true);
  assert.equal(got, undefined);
});

test("only the function of its type is called", () => {
  const calls = [];
  const handlers = { a: () => calls.push("a"), b: () => calls.push("b") };
  dispatch(pack("b", 1), handlers);
  assert.deepEqual(calls, ["b"]);
});

test("everything else is refused, and calls nothing", () => {
  const handlers = { say: () => assert.fail("called") };
  for (const text of [
    "", "say", "{", "null", "7", '"say"', "[]", "{}", '{"type":1}', '{"type":["say"]}',
    '{"type":"shout","data":1}', '{"type":"constructor"}', '{"type":"__proto__"}', '{"type":"toString"}',
    new ArrayBuffer(3),
  ]) {
    assert.equal(dispatch(text, handlers), false, String(text));
  }
});
