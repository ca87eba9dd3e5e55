import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { strip } from "./strip.js";

const read = (url) => readFileSync(url, "utf8");

/** A module and all that it imports statically. */
function modules(url, all = new Map()) {
  if (all.has(url.href)) return all;
  const source = strip(read(url));
  all.set(url.href, source);
  for (const [, name] of source.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)";$/gm)) modules(new URL(name, url), all);
  return all;
}

test("the core is below 8 KiB", (t) => {
  const all = modules(new URL("../tidewire.js", import.meta.url));
  assert.ok(all.size > 5, `found ${all.size} modules`);
  const size = gzipSync([...all.values()].join("\n"), { level: 9 }).length;
  t.diagnostic(`${size} bytes in ${all.size} modules`);
  assert.ok(size < 8192, `the core has ${size} bytes, gzipped without comments and indentation`);
});

test("what is stripped is the same program", async () => {
  const url = new URL("../tidewire/message.js", import.meta.url);
  const source = strip(read(url)).replace(/import .* from "\.\/error\.js";/, "class TidewireError extends Error {}");
  const { wrongName, patternOf } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  assert.equal(wrongName("room", "a:*:b"), undefined);
  assert.ok(patternOf("a:*").test("a:b"));
});

test("comments are told from what looks like them", () => {
  for (const [source, want] of [
    ["a // b", "a"],
    ["a /* b\n */ c", "a  c"],
    ['"http://x" // y', '"http://x"'],
    ["'/*' + '\\'//' /* z */", "'/*' + '\\'//'"],
    ["`//${ f(/* x */ `/*${1}*/`) }//` // x", "`//${ f( `/*${1}*/`) }//`"],
    ["s.replace(/\\/\\/[/*]*/g, x) // y", "s.replace(/\\/\\/[/*]*/g, x)"],
    ["a / b // c / d", "a / b"],
    ["return /[//]/ // x", "return /[//]/"],
    ["  a\n\n\n    b", "a\nb"],
    ["if (x) { y } // z", "if (x) { y }"],
  ]) assert.equal(strip(source), want);
});
