/** The latest value of something a worker sets again and again: its `status`, its `result`. */
export interface WorkerCell<T = unknown> {
  /** Set last, by any instance; it stays when the instance is gone. */
  readonly latest: T | undefined;
  /** Set last by each instance that is up, by its place in the pool. */
  readonly values: ReadonlyMap<number, T>;
  /**
   * The latest value, and each later one; who is slow misses those in between, and never the last. Ends when the worker is
   * stopped or parked.
   */
  watch(): AsyncIterableIterator<T>;
}

/** A {@link WorkerCell}, as the worker's proxy seat sets it. */
export class LatestCell implements WorkerCell {
  readonly values: Map<number, unknown> = new Map();
  readonly #waiting = new Set<() => void>();
  latest: unknown;
  /** How often it was set. */
  version = 0;
  ended = false;

  set(index: number, value: unknown): void {
    this.latest = value;
    this.values.set(index, value);
    this.version++;
    this.ended = false;
    this.#wake();
  }

  /** The instance is gone. */
  forget(index: number): void {
    this.values.delete(index);
  }

  /** No value will come. */
  end(): void {
    this.ended = true;
    this.values.clear();
    this.#wake();
  }

  watch(): AsyncIterableIterator<unknown> {
    return new Watcher(this);
  }

  /** Calls `wake` at the next change, once. */
  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** Takes back a `wait`. */
  forgo(wake: () => void): void {
    this.#waiting.delete(wake);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

const DONE: IteratorResult<unknown> = { done: true, value: undefined };

/** One who watches: it holds a place in the list and no values, however slow it is. */
class Watcher implements AsyncIterableIterator<unknown> {
  readonly #cell: LatestCell;
  #seen = 0;
  #over = false;
  #pending: { readonly wake: () => void; readonly resolve: (result: IteratorResult<unknown>) => void }[] = [];

  constructor(cell: LatestCell) {
    this.#cell = cell;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    return new Promise((resolve) => this.#take(resolve));
  }

  return(): Promise<IteratorResult<unknown>> {
    this.#over = true;
    for (const { wake, resolve } of this.#pending) {
      this.#cell.forgo(wake);
      resolve(DONE);
    }
    this.#pending = [];
    return Promise.resolve(DONE);
  }

  #take(resolve: (result: IteratorResult<unknown>) => void): void {
    const cell = this.#cell;
    if (this.#over) {
      resolve(DONE);
    } else if (cell.version > this.#seen) {
      this.#seen = cell.version;
      resolve({ done: false, value: cell.latest });
    } else if (cell.ended) {
      resolve(DONE);
    } else {
      const wake = (): void => {
        this.#pending = this.#pending.filter((one) => one.wake !== wake);
        this.#take(resolve);
      };
      this.#pending.push({ wake, resolve });
      cell.wait(wake);
    }
  }
}
