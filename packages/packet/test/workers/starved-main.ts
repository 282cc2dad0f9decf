import { closeSync, openSync } from 'node:fs';
import { systemClock } from '../../src/clock.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import type { Boots } from './fixtures/boot/boots.ts';
import { listen } from './test-service.ts';

// A master with few descriptors: it uses them all up, loses its worker, and gives them back when many restarts have failed.

const FAILED_RESTARTS = 6;

const workers = await createWorkerService({
  folder: new URL('./fixtures/boot/', import.meta.url),
  clock: systemClock,
  makeReactor: () => new Reactor(),
  onError: () => undefined,
});
await workers.start('boots', { options: { flag: '', bad: 'throw' } });
const boots = workers.proxies().$get<Boots>('boots');
const taken: number[] = [];
let deaths = 0;
listen('packet:worker.exited', ({ pid }) => {
  // The descriptors of the worker that died are free now.
  takeAll();
  if (pid === undefined && ++deaths === FAILED_RESTARTS) for (const descriptor of taken) closeSync(descriptor);
});
takeAll();
await boots.exit().catch(() => undefined);
process.stdout.write(`${await boots.echo('alive')} after ${deaths} failed restarts\n`);
await workers.close(1000);

function takeAll(): void {
  if (deaths >= FAILED_RESTARTS - 1) return;
  try {
    for (;;) taken.push(openSync(new URL(import.meta.url), 'r'));
  } catch {
    // That was the last one.
  }
}
