import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from '@packet/core';

const SWEEP_MS = 20;

/** Takes a stream of chunks, and small calls beside it. */
export class Sink extends Worker {
  static override readonly config = { transport: 'process', autoLoad: false, concurrency: 64, deadlineMs: 0 } as const;

  /** Answers with the length: the credit the sender gets back. */
  take(chunk: Uint8Array): number {
    return chunk.byteLength;
  }

  small(n: number): number {
    return n + 1;
  }

  /** Bytes of memory outside the heap that are in use once all garbage is gone. */
  async heldBytes(): Promise<number> {
    // Garbage is found by one collection and given back by another thread some time after it.
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.();
      await delay(SWEEP_MS);
    }
    return process.memoryUsage().arrayBuffers;
  }
}
