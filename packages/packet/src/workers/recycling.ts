import type { Clock, ClockTimer } from '../clock.ts';
import type { Instance } from './instance.ts';
import { pauseMs } from './slot.ts';
import type { WorkerLimits } from './worker-options.ts';

/** Why an instance is replaced though nothing is wrong with it. */
export type RecycleReason = 'calls' | 'age' | 'memory';

/** Finds the instances of a pool that have done enough: `maxCalls`, `maxAgeMs`, `maxRssBytes`. One at a time is replaced. */
export class Recycler {
  readonly #clock: Clock;
  readonly #limits: WorkerLimits;
  readonly #ready: () => readonly Instance[];
  readonly #replace: (instance: Instance, reason: RecycleReason) => void;
  /** One is being replaced, or its replacement did not start and is tried again later. */
  #busy = false;
  #failures = 0;
  #stopped = false;
  #timer: ClockTimer | undefined;

  constructor(
    clock: Clock,
    limits: WorkerLimits,
    ready: () => readonly Instance[],
    replace: (instance: Instance, reason: RecycleReason) => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#ready = ready;
    this.#replace = replace;
  }

  /** An instance has answered: whether it has done enough is known without looking at others. */
  answered(instance: Instance): void {
    const { maxCalls } = this.#limits;
    if (maxCalls > 0 && instance.settledCalls >= maxCalls) this.look();
  }

  /** One may be due, or one more may become so with time. */
  look(): void {
    if (this.#busy || this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const { maxAgeMs } = this.#limits;
    const now = this.#clock.now();
    let oldestAt = Number.POSITIVE_INFINITY;
    for (const instance of this.#ready()) {
      const reason = this.#reason(instance, now);
      if (reason !== undefined) {
        this.#busy = true;
        this.#replace(instance, reason);
        return;
      }
      oldestAt = Math.min(oldestAt, instance.readyAt);
    }
    if (maxAgeMs === 0 || oldestAt === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.setTimer(oldestAt + maxAgeMs - now, () => this.look(), false);
  }

  /** The replacement has been made, or is needed no more: the next one may be. */
  done(): void {
    this.#busy = false;
    this.#failures = 0;
    this.look();
  }

  /** The replacement did not come up. The old one goes on, and the next try comes after a pause. */
  failed(): void {
    this.#failures++;
    this.#timer = this.#clock.setTimer(
      pauseMs(this.#failures + 1, this.#limits),
      () => {
        this.#busy = false;
        this.look();
      },
      false,
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #reason(instance: Instance, now: number): RecycleReason | undefined {
    const { maxCalls, maxAgeMs, maxRssBytes } = this.#limits;
    if (maxCalls > 0 && instance.settledCalls >= maxCalls) return 'calls';
    if (maxAgeMs > 0 && now - instance.readyAt >= maxAgeMs) return 'age';
    return maxRssBytes > 0 && instance.memoryBytes >= maxRssBytes ? 'memory' : undefined;
  }
}
