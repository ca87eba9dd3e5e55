import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TidewireError } from "../tidewire.js";
import { parse, patternOf, wrongName } from "../tidewire/message.js";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../testdata/protocol/${name}.json`, import.meta.url), "utf8"));

const fields = ["type", "data", "id", "re", "room", "pos", "prev", "mid", "key", "volatile", "from"];

test("valid.json", () => {
  let read = 0;
  for (const { name, json, message } of vectors("valid")) {
    if (json === undefined) continue;
    const m = parse(json);
    const known = Object.fromEntries(fields.filter((f) => m[f] !== undefined).map((f) => [f, m[f]]));
    if (known.pos) known.pos = Object.fromEntries(Object.entries(known.pos).filter(([f, v]) => ["epoch", "seq", "mid"].includes(f) && v !== null));
    const absent = { prev: 0, volatile: false }; // that is what their absence means
    for (const f in absent) if (known[f] === absent[f]) delete known[f];
    assert.deepEqual(known, message, name);
    read++;
  }
  assert.ok(read > 20, `${read} cases`);
});

// What JSON.parse cannot see. Each is a case of invalid.json that the browser client takes, for that reason and no other.
const UNSEEN = {
  "a name that occurs twice": [
    "type occurs twice", "id occurs twice", "room occurs twice", "mid occurs twice", "data occurs twice", "pos occurs twice",
    "volatile occurs twice", "id occurs twice, the second time with escapes", "seq occurs twice",
  ],
  "an integer that is not written as one": [
    "id is a float", "id is 4e0", "id is 1e2", "re is a float", "re is 4e0", "re is 1e2", "prev is a float", "prev is 4e0", "prev is 1e2",
    "pos is with a float for seq",
  ],
  "a number that is too large for a float": ["a number past float64", "a number past float64, without an exponent"],
  "how deep it is nested": ["33 levels", "33 levels in an unknown field"],
};

test("invalid.json", () => {
  const unseen = new Map(Object.entries(UNSEEN).flatMap(([why, names]) => names.map((name) => [name, why])));
  let read = 0;
  for (const { name, codec, text, code, id, room, mid } of vectors("invalid")) {
    if (codec !== "json") continue;
    read++;
    let error;
    try {
      parse(text);
    } catch (e) {
      error = e;
    }
    if (unseen.has(name)) {
      assert.equal(error, undefined, `${name}: it is seen, and does not belong on the list`);
      unseen.delete(name);
      continue;
    }
    assert.ok(error instanceof TidewireError, `${name}: ${text.slice(0, 200)} was taken`);
    assert.equal(error.code, code, name);
    let wellFormed = true;
    try {
      JSON.parse(text);
    } catch {
      wellFormed = false; // JSON.parse gives nothing of what stands before the fault
    }
    if (wellFormed) {
      const want = JSON.parse(JSON.stringify({ id, room, mid }));
      assert.deepEqual(error.about, want, name);
    } else assert.deepEqual(error.about, {}, name);
  }
  assert.deepEqual([...unseen.keys()], [], "on the list, but not in invalid.json");
  assert.ok(read > 100, `${read} cases`);
});

test("names", () => {
  for (const [field, name, want] of [
    ["type", "x".repeat(64)], ["type", "x".repeat(65), "too-large"], ["type", "ü".repeat(33), "too-large"], ["type", "", "invalid"],
    ["type", "two words", "invalid"], ["type", "a\u200bb", "invalid"], ["type", "\ud800", "invalid"], ["type", 7, "invalid"],
    ["from", "Ann Lee"], ["from", "Ann\tLee", "invalid"], ["room", "a:*:c"], ["room", "a:>"], ["room", ">"], ["room", "a:>:c", "invalid"],
    ["room", "a::b", "invalid"], ["room", "a*", "invalid"], ["room", "x".repeat(129), "too-large"],
  ]) assert.equal(wrongName(field, name), want, `${field} ${name}`);
});

test("wildcards", () => {
  for (const [wildcard, room, want] of [
    ["room:*", "room:7", true], ["room:*", "room:7:x", false], ["room:*", "room", false], ["*:7", "room:7", true], ["room:>", "room:7", true],
    ["room:>", "room:7:x", true], ["room:>", "room", false], [">", "room", true], ["*:>", "room", false], ["a:*:c", "a:b:c", true],
    ["a:*:c", "a:b:d", false], ["a:*:>", "a:b:d:e", true], ["b:>", "a:b", false],
    ["a.b:*", "axb:1", false], ["a.b:*", "a.b:1", true], ["(€[:*", "(€[:1", true], ["a\\b:*", "a\\b:😀", true],
  ]) assert.equal(patternOf(wildcard).test(room), want, `${wildcard} ${room}`);
  assert.equal(patternOf("room:7"), undefined);
});
