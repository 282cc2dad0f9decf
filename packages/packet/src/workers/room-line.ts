import type { PacketError } from '../errors.ts';
import { whenAborted } from './abort-watch.ts';

interface Waiter {
  resolve(): void;
  reject(error: PacketError): void;
}

/** Tells how much room there is. */
export interface RoomGauge {
  /** For one call at least. */
  readonly hasRoom: boolean;
  /** So much that it makes no difference who else calls in this turn of the loop. */
  readonly ample: boolean;
}

/**
 * Callers that wait for room in a mailbox, first come first served, holding no arguments.
 *
 * One at a time is let through; its place is kept until it makes its call, or this turn of the loop is over. Its call lets
 * the next one through, so a whole line can pass in one turn. Where room is scarce, that happens only when nobody else's code is about
 * to run, so that the next call is that of the one who was let through.
 */
export class RoomLine {
  readonly #waiters = new Set<Waiter>();
  readonly #gauge: RoomGauge;
  /** Somebody was let through and has not called yet. */
  #kept = false;
  #releasing = false;
  #letting = false;

  constructor(gauge: RoomGauge) {
    this.#gauge = gauge;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when there is room for one call. @param signal Gives up waiting; `gaveUp` makes the error. */
  wait(signal: AbortSignal | undefined, gaveUp: () => PacketError): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(gaveUp());
        return;
      }
      const abort = (): void => {
        this.#waiters.delete(waiter);
        reject(gaveUp());
      };
      const waiter: Waiter = {
        resolve: () => {
          unlisten?.();
          resolve();
        },
        reject: (error) => {
          unlisten?.();
          reject(error);
        },
      };
      const unlisten = signal === undefined ? undefined : whenAborted(signal, abort);
      this.#waiters.add(waiter);
      this.advance();
    });
  }

  /** There may be room now. */
  advance(): void {
    this.#advance(setImmediate);
  }

  /** The one who was let through has made its call. */
  next(): void {
    // Ticks come when the code that called, and all it has set going, has run.
    this.#advance(process.nextTick);
  }

  #advance(soon: (callback: () => void) => unknown): void {
    if (this.#kept || this.#waiters.size === 0 || !this.#gauge.hasRoom) return;
    if (this.#gauge.ample) {
      this.#letThrough();
    } else if (!this.#letting) {
      this.#letting = true;
      soon(() => {
        this.#letting = false;
        if (!this.#kept && this.#gauge.hasRoom) this.#letThrough();
      });
    }
  }

  #letThrough(): void {
    const [first] = this.#waiters;
    if (first === undefined) return;
    this.#waiters.delete(first);
    this.#kept = true;
    this.#releaseLater();
    first.resolve();
  }

  /** A call is being made: it takes the place that is kept, if there is one. */
  take(): boolean {
    const kept = this.#kept;
    this.#kept = false;
    return kept;
  }

  /** By then whoever was let through has gone on, and called or not. */
  #releaseLater(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    setImmediate(() => {
      this.#releasing = false;
      if (this.take()) this.advance();
    });
  }

  /** There will be no room any more. */
  fail(error: PacketError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
