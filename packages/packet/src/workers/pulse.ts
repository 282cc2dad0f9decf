import type { Clock, ClockTimer } from '../clock.ts';
import type { Instance } from './instance.ts';
import { serviceRows, type WorkerLimits } from './worker-options.ts';

/**
 * Asks the instances of a pool for signs of life and for their memory, on one timer for all: only while they have calls
 * or connections, and once after. Workers that have nothing to do are never woken.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #instances: () => Iterable<Instance>;
  /** Half of `livenessMs`, so that a silence is noticed before it has lasted twice as long. 0: nothing is asked. */
  readonly #everyMs: number;
  #timer: ClockTimer | undefined;

  constructor(clock: Clock, limits: WorkerLimits, instances: () => Iterable<Instance>) {
    this.#clock = clock;
    this.#instances = instances;
    const liveness = limits.livenessMs === 0 ? Number.POSITIVE_INFINITY : limits.livenessMs / 2;
    const memory = limits.maxRssBytes === 0 ? Number.POSITIVE_INFINITY : serviceRows.memoryCheckMs.fallback;
    const everyMs = Math.min(liveness, memory);
    this.#everyMs = everyMs === Number.POSITIVE_INFINITY ? 0 : everyMs;
  }

  /** An instance was given a call, or a connection. */
  begin(): void {
    if (this.#timer === undefined && this.#everyMs > 0) this.#arm();
  }

  /** An instance is gone; perhaps no other has work. */
  lost(): void {
    if (this.#timer === undefined) return;
    for (const instance of this.#instances()) if (!instance.idle) return;
    this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#everyMs, () => this.#beat(), false);
  }

  #beat(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    let busy = false;
    for (const instance of this.#instances()) if (instance.beat(now)) busy = true;
    if (busy) this.#arm();
  }
}
