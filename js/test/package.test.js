import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as tidewire from "../tidewire.js";
import { Client } from "../tidewire/client.js";
import { Room } from "../tidewire/room.js";

globalThis.WebSocket = class {
  close() {}
};

const folder = fileURLToPath(new URL("..", import.meta.url));

test("what npm would publish", () => {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const [pack] = JSON.parse(execFileSync(npm, ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const names = pack.files.map((f) => f.path).sort();
  const modules = readdirSync(`${folder}/tidewire`).map((name) => `tidewire/${name}`);
  assert.deepEqual(names, ["LICENSE", "README.md", "package.json", "tidewire.d.ts", "tidewire.js", ...modules].sort());
  const manifest = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  for (const field of ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "scripts"]) assert.equal(manifest[field], undefined, field);
  assert.equal(readFileSync(`${folder}/LICENSE`, "utf8"), readFileSync(`${folder}/../LICENSE`, "utf8"));
  for (const file of [manifest.main, manifest.types, manifest.exports["."].default, manifest.exports["."].types]) assert.ok(names.includes(file.slice(2)), file);
});

// The d.ts is written by hand: what it names must be there.
test("tidewire.d.ts names what there is", () => {
  const text = readFileSync(`${folder}/tidewire.d.ts`, "utf8");
  const members = (name) => {
    const body = text.slice(text.indexOf(`export interface ${name}<`)).split("\n}")[0];
    return new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)[:(<]/gm)].map((m) => m[1]));
  };
  for (const [name, Type, least] of [["Client", Client, 6], ["Room", Room, 9]]) {
    const names = members(name);
    assert.ok(names.size >= least, `${name}: ${[...names]}`);
    const tw = new Client("ws://hub/");
    const one = name === "Client" ? tw : tw.room("room:7");
    for (const member of names) assert.ok(member in one, `${name}.${member}`);
    tw.close();
    assert.ok(one instanceof Type);
  }
  const exported = [...text.matchAll(/^export (?:function|class) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(exported.sort(), Object.keys(tidewire).sort());
});

test("docs/browser.md has every option and its default", () => {
  const text = readFileSync(`${folder}/../docs/browser.md`, "utf8");
  const [options] = text.slice(text.indexOf("## Options")).split("Of a room:");
  const rows = Object.fromEntries([...options.matchAll(/^\| `([\w.]+)` \| (\S+) \|/gm)].map((m) => [m[1], m[2]]));
  const tw = new Client("ws://hub/");
  const flat = (o, prefix = "") => Object.entries(o).flatMap(([k, v]) => (v && typeof v === "object" ? flat(v, `${k}.`) : [[prefix + k, String(v ?? "none")]]));
  assert.deepEqual(rows, Object.fromEntries(flat(tw.o)));
  tw.close();
});
