import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** What a worker says of itself when it is asked. */
export interface WorkerFigures {
  /** Memory of its process; undefined for one that shares its process. */
  readonly rssBytes: number | undefined;
  readonly heapBytes: number;
  /** Share of the time since it was last asked, 0 to 1. */
  readonly loopUtilization: number;
}

/** Reads the figures of the process or thread it is in. */
export class FiguresMeter {
  readonly #ownProcess: boolean;
  #before: EventLoopUtilization | undefined;

  /** @param ownProcess Whether the process is the worker's alone. */
  constructor(ownProcess: boolean) {
    this.#ownProcess = ownProcess;
  }

  read(): WorkerFigures {
    const now = performance.eventLoopUtilization();
    const { utilization } = this.#before === undefined ? now : performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    return {
      rssBytes: this.#ownProcess ? process.memoryUsage.rss() : undefined,
      heapBytes: getHeapStatistics().used_heap_size,
      loopUtilization: Number.isFinite(utilization) ? utilization : 0,
    };
  }
}
