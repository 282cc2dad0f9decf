// Plain node:tls, nothing on top.
import { createServer } from 'node:tls';
import { certificate } from '@packet/testing';

const server = createServer({ ...certificate('localhost'), minVersion: 'TLSv1.2', noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  // The load generator closes with a reset.
  socket.on('error', () => socket.destroy());
});
server.on('tlsClientError', () => undefined);
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(`port ${address.port}`);
});
// A clean exit lets --cpu-prof write its profile.
process.once('SIGTERM', () => process.exit(0));
