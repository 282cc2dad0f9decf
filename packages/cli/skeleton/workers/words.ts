import { Worker } from '@packet/core';

/** Counts words. What is slow, or may crash, belongs in a worker: the server goes on meanwhile. */
export class Words extends Worker {
  static override readonly config = { pool: 2 } as const;

  count(line: string): { words: number; longest: string } {
    const all = line.split(/\s+/).filter((word) => word !== '');
    const longest = all.reduce((best, word) => (word.length > best.length ? word : best), '');
    return { words: all.length, longest };
  }
}
