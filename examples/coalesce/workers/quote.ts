import { setTimeout } from 'node:timers/promises';
import { Worker } from '@packet/core';

/** Looks something up, slowly. */
export class Quote extends Worker {
  static override readonly config = { concurrency: 16 } as const;
  #lookups = 0;

  async price(symbol: string): Promise<string> {
    this.#lookups++;
    await setTimeout(50);
    if (symbol === '') throw new RangeError('which one?');
    return `${symbol} is at ${symbol.length * 10}`;
  }

  lookups(): number {
    return this.#lookups;
  }
}
