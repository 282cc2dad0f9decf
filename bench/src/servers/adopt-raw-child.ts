// A child of adopt-raw: echoes on the sockets it is sent.
import { Socket } from 'node:net';

process.on('message', (_message, handle) => {
  if (!(handle instanceof Socket)) return;
  handle.on('data', (data) => handle.write(data));
  // The load generator closes with a reset.
  handle.on('error', () => handle.destroy());
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
