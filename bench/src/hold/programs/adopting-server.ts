// WORKER (process or thread): hands what it accepts to two instances of the worker, which greet and echo. Prints its port, then
// for each line on stdin what became of the connections: `handOff` of `stats()`, and what went wrong beside it.
import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import { adoptedBy, Reactor } from '@packet/core';
import { printPort } from '../../servers/print-port.ts';

const [worker = 'process'] = process.argv.slice(2);
const troubles = { rejected: 0, failed: 0, errors: 0 };
subscribe('packet:listener.rejected', () => troubles.rejected++);
subscribe('packet:worker.adopt-failed', () => troubles.failed++);
const onError = (): number => troubles.errors++;

await Reactor.run({ workers: new URL('../adopt-workers/', import.meta.url), onError }, async (reactor) => {
  await reactor.startWorker(worker);
  // On all addresses: the clients dial many, as one has ports for some 28,000 connections a minute.
  const server = await reactor.startServer({ host: '0.0.0.0', port: 0, maxConnectionsPerIp: 0 }, adoptedBy(worker));
  createInterface({ input: process.stdin }).on('line', () => {
    const pool = reactor.stats().workers?.pools.find((one) => one.worker === worker);
    console.log(JSON.stringify({ ...pool?.handOff, ...troubles, left: server.connectionCount }));
  });
  printPort(server);
});
