import assert from "node:assert/strict";
import { test } from "node:test";
import { join, rest, room, run } from "./kit.js";

test("presence", run(async (w) => {
  const [tw, p] = await w.connect();
  const r = tw.room("room:7", { presence: true });
  const said = [];
  const text = ({ members, users, sessions }) => [...members.map((m) => `${m.user}/${m.session}`), users, sessions].join(" ");
  r.on("$presence", (crowd) => said.push(text(crowd)));
  const heard = (...words) => assert.deepEqual(said.splice(0), words);
  const tell = (data) => p.say({ type: "$presence", room: "room:7", data });
  assert.deepEqual(r.present, { members: [], users: 0, sessions: 0 });
  assert.deepEqual((await join(r, p, 1)).data, { presence: true });
  tell({ version: 11, users: [{ user: "bob", sessions: [{ session: "s4" }] }, { user: "ann", sessions: [{ session: "s9", info: { color: "red" } }, { session: "s8" }] }] });
  heard("ann/s8 ann/s9 bob/s4 2 3");
  assert.deepEqual(r.present.members[1], { user: "ann", session: "s9", info: { color: "red" } });
  tell({ version: 12, join: [{ user: "cy", session: "s12", info: {} }], leave: [{ user: "bob", session: "s4" }] });
  heard("ann/s8 ann/s9 cy/s12 2 3");
  tell({ version: 12, leave: [{ user: "cy", session: "s12" }] }); // not above ours
  tell({ version: 13, join: [{ user: "ann", session: "s8", info: 1 }] }); // new info
  heard("ann/s8 ann/s9 cy/s12 2 3");
  assert.equal(r.present.members[0].info, 1);

  // One is missing.
  tell({ version: 15, join: [{ user: "dan", session: "s14" }] });
  const m = await p.expect("$presence");
  assert.equal(m.room, "room:7");
  tell({ version: 16, join: [{ user: "eve", session: "s15" }] });
  await p.quiet(); // it is asked once
  heard();
  p.say({ type: "$ok", re: m.id, room: "room:7", data: { version: 16, users: [{ user: "eve", sessions: [{ session: "s15" }] }] } });
  tell({ version: 16, leave: [{ user: "eve", session: "s15" }] }); // overtaken by the reply
  tell({ version: 17, join: [{ session: "s16" }, { session: "s17" }] }); // strangers
  heard("eve/s15 1 1", "/s16 /s17 eve/s15 3 3");
  tell({ version: 18, count: { users: 4100, sessions: 4203 } });
  heard("4100 4203");
  tell({ version: 19, leave: [{ user: "fay", session: "s16" }] });
  const q = await p.expect("$presence"); // nothing to apply it to
  p.fail(q, "unsupported");
  tell({ version: 20, count: { users: 1, sessions: 2 } });
  heard("1 2");

  // It is kept while there is no connection, and versions begin anew.
  p.cut();
  assert.equal(r.present.sessions, 2);
  const s = await w.back();
  s.say({ type: "$ok", room: "room:7", pos: { epoch: "k3", seq: 1 }, data: { recovered: true } });
  s.say({ type: "$presence", room: "room:7", data: { version: 1, users: [] } });
  s.say({ type: "$presence", room: "room:7", data: { version: 2, join: [{ user: "gus", session: "s1" }] } });
  heard("0 0", "gus/s1 1 1");
  r.leave();
  assert.equal(r.present.sessions, 0, "who has left does not know");
}));

test("the answer to a question of an earlier membership", run(async (w) => {
  const [tw, p] = await w.connect();
  const [r] = room(tw, "room:7", { presence: true });
  await join(r, p, 1);
  p.say({ type: "$presence", room: "room:7", data: { version: 7, join: [{ user: "bob", session: "s" }] } });
  const asked = await p.expect("$presence");
  p.chat("room:7", 5, 6); // something is missing: it joins again
  const m = await p.expect("$join");
  p.say({ type: "$ok", re: m.id, room: "room:7", pos: m.pos, data: { recovered: true } });
  p.say({ type: "$ok", re: asked.id, data: { version: 8, users: [{ user: "old", sessions: [{ session: "s" }] }] } });
  assert.equal(r.present.sessions, 0);
  await rest();
}));
