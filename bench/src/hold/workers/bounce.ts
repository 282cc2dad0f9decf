import { Worker } from '@packet/core';
import { Stalls } from '../stalls.ts';

/** Sends large values back, and watches its own loop while it does. */
export class Bounce extends Worker {
  static override readonly config = { transport: 'process', autoLoad: false, deadlineMs: 0 } as const;
  readonly #stalls = new Stalls();

  bounce(value: Uint8Array | string): Uint8Array | string {
    return value;
  }

  /** Begins to watch this process's loop. */
  watch(): void {
    this.#stalls.start();
  }

  /** Longest stall since `watch`, in milliseconds. */
  longestStallMs(): number {
    return this.#stalls.stop();
  }
}
