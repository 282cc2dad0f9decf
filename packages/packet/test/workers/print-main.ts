import { systemClock } from '../../src/clock.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import type { Talker } from './fixtures/output/talker.ts';

// A master whose worker prints, and dies of it; nobody subscribes to what it prints.

const workers = await createWorkerService({
  folder: new URL('./fixtures/output/', import.meta.url),
  clock: systemClock,
  makeReactor: () => new Reactor(),
  onError: () => undefined,
});
await workers
  .proxies()
  .$get<Talker>('talker')
  .dieTalking('printed')
  .catch(() => undefined);
await workers.close(1000);
