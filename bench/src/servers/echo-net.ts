// Plain node:net, nothing on top: what an echo server costs without Packet. Same socket option as the others (TCP_NODELAY).
import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  // The load generator closes with a reset.
  socket.on('error', () => socket.destroy());
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(`port ${address.port}`);
});
// A clean exit lets --cpu-prof write its profile.
process.once('SIGTERM', () => process.exit(0));
