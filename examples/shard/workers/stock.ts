import { Worker } from '@packet/core';

/** Keeps counts of names in memory; each instance has those that the proxy beside it sends there. */
export class Stock extends Worker {
  static override readonly config = { pool: 3, picker: 'key' } as const;
  readonly #counts = new Map<string, number>();

  add(name: string, count: number): void {
    this.#counts.set(name, this.count(name) + count);
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  counts(names: readonly string[]): readonly (readonly [name: string, count: number])[] {
    return names.map((name) => [name, this.count(name)]);
  }

  names(): readonly string[] {
    return [...this.#counts.keys()];
  }
}
