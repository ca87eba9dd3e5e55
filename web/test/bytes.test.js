import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHex, formatSize, parseHex, utf8Length } from "../pages/bytes.js";

test("hex in every common spelling", () => {
  for (const text of ["48 65 6c", "48656C", "48:65:6c", "0x48, 0x65, 0x6C", " 48-65\n6c ", "486 56c"]) {
    assert.deepEqual([...parseHex(text)], [0x48, 0x65, 0x6c], text);
  }
  assert.equal(parseHex("").length, 0);
  assert.equal(parseHex(" \n").length, 0);
});

test("what is no hex is named", () => {
  assert.throws(() => parseHex("0g"), /“g” is not a hex digit/);
  assert.throws(() => parseHex("4🌊"), /“🌊” is not a hex digit/u);
  assert.throws(() => parseHex("48 6"), /odd number/);
});

test("all bytes go there and back", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(parseHex(formatHex(all)), all);
});

test("sizes", () => {
  const sizes = {
    0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 10_240: "10 KiB",
    1_048_576: "1 MiB", 33_554_432: "32 MiB",
  };
  for (const [n, text] of Object.entries(sizes)) assert.equal(formatSize(Number(n)), text);
});

test("a text's length on the wire", () => {
  assert.equal(utf8Length("naïve"), 6);
  assert.equal(utf8Length("🌊"), 4);
});
