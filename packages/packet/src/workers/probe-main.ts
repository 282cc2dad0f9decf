import { setImmediate } from 'node:timers/promises';
import { messageOf, PacketError } from '../errors.ts';
import { openChildLane } from './child-lane.ts';
import { encodeError } from './error-codec.ts';
import type { Frame, Lane, LaneSink } from './lane.ts';
import type { ProbeOrder, ProbeReport } from './probe.ts';
import { syntaxPlaceIn } from './syntax-place.ts';
import { guardAgainstOrphanage } from './watchdog.ts';
import { adoptsConnections, findWorkerClass, methodsOf, unbinds } from './worker-module.ts';

// The entry of the probe process: it imports worker files, reports what is in them, and is killed.

class ProbeProcess implements LaneSink {
  readonly #lane: Lane = openChildLane(this);
  /** The file being imported, counted from 1; 0 for the setup module. */
  #current = 0;

  frames(batch: readonly Frame[]): void {
    for (const { type, value } of batch) if (type === 'HELLO') void this.#probe(value as ProbeOrder);
  }

  drained(): void {}

  lost(): void {
    process.exit(0);
  }

  fail(error: unknown): void {
    const places = error instanceof SyntaxError && syntaxPlaceIn(error.stack) === undefined;
    const value = encodeError(error);
    this.#lane.post({ type: 'ERROR', stream: this.#current, value: places ? { ...value, printed: true } : value });
    if (places) void dieOf(error);
  }

  async #probe(order: ProbeOrder): Promise<void> {
    guardAgainstOrphanage(order.orphan);
    try {
      if (order.setup !== undefined) await import(order.setup);
      for (const [index, url] of order.urls.entries()) {
        this.#current = index + 1;
        this.#lane.post({ type: 'EVENT', stream: this.#current });
        // It must have left before the import, which may never come back.
        await setImmediate();
        this.#report((await import(url)) as object);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  #report(module: object): void {
    const found = findWorkerClass(module);
    if (typeof found === 'string') {
      this.#refuse(found);
      return;
    }
    const { WorkerClass } = found;
    const { config, workerName } = WorkerClass;
    const value: ProbeReport = {
      workerName,
      config,
      methods: [...methodsOf(WorkerClass).keys()],
      unbinds: unbinds(WorkerClass),
      adopts: adoptsConnections(WorkerClass),
    };
    try {
      this.#lane.post({ type: 'RESULT', stream: this.#current, value });
    } catch (error) {
      this.#refuse(`its static config cannot travel: ${messageOf(error)}`);
    }
  }

  /** What is wrong with the file itself, in words that need no stack. */
  #refuse(reason: string): void {
    const error = new PacketError('ERR_PACKET_WORKER_DEFINITION', reason);
    this.#lane.post({ type: 'ERROR', stream: this.#current, value: { ...encodeError(error), own: true } });
  }
}

/** Node keeps where a module's syntax is wrong to itself until the error ends the process: then it prints it. */
async function dieOf(error: SyntaxError): Promise<void> {
  // What was posted leaves first.
  await setImmediate();
  process.removeAllListeners('uncaughtException');
  process.nextTick(() => {
    throw error;
  });
  // Whatever else may have caught it.
  await setImmediate();
  process.exit(1);
}

const probe = new ProbeProcess();
process.on('uncaughtException', (error) => probe.fail(error));
