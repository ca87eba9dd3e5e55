// Bun's server, which is uWebSockets, as a server of the bench. The last arguments are a folder that it does not need and
// the job as JSON. It prints its address, collects garbage for each line of its standard input, and ends with it.
const job = JSON.parse(process.argv.at(-1));
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  tls: job.Cert ? { cert: Bun.file(job.Cert), key: Bun.file(job.Key) } : undefined,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('', { status: 426 })),
  websocket: {
    maxPayloadLength: 4 << 20,
    backpressureLimit: 64 << 20,
    idleTimeout: 120,
    publishToSelf: true,
    perMessageDeflate: job.Deflate ? { compress: job.Takeover ? 'dedicated' : 'shared', decompress: job.Takeover ? 'dedicated' : 'shared' } : false,
    open: (socket) => job.Fanout && socket.subscribe('all'),
    message: job.Fanout
      ? (socket, data) => server.publish('all', data)
      : (socket, data) => socket.send(data, job.Deflate),
  },
});
console.log(`127.0.0.1:${server.port}`);

for await (const _ of console) {
  Bun.gc(true);
  Bun.gc(true);
  console.log('collected');
}
process.exit(0);
