import { systemClock } from '../../src/clock.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import type { Clinging } from './fixtures/orphans/clinging.ts';

// A master of its own, to be killed: its workers connect to the port it is given.

const workers = await createWorkerService({
  folder: new URL('./fixtures/orphans/', import.meta.url),
  clock: systemClock,
  makeReactor: () => new Reactor(),
  onError: (error) => {
    throw error;
  },
});
await workers.start('clinging', { options: Number(process.argv[2]) });
void workers.proxies().$get<Clinging>('clinging').waitForEver();
process.stdout.write('ready\n');
