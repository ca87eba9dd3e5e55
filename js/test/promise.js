// Clients of a hub behind a network that breaks all the time. They say on stdout, a line of JSON each, what
// was acknowledged, and what their functions were told. cmd/tidewire/jspromise_test.go starts this and judges.
//
//   node promise.js URL ROOMS SUBSCRIBERS PUBLISHERS MESSAGES
//
// The end of stdin says that the network is well again: then it ends once nothing more comes.

import { webcrypto } from "node:crypto";
import { connect } from "../tidewire.js";
import { browser } from "./sharing.js";
import { WebSocket } from "./websocket.js";

// Where no WebSocket passes, the client comes through plain HTTP.
globalThis.WebSocket =
  process.env.WAY === "stream"
    ? class {
        readyState = 0;
        constructor() {
          setTimeout(() => this.onclose({ code: 1006, reason: "blocked" }));
        }
        close() {}
      }
    : WebSocket;
globalThis.crypto ??= webcrypto;
const shareTabs = process.env.WAY === "shared";
if (shareTabs) {
  const { SharedWorker, navigator } = await browser();
  Object.defineProperty(globalThis, "navigator", { value: navigator });
  Object.assign(globalThis, { SharedWorker });
}

const [url, ...numbers] = process.argv.slice(2);
if (!url) process.exit(); // "node --test" runs whatever is below test/
const [rooms, subscribers, publishers, messages] = numbers.map(Number);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const name = (i) => `room:${i}`;
const some = (n) => Math.floor(Math.random() * n);
const clients = [];
let latest = Date.now();

function client() {
  const tw = connect(url, { backoff: { min: 10, max: 200 }, callTimeout: 2000, shareTabs });
  tw.on("state", ({ phase }) => say({ state: phase }));
  clients.push(tw);
  return tw;
}

for (let who = 0; who < subscribers; who++) {
  const tw = client();
  for (let i = 0; i < rooms; i++) {
    const key = `${who} ${name(i)}`;
    const room = tw.room(name(i), { last: some(3) });
    const tell = (line) => {
      latest = Date.now();
      say({ key, ...line });
    };
    if (who % 2) {
      room.on("n", (n, { position }) => tell({ position }));
      room.on("$gap", (gap) => tell({ gap }));
      room.on("$left", (e) => say({ failed: `left: ${e.code}` }));
      room.join().catch((e) => say({ failed: `join: ${e.code}` }));
    } else {
      (async () => {
        for await (const { position, gap } of room.messages("n")) tell(gap ? { gap } : { position });
      })().catch((e) => e.code === "closed" || say({ failed: `messages: ${e.code}` }));
    }
  }
}

async function publish(tw, n) {
  const room = tw.room(name(some(rooms)));
  try {
    const position = await room.send("n", n);
    say({ acked: room.name, position });
  } catch (e) {
    say(["unknown", "not-sent"].includes(e.code) ? { lost: e.code } : { failed: `send: ${e.code} ${e.message}` });
  }
}

async function publisher() {
  const tw = client();
  const under = new Set();
  for (let n = 0; n < messages; n++) {
    const sending = publish(tw, n).finally(() => under.delete(sending));
    under.add(sending);
    if (under.size >= 40) await Promise.race(under);
    if (some(6) === 0) await new Promise((done) => setTimeout(done, some(12)));
  }
  await Promise.all(under);
}

const published = Promise.all(Array.from({ length: publishers }, publisher));
published.then(() => say({ published: true }));
await new Promise((well) => process.stdin.on("end", well).resume());
await published;
while (Date.now() - latest < 500 || clients.some((tw) => tw.state.phase !== "open")) await new Promise((done) => setTimeout(done, 20));
await Promise.all(clients.map((tw) => tw.close()));
say({ done: true });
