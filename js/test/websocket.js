// A WebSocket for Node, which has none before version 22: as much of it as the client needs.

import { randomBytes } from "node:crypto";
import { request } from "node:http";

export class WebSocket {
  readyState = 0;

  constructor(url, protocol) {
    const { hostname, port, pathname } = new URL(url);
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": protocol,
    };
    this.request = request({ hostname, port, path: pathname, headers, agent: false });
    this.request.on("upgrade", (_, socket, head) => this.#opened(socket, head));
    this.request.on("response", () => this.#ended(1006));
    this.request.on("error", () => this.#ended(1006));
    this.request.end();
  }

  get bufferedAmount() {
    return this.socket.writableLength;
  }

  send(text) {
    if (this.readyState === 0) throw new Error("it is not open yet");
    if (this.readyState === 1) this.#write(1, Buffer.from(text));
  }

  close(code = 1000) {
    if (this.readyState === 0) return this.request.destroy();
    if (this.readyState !== 1) return;
    this.readyState = 2;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#write(8, payload);
    this.socket.setTimeout(200, () => this.socket.destroy());
  }

  #opened(socket, head) {
    this.socket = socket;
    this.readyState = 1;
    this.rest = head;
    this.text = [];
    socket.on("data", (data) => {
      this.rest = Buffer.concat([this.rest, data]);
      while (this.#frame());
    });
    for (const event of ["error", "close"]) socket.on(event, () => this.#ended(1006));
    this.onopen?.({});
    while (this.#frame());
  }

  #ended(code, reason = "") {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.request.destroy();
    this.socket?.destroy();
    this.onclose?.({ code, reason });
  }

  #write(opcode, payload) {
    const n = payload.length;
    const header = n < 126 ? Buffer.from([n]) : Buffer.alloc(n < 65_536 ? 3 : 9);
    if (n >= 126) {
      header[0] = n < 65_536 ? 126 : 127;
      header.writeUIntBE(n, n < 65_536 ? 1 : 3, n < 65_536 ? 2 : 6);
    }
    header[0] |= 0x80;
    const mask = randomBytes(4);
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), header, mask, payload.map((b, i) => b ^ mask[i % 4])]));
  }

  /** Takes one frame, if it is there as a whole. */
  #frame() {
    const { rest } = this;
    if (rest.length < 2 || this.readyState === 3) return false;
    const short = rest[1] & 0x7f;
    const at = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < at) return false;
    const n = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : rest.readUIntBE(4, 6);
    if (rest.length < at + n) return false;
    const payload = rest.subarray(at, at + n);
    this.rest = rest.subarray(at + n);
    const opcode = rest[0] & 0x0f;
    if (opcode === 9) this.#write(10, payload);
    if (opcode === 8) {
      if (this.readyState === 1) this.#write(8, payload.subarray(0, 2));
      this.#ended(n < 2 ? 1005 : payload.readUInt16BE(0), payload.toString("utf8", 2));
    }
    if (opcode > 2) return true;
    this.text.push(payload);
    if (rest[0] & 0x80) this.onmessage?.({ data: Buffer.concat(this.text.splice(0)).toString() });
    return true;
  }
}
