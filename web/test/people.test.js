import assert from "node:assert/strict";
import { test } from "node:test";
import { changed } from "../pages/people.js";

test("what makes one list the other", () => {
  const list = (...names) => new Map(names.map((name) => name.split("=")));
  for (const [before, after, lines] of [
    [list(), list(), []],
    [list("s1=Ada"), list("s1=Ada", "s2=Grace"), ["Grace joined"]],
    [list("s1=Ada", "s2=Grace"), list("s2=Grace"), ["Ada left"]],
    [list("s1=Ada"), list("s1=Lady Ada"), ["Ada is now Lady Ada"]],
    [list("s1=Ada", "s2=Ada"), list("s3=Ada", "s2=Eve"), ["Ada left", "Ada is now Eve", "Ada joined"]],
  ]) {
    assert.deepEqual(changed(before, after), lines);
  }
});
