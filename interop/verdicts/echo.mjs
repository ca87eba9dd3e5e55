// npm's "ws" as an echo, for npm.go. The arguments are the folder that "ws" is
// installed in and "serve" or "dial". A server prints its URL. A client reads
// lines of JSON, dials each URL and prints it when the connection has ended.
// It ends with its standard input.
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const { WebSocket, WebSocketServer } = createRequire(path.join(process.argv[2], 'x.js'))('ws');
const maxPayload = 32 << 20;

function echo(socket) {
  socket.on('error', () => {}); // the close event follows
  socket.on('message', (data, binary) => socket.send(data, { binary }));
}

if (process.argv[3] === 'serve') {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: { threshold: 0 }, maxPayload });
  server.on('connection', echo);
  server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}/`));
}

const sockets = new Map();
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { url, abort } = JSON.parse(line);
  if (abort) {
    sockets.get(url)?.terminate();
    return;
  }
  const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 }, maxPayload });
  sockets.set(url, socket);
  echo(socket);
  socket.on('close', () => {
    sockets.delete(url);
    console.log(url);
  });
});
lines.on('close', () => process.exit(0));
