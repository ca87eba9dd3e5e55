import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../pages/state.js";

test("an ending in words", () => {
  assert.equal(explain(null), "you closed it");
  assert.equal(explain({ code: 1006, reason: "" }), "the connection was lost (1006)");
  assert.equal(explain({ code: 1001, reason: "back in a minute" }), "back in a minute (1001)");
  assert.equal(explain({ code: 4321, reason: "" }), "closed (4321)");
  assert.equal(explain({ code: 0, reason: "bad address" }), "bad address");
});
