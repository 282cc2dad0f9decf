import { setImmediate } from 'node:timers/promises';
import { messageOf, PacketError } from '../errors.ts';
import { openChildLane } from './child-lane.ts';
import { encodeError } from './error-codec.ts';
import type { Frame, Lane } from './lane.ts';
import type { ProbeOrder, ProbeReport } from './probe.ts';
import { findWorkerClass, methodsOf } from './worker-module.ts';

// The entry of the probe process: it imports worker files, reports what is in them, and is killed.

const lane: Lane = openChildLane({
  frames: (batch: readonly Frame[]) => {
    for (const frame of batch) if (frame.type === 'HELLO') void probe(frame.value as ProbeOrder);
  },
  drained: () => undefined,
  lost: () => process.exit(0),
});

process.on('uncaughtException', (error) => fail(error));

let current = 0;

async function probe(order: ProbeOrder): Promise<void> {
  try {
    if (order.setup !== undefined) await import(order.setup);
    for (const [index, url] of order.urls.entries()) {
      current = index + 1;
      lane.post({ type: 'EVENT', stream: current });
      // It must have left before the import, which may never come back.
      await setImmediate();
      report(url, (await import(url)) as object);
    }
  } catch (error) {
    fail(error);
  }
}

function report(url: string, module: object): void {
  const found = findWorkerClass(module);
  if (typeof found === 'string') {
    refuse(found);
    return;
  }
  const { exportName, WorkerClass } = found;
  const { config, workerName } = WorkerClass;
  const value: ProbeReport = { exportName, workerName, config, methods: [...methodsOf(WorkerClass).keys()] };
  try {
    lane.post({ type: 'RESULT', stream: current, value });
  } catch (error) {
    refuse(`its static config cannot travel: ${messageOf(error)}`, url);
  }
}

function refuse(reason: string, file = ''): void {
  const error = new PacketError('ERR_PACKET_WORKER_DEFINITION', reason, { details: { file } });
  lane.post({ type: 'ERROR', stream: current, value: { ...encodeError(error), own: true } });
}

function fail(error: unknown): void {
  lane.post({ type: 'ERROR', stream: current, value: encodeError(error) });
}
