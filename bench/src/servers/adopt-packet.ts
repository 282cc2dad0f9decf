// WORKER: an echo server whose connections two worker processes serve: `moved` with their sockets, `relayed` without.
import { adoptedBy, Reactor } from '@packet/core';
import { printPort } from './print-port.ts';

const [worker = 'moved'] = process.argv.slice(2);
await Reactor.run({ workers: new URL('./adopt-workers/', import.meta.url) }, async (reactor) => {
  await reactor.startWorker(worker);
  printPort(await reactor.startServer({ host: '127.0.0.1', port: 0 }, adoptedBy(worker)));
});
