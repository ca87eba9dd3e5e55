// npm's "ws" as a server of the bench. The last arguments are the folder that it is installed in and the job as JSON. It
// prints its address, collects garbage for each line of its standard input, and ends with it.
import { createServer } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const { WebSocketServer } = createRequire(path.join(process.argv.at(-2), 'x.js'))('ws');
const job = JSON.parse(process.argv.at(-1));
const http = job.Cert ? createSecure({ cert: readFileSync(job.Cert), key: readFileSync(job.Key) }) : createServer();
const server = new WebSocketServer({
  server: http,
  maxPayload: 4 << 20,
  perMessageDeflate: job.Deflate && {
    serverNoContextTakeover: !job.Takeover, clientNoContextTakeover: !job.Takeover, threshold: 0, concurrencyLimit: 1000,
  },
});
server.on('connection', (socket) => {
  socket.on('error', () => {}); // the close event follows
  socket.on('message', (data, binary) => {
    if (!job.Fanout) {
      socket.send(data, { binary });
      return;
    }
    for (const other of server.clients) other.send(data, { binary });
  });
});
http.listen(0, '127.0.0.1', 16384, () => console.log(`127.0.0.1:${http.address().port}`));

createInterface({ input: process.stdin })
  .on('line', () => {
    globalThis.gc();
    globalThis.gc();
    console.log('collected');
  })
  .on('close', () => process.exit(0));
