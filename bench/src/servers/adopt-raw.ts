// What Node has for it: connections accepted unread and sent to two children in turn, by child.send(message, socket).
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { programPath } from '../paths.ts';

const children: ChildProcess[] = [1, 2].map(() => fork(programPath('servers/adopt-raw-child')));
await Promise.all(children.map((child) => once(child, 'message')));
let turn = 0;
const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
  turn++;
  children[turn % children.length]?.send('socket', socket, () => undefined);
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(`port ${address.port}`);
});
process.once('SIGTERM', () => {
  for (const child of children) child.kill();
  process.exit(0);
});
