// PORT: connections that are opened and then do nothing. Each line on stdin is the number there shall be; that number is printed
// when they are there. The line "refused" opens one more and prints when the server has closed it. A connection that ends by
// itself ends the program.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** At once: below the backlog of the server, above which the kernel drops connects and tries them again after a second. */
const AT_ONCE = 200;

const port = Number(process.argv[2]);
const sockets: Socket[] = [];

async function open(): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.once('close', () => {
    if (!sockets.includes(socket)) return;
    console.error('Error: the server closed a connection');
    process.exit(1);
  });
  await once(socket, 'connect');
  // It is read, else its end would not be seen.
  socket.resume();
  sockets.push(socket);
}

async function become(count: number): Promise<void> {
  for (const socket of sockets.splice(count)) socket.resetAndDestroy();
  while (sockets.length < count) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, open));
  }
  console.log(JSON.stringify({ open: sockets.length }));
}

async function refused(): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' }).resume();
  socket.on('error', () => undefined);
  await once(socket, 'close');
  console.log(JSON.stringify({ refused: 1 }));
}

for await (const line of createInterface({ input: process.stdin })) {
  await (line === 'refused' ? refused() : become(Number(line)));
}
