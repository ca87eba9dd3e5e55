import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch, parse } from "../pages/dispatch.js";

test("a message reaches the function of its type, with its data and all of it", () => {
  for (const data of ["text", { a: [1, null, "🌊"] }, 0, false, null, '{"json":"in a string"}', undefined]) {
    const message = parse(JSON.stringify({ type: "say", mid: "m1", data }));
    const got = [];
    assert.equal(dispatch(message, { say: (...all) => got.push(...all) }), true);
    assert.deepEqual(got, [data, message]);
    assert.equal(message.mid, "m1");
  }
});

test("only the function of its type is called", () => {
  const calls = [];
  const handlers = { a: () => calls.push("a"), b: () => calls.push("b") };
  dispatch({ type: "b" }, handlers);
  assert.deepEqual(calls, ["b"]);
});

test("what is no message is none", () => {
  for (const text of ["", "say", "{", "null", "7", '"say"', "[]", "{}", '{"type":1}', '{"type":["say"]}', new ArrayBuffer(3)]) {
    assert.equal(parse(text), null, String(text));
  }
});

test("types without a function call nothing", () => {
  const handlers = { say: () => assert.fail("called") };
  for (const type of ["shout", "constructor", "__proto__", "toString"]) {
    assert.equal(dispatch({ type, data: 1 }, handlers), false, type);
  }
});
