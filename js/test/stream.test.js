import assert from "node:assert/strict";
import { test } from "node:test";
import { rest, run } from "./kit.js";
import "../tidewire/stream.js"; // it is there when it is imported

/** fetch, as far as stream.js wants it. */
function fakeFetch() {
  const saved = globalThis.fetch;
  const asked = [];
  globalThis.fetch = async (url, { body, signal }) => {
    const text = new TextDecoder("latin1").decode(body);
    const n = text.indexOf("\n");
    const q = { url, line: text.slice(0, n), bytes: body.subarray(n + 1), signal };
    asked.push(q);
    return new Promise((resolve, reject) => {
      Object.assign(q, { resolve, reject });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  return { asked, restore: () => (globalThis.fetch = saved) };
}

/** The body of an answer that goes on. */
function body() {
  let push;
  const stream = new ReadableStream({ start: (c) => (push = c) });
  return { ok: true, body: stream, say: (bytes) => push.enqueue(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes), end: () => push.close() };
}

const settle = async () => {
  for (let i = 0; i < 10; i++) await rest();
};
const textFrame = (text) => Uint8Array.of(0x81, text.length, ...new TextEncoder().encode(text));

test("plain HTTP where no WebSocket opens, and messages in both directions", run(async (w) => {
  const { asked, restore } = fakeFetch();
  try {
    w.down = true;
    const tw = w.client({ fallback: true });
    await settle();
    assert.equal(tw.state.phase, "waiting");
    await w.clock.pass(1000);
    await settle();
    assert.equal(asked[0].line, "open tidewire.v1.json");
    assert.equal(asked[0].url, "http://hub/live");
    const b = body();
    asked[0].resolve(b);
    b.say("sec");
    b.say("ret tidewire.v1.json\n");
    await settle();
    assert.equal(asked[1].line, "post secret 1");
    assert.equal(asked[1].bytes[0], 0x81);
    assert.equal(asked[1].bytes[1], 0x80 | (asked[1].bytes.length - 6)); // with a mask, of zeros
    assert.deepEqual([...asked[1].bytes.subarray(2, 6)], [0, 0, 0, 0]);
    const hello = JSON.parse(new TextDecoder().decode(asked[1].bytes.subarray(6)));
    assert.equal(hello.type, "$hello");
    const welcome = textFrame(`{"type":"$ok","re":1,"data":{"session":"s1","backoff":[10,20]}}`);
    b.say(welcome.subarray(0, 1)); // bytes come as they like
    b.say(welcome.subarray(1, 20));
    b.say(welcome.subarray(20));
    await settle();
    assert.equal(tw.state.phase, "open");

    // What is sent while a post is under way goes together in the next, and one that is lost is sent again.
    const room = tw.room("room:7");
    for (const text of ["a", "b"]) room.cast("chat", text);
    assert.equal(asked.length, 2);
    asked[1].resolve({ status: 204 });
    await settle();
    assert.equal(asked[2].line, "post secret 2");
    asked[2].reject(new TypeError("network"));
    await settle();
    await w.clock.pass(50);
    await settle();
    assert.equal(asked[3].line, "post secret 2");
    assert.deepEqual(asked[3].bytes, asked[2].bytes);
    assert.match(new TextDecoder().decode(asked[3].bytes), /"data":"a".*"data":"b"/s);
    asked[3].resolve({ status: 204 });
    await settle();

    // A ping is answered, fragments are put together, and a close says why.
    b.say(Uint8Array.of(0x89, 1, 7));
    await settle();
    assert.deepEqual([...asked[4].bytes], [0x8a, 0x81, 0, 0, 0, 0, 7]);
    asked[4].resolve({ status: 204 });
    const heard = [];
    tw.handle("hint", (data) => heard.push(data));
    b.say(Uint8Array.of(0x01, 9, ...new TextEncoder().encode(`{"type":"`), 0x80, 16, ...new TextEncoder().encode(`hint","data":42}`)));
    await settle();
    assert.deepEqual(heard, [42]);
    b.say(Uint8Array.of(0x88, 6, 0x11, 0x33, ...new TextEncoder().encode("away")));
    await settle();
    assert.equal(tw.state.phase, "closed");
    assert.equal(tw.state.error.code, "sent-away");
    assert.equal(tw.state.error.message, "away");
    assert.equal(asked[5].bytes[0], 0x88); // and is answered, for which there is some time
    assert.ok(!asked[0].signal.aborted);
    await w.clock.pass(2000);
    assert.ok(asked[0].signal.aborted);
  } finally {
    restore();
  }
}));

test("a post that nobody knows is the end of the connection", run(async (w) => {
  const { asked, restore } = fakeFetch();
  try {
    w.down = true;
    const tw = w.client({ fallback: true });
    await settle();
    await w.clock.pass(1000);
    await settle();
    const b = body();
    asked[0].resolve(b);
    b.say("secret \n");
    await settle();
    asked[1].resolve({ status: 404 });
    await settle();
    assert.equal(tw.state.phase, "waiting");
    assert.ok(asked[0].signal.aborted);
  } finally {
    restore();
  }
}));

test("no plain HTTP where a WebSocket has opened before", run(async (w) => {
  const { asked, restore } = fakeFetch();
  try {
    const [tw, p] = await w.connect({ fallback: true });
    w.down = true;
    p.cut();
    for (let i = 0; i < 20; i++) {
      await w.clock.pass(20_000);
      await settle();
    }
    assert.equal(tw.state.phase, "waiting");
    assert.equal(asked.length, 0);
  } finally {
    restore();
  }
}));
