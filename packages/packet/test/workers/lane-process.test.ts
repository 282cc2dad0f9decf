import { once } from 'node:events';
import { type LaneLoss, openProcessLane } from '../../src/workers/index.ts';
import { laneConformance } from './lane-conformance.ts';
import { LaneLog } from './lane-log.ts';

const CHILD = new URL('./lane-child.js', import.meta.url);

/** A sink that also keeps what the worker printed. */
class ProcessLog extends LaneLog {
  printed = '';

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.printed += `${stream}: ${chunk}`;
    this.emit('event');
  }

  async workerLoss(): Promise<LaneLoss> {
    for (;;) {
      const kind = /^stdout: LOST (\w+)/m.exec(this.printed)?.[1];
      if (kind === 'closed' || kind === 'cut' || kind === 'frame') return { kind };
      await once(this, 'event');
    }
  }
}

laneConformance('process', (options) => {
  const log = new ProcessLog();
  const lane = openProcessLane({ entry: CHILD, args: [JSON.stringify(options)], limits: options }, log);
  return { lane, log, workerLoss: () => log.workerLoss() };
});
