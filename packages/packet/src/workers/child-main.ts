import { inspect } from 'node:util';
import { Reactor } from '../reactor/index.ts';
import { openChildLane } from './child-lane.ts';
import { guardAgainstOrphanage } from './watchdog.ts';
import { FiguresMeter } from './worker-figures.ts';
import { WorkerRuntime } from './worker-runtime.ts';

// The entry of a worker process. It is started by its master and by nobody else.

const figures = new FiguresMeter(true);
const runtime = new WorkerRuntime({
  exit: (code) => process.exit(code),
  after: (ms, callback) => void setTimeout(callback, ms).unref(),
  makeReactor: () => new Reactor(),
  guard: guardAgainstOrphanage,
  figures: () => figures.read(),
});

process.on('uncaughtException', (error: unknown) => {
  process.stderr.write(`${inspect(error)}\n`);
  runtime.die(error);
});

// A terminal or a service manager signals the whole group; the master decides when its workers end, and it ends them by
// closing the lane. When the master dies of the signal, the lane ends too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

runtime.attach(openChildLane(runtime));
