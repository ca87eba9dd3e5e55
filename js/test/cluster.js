// Clients of a cluster whose nodes are hurt. They say on stdout, a line of JSON each, what was acknowledged, and what their
// functions were told. live/natsbroker/browser_test.go starts this and judges.
//
//   node cluster.js URL ROOM,ROOM,… SUBSCRIBERS PUBLISHERS
//
// A line on stdin has them publish no more; the end of stdin has them go.

import { webcrypto } from "node:crypto";
import { connect } from "../tidewire.js";
import { WebSocket } from "./websocket.js";

globalThis.WebSocket = WebSocket;
globalThis.crypto ??= webcrypto;

const [url, names, ...numbers] = process.argv.slice(2);
if (!url) process.exit(); // "node --test" runs whatever is below test/
const rooms = names.split(",");
const [subscribers, publishers] = numbers.map(Number);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const clients = [];

function client() {
  const tw = connect(url, { backoff: { min: 20, max: 500 }, callTimeout: 5000 });
  clients.push(tw);
  return tw;
}

async function subscribe(tw, who, name) {
  const key = `${who} ${name}`;
  const room = tw.room(name);
  room.on("n", (_, { position, mid }) => say({ key, position, mid }));
  room.on("$gap", (gap) => say({ key, gap }));
  room.on("$left", (e) => say({ failed: `${key}: left: ${e.code}` }));
  await room.join().catch((e) => say({ failed: `${key}: join: ${e.code}` }));
}

async function publish(tw, name) {
  const began = Date.now();
  try {
    const position = await tw.room(name).send("n", "x".repeat(300));
    say({ acked: name, position, began });
  } catch (e) {
    say(["unknown", "not-sent", "queue-full"].includes(e.code) ? { lost: e.code } : { failed: `send: ${e.code} ${e.message}` });
  }
}

await Promise.all(
  Array.from({ length: subscribers }, (_, i) => {
    const tw = client();
    return Promise.all(rooms.map((name) => subscribe(tw, `js${i}`, name)));
  }),
);
say({ joined: true });
let over = false;
process.stdin.once("data", () => (over = true)).resume();
await Promise.all(
  Array.from({ length: publishers }, async () => {
    const tw = client();
    const under = new Set();
    while (!over) {
      const sending = publish(tw, rooms[Math.floor(Math.random() * rooms.length)]).finally(() => under.delete(sending));
      under.add(sending);
      await new Promise((done) => setTimeout(done, 30));
    }
    await Promise.all(under);
  }),
);
say({ published: true });
await new Promise((end) => process.stdin.on("end", end));
await Promise.all(clients.map((tw) => tw.close()));
say({ done: true });
