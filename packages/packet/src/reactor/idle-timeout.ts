import type { Clock } from '../clock.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Overdue } from './deadline.ts';

/** Looks per idle period while output waits, so that its progress is seen to within 1/20 of the period. */
const LOOKS_WHILE_WRITING = 20;

/** What is looked at: bytes the system took, and bytes that wait for it. */
export interface OutputFlow {
  readonly bytesOut: number;
  readonly pendingBytes: number;
}

/**
 * Fires when nothing moved in either direction for a while: 0 to 5 % late, never early.
 *
 * Input and finished output are told to it; output still under way is looked at, because a slow reader that takes some
 * of it is not idle and one that takes none is.
 */
export class IdleTimeout implements Overdue {
  dueAt: number;
  heapIndex = -1;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines<Overdue>;
  readonly #flow: OutputFlow;
  readonly #limitMs: number;
  readonly #expired: () => void;
  #touchedAt: number;
  #lookingOften = false;
  #seenOut: number;

  constructor(clock: Clock, deadlines: Deadlines<Overdue>, flow: OutputFlow, limitMs: number, expired: () => void) {
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#flow = flow;
    this.#limitMs = limitMs;
    this.#expired = expired;
    this.#touchedAt = clock.now();
    this.#seenOut = flow.bytesOut;
    this.dueAt = this.#touchedAt + limitMs;
    deadlines.add(this);
  }

  /** Something moved. */
  touch(): void {
    this.#touchedAt = this.#clock.now();
  }

  /** Output was queued, and `pendingBytes` of it wait. */
  wrote(pendingBytes: number): void {
    this.touch();
    if (pendingBytes === 0 || this.#lookingOften) return;
    this.#deadlines.remove(this);
    this.overdue();
  }

  cancel(): void {
    this.#deadlines.remove(this);
  }

  /** Looks whether anything moved, and waits on if it did. */
  overdue(): void {
    const now = this.#clock.now();
    const out = this.#flow.bytesOut;
    if (this.#lookingOften && out !== this.#seenOut) this.#touchedAt = now;
    this.#seenOut = out;
    const left = this.#touchedAt + this.#limitMs - now;
    if (left <= 0) {
      this.#expired();
      return;
    }
    this.#lookingOften = this.#flow.pendingBytes > 0;
    this.dueAt = now + (this.#lookingOften ? Math.min(left, this.#limitMs / LOOKS_WHILE_WRITING) : left);
    this.#deadlines.add(this);
  }
}
