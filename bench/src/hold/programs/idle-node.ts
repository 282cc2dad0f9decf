// Plain Node with a server and a forked child that have nothing to do: what the runtime does by itself. Prints both pids.
import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

if (process.argv[2] === 'child') {
  process.on('message', () => undefined);
  process.once('disconnect', () => process.exit(0));
} else {
  createServer().listen({ host: '127.0.0.1', port: 0 }, () => {
    const child = fork(fileURLToPath(import.meta.url), ['child']);
    console.log(JSON.stringify({ master: process.pid, worker: child.pid }));
  });
}
