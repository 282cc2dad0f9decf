import { Worker } from '@packet/core';

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
  heldBytes(): number {
    globalThis.gc?.();
    return process.memoryUsage().arrayBuffers;
  }
}
