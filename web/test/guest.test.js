import assert from "node:assert/strict";
import { test } from "node:test";
import { guestName, hue } from "../pages/guest.js";

test("names are two words and fit the server's limit", () => {
  for (let i = 0; i < 400; i += 1) {
    const name = guestName();
    assert.match(name, /^[A-Z][a-z]+ [A-Z][a-z]+$/);
    assert.ok(name.length <= 32);
  }
  assert.equal(guestName(() => 0), "Amber Auk");
  assert.equal(guestName(() => 0.9999), "Wild Whelk");
});

test("a colour is an angle, the same each time, and differs between names", () => {
  const hues = ["Ada", "Grace", "Linus", "Barbara", "Ken", "🌊"].map(hue);
  for (const angle of hues) assert.ok(Number.isInteger(angle) && angle >= 0 && angle < 360);
  assert.equal(hue("Ada"), hues[0]);
  assert.ok(new Set(hues).size >= 5);
});
