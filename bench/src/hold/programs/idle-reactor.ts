// A reactor with a server and a worker that have nothing to do; prints both pids.
import { Connection, Reactor } from '@packet/core';
import type { Victim } from '../workers/victim.ts';

await Reactor.run({ workers: new URL('../workers/', import.meta.url) }, async (reactor) => {
  await reactor.startServer({ host: '127.0.0.1', port: 0 }, Connection);
  await reactor.startWorker('victim');
  const worker = await reactor.workers.$get<Victim>('victim').pid();
  console.log(JSON.stringify({ master: process.pid, worker }));
});
