// A connection through plain HTTP, for where no WebSocket passes. docs/protocol.md has how: the bytes of a
// WebSocket connection, as the body of one answer, and of posts that follow each other.

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MOST = 65_536; // bytes in a post; a single frame may have more
const PATIENCE = 30_000; // ms for which a post is tried
const FAREWELL = 2000; // ms for the other side to answer a close

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const join = (parts) => {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** A frame of a client: with a mask, of zeros. */
function frame(opcode, payload) {
  const { length } = payload;
  const head = new Uint8Array(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  const view = new DataView(head.buffer);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 8) view.setUint16(2, length);
  if (head.length === 14) view.setBigUint64(2, BigInt(length));
  return join([head, payload]);
}

/** Takes the first frame out of bytes: { opcode, last, payload, rest }; undefined while it is not whole. */
function unframe(bytes) {
  if (bytes.length < 2) return;
  let length = bytes[1] & 127;
  const head = length < 126 ? 2 : length === 126 ? 4 : 10;
  if (bytes.length < head) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (head === 4) length = view.getUint16(2);
  if (head === 10) length = Number(view.getBigUint64(2));
  if (bytes.length < head + length) return;
  return { opcode: bytes[0] & 15, last: bytes[0] > 127, payload: bytes.subarray(head, head + length), rest: bytes.subarray(head + length) };
}

/** What looks like a WebSocket. */
class Stream {
  readyState = 0;
  bufferedAmount = 0;
  waiting = []; // frames
  posts = 0;
  parts = []; // of a message that comes in fragments
  stop = new AbortController();

  constructor(url) {
    this.http = url.replace(/^ws/, "http");
    this.read().then(
      () => this.end(1006, ""),
      (e) => this.end(1006, e.message),
    );
  }

  fetch(line, bytes, options) {
    return fetch(this.http, {
      method: "POST",
      body: join([encoder.encode(`${line}\n`), bytes]),
      cache: "no-store",
      credentials: "include",
      signal: this.stop.signal,
      ...options,
    });
  }

  async read() {
    const answer = await this.fetch("open tidewire.v1.json", new Uint8Array());
    if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 200)}`);
    const reader = answer.body.getReader();
    for (let bytes = new Uint8Array(); ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes = join([bytes, value]);
      if (!this.secret) {
        const end = bytes.indexOf(10);
        if (end < 0) continue;
        [this.secret] = decoder.decode(bytes.subarray(0, end)).split(" ");
        bytes = bytes.subarray(end + 1);
        this.readyState = 1;
        this.onopen();
      }
      for (let f; (f = unframe(bytes)); bytes = f.rest) this.take(f);
    }
  }

  take({ opcode, last, payload }) {
    if (this.readyState === 3) return;
    if (opcode <= TEXT) {
      this.parts.push(payload.slice());
      if (!last) return;
      const data = decoder.decode(join(this.parts));
      this.parts = [];
      this.onmessage({ data });
    } else if (opcode === PING) {
      this.push(PONG, payload.slice());
    } else if (opcode === CLOSE) {
      const code = payload.length > 1 ? payload[0] * 256 + payload[1] : 1005;
      if (this.readyState === 1) this.push(CLOSE, payload.slice(0, 2));
      this.end(code, decoder.decode(payload.subarray(2)));
    }
  }

  send(text) {
    if (this.readyState === 1) this.push(TEXT, encoder.encode(text));
  }

  push(opcode, payload) {
    this.waiting.push(frame(opcode, payload));
    this.bufferedAmount += payload.length;
    this.post();
  }

  /** Sends what waits, one post behind the other. */
  async post() {
    if (this.posting) return;
    this.posting = true;
    while (this.waiting.length) {
      const frames = [];
      for (let size = 0; this.waiting.length && (!size || size + this.waiting[0].length <= MOST); ) {
        size += this.waiting[0].length;
        frames.push(this.waiting.shift());
      }
      if (!(await this.deliver(++this.posts, join(frames)))) {
        this.end(1006, "posts do not arrive");
        break;
      }
      this.bufferedAmount = this.waiting.reduce((n, f) => n + f.length, 0);
    }
    this.posting = false;
  }

  /** Sends a post until it is taken, with the same number, as its answer may be what was lost. */
  async deliver(n, bytes) {
    const end = Date.now() + PATIENCE;
    for (let wait = 50; Date.now() < end; wait = Math.min(2 * wait, 2000)) {
      try {
        // The last one is sent even if the page goes.
        const { status } = await this.fetch(`post ${this.secret} ${n}`, bytes, { keepalive: this.readyState === 2 });
        if (status === 204) return true;
        if (status < 500 && status !== 429) return false;
      } catch {} // the network
      if (this.readyState === 3) break;
      await new Promise((done) => setTimeout(done, wait));
    }
    return false;
  }

  close(code = 1000) {
    if (this.readyState === 0) return this.end(1006, "");
    if (this.readyState !== 1) return;
    this.readyState = 2;
    this.push(CLOSE, new Uint8Array([code >> 8, code & 255]));
    setTimeout(() => this.end(1006, ""), FAREWELL);
  }

  end(code, reason) {
    if (this.readyState === 3) return;
    const closing = this.posting && this.readyState === 1 && code !== 1006; // our answer to a close is under way
    this.readyState = 3;
    this.waiting = [];
    if (closing) setTimeout(() => this.stop.abort(), FAREWELL);
    else this.stop.abort();
    this.onclose?.({ code, reason });
  }
}

export const open = (url) => new Stream(url);
