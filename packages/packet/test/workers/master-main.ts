import { systemClock } from '../../src/clock.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import type { Clinging } from './fixtures/orphans/clinging.ts';

// A master of its own, to be killed: its workers, of the name it is given, connect to the port it is given.

const [, , port, name = ''] = process.argv;
const workers = await createWorkerService({
  folder: new URL('./fixtures/orphans/', import.meta.url),
  clock: systemClock,
  makeReactor: () => new Reactor(),
  onError: (error) => {
    throw error;
  },
});
await workers.start(name, { options: Number(port) });
void workers.proxies().$get<Clinging>(name).waitForEver();
// The call has left when this timer fires.
setImmediate(() => setImmediate(() => process.stdout.write('ready\n')));
