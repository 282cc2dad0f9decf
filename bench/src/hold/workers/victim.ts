import { Worker } from '@packet/core';

/** A worker to be killed, orphaned, and left alone. */
export class Victim extends Worker {
  static override readonly config = { transport: 'process', autoLoad: false, concurrency: 128, deadlineMs: 0 } as const;

  pid(): number {
    return process.pid;
  }

  /** Never answers; its loop stays free. */
  wait(): Promise<never> {
    return new Promise(() => undefined);
  }

  /** Never answers and never gives its loop back. */
  spin(): never {
    for (;;);
  }
}
