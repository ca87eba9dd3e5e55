// npm's "ws" as one end of the connections of npm_test.go. Its only argument is
// the folder that "ws" is installed in. Commands come as lines of JSON on
// standard input, events leave as lines of JSON on standard output. It ends with
// its input.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const { WebSocket, WebSocketServer } = createRequire(path.join(process.argv[2], 'x.js'))('ws');

const sockets = new Map();
const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n');

function track(id, socket) {
  sockets.set(id, socket);
  socket.on('message', (data, binary) => {
    const sum = createHash('sha256').update(data).digest('hex');
    emit({ id, event: 'message', binary, size: data.length, sum });
  });
  socket.on('pong', (data) => emit({ id, event: 'pong', text: data.toString() }));
  socket.on('close', (code, reason) => {
    sockets.delete(id);
    emit({ id, event: 'closed', code, text: reason.toString() });
  });
}

const commands = {
  listen({ id, tls, deflate }) {
    const server = tls ? https.createServer(tls) : http.createServer();
    const wss = new WebSocketServer({ server, perMessageDeflate: deflate ?? false });
    let n = 0;
    wss.on('connection', (socket) => {
      const child = `${id}/${n++}`;
      track(child, socket);
      emit({ id, event: 'connection', child, extensions: socket.extensions });
    });
    server.listen(0, '127.0.0.1', () => emit({ id, event: 'listening', port: server.address().port }));
  },
  dial({ id, url, ca, deflate }) {
    const socket = new WebSocket(url, { ca, perMessageDeflate: deflate ?? false });
    track(id, socket);
    socket.on('open', () => emit({ id, event: 'open', extensions: socket.extensions }));
    socket.on('error', (err) => emit({ id, event: 'error', text: String(err) }));
  },
  // file holds the payload; sizes cuts it into frames.
  send({ id, file, binary, sizes, compress }) {
    const socket = sockets.get(id);
    const data = readFileSync(file);
    const options = compress === undefined ? { binary } : { binary, compress };
    let at = 0;
    sizes.forEach((size, i) => {
      const fin = i === sizes.length - 1;
      socket.send(data.subarray(at, at + size), { ...options, fin });
      at += size;
    });
  },
  ping({ id, text }) {
    sockets.get(id).ping(text);
  },
  close({ id, code, text }) {
    sockets.get(id).close(code, text);
  },
  abort({ id }) {
    sockets.get(id).terminate();
  },
};

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on('close', () => process.exit(0));
