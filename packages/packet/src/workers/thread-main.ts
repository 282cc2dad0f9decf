import { inspect } from 'node:util';
import { Reactor } from '../reactor/index.ts';
import { openThreadChildLane } from './thread-child-lane.ts';
import { FiguresMeter } from './worker-figures.ts';
import { WorkerRuntime } from './worker-runtime.ts';

// The entry of a worker thread. It is started by its master and by nobody else.

const figures = new FiguresMeter(false);
const runtime = new WorkerRuntime({
  exit: (code) => process.exit(code),
  after: (ms, callback) => void setTimeout(callback, ms).unref(),
  makeReactor: () => new Reactor(),
  figures: () => figures.read(),
});

process.on('uncaughtException', (error: unknown) => {
  process.stderr.write(`${inspect(error)}\n`);
  runtime.die(error);
});

runtime.attach(openThreadChildLane(runtime));
