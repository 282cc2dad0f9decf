import type { Clock, ClockTimer } from '../clock.ts';
import type { Instance } from './instance.ts';
import type { WorkerLimits } from './worker-options.ts';

/** Finds the instances above a pool's minimum that have had nothing to do for long, on one timer, which only they need. */
export class IdleWatch {
  readonly #clock: Clock;
  readonly #limits: WorkerLimits;
  /** Those that are up, in the order of their places. */
  readonly #ready: () => readonly Instance[];
  readonly #end: (instance: Instance) => void;
  #timer: ClockTimer | undefined;

  constructor(clock: Clock, limits: WorkerLimits, ready: () => readonly Instance[], end: (instance: Instance) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#ready = ready;
    this.#end = end;
  }

  /** An instance has come up. */
  begin(): void {
    const { pool, poolMin, poolIdleMs } = this.#limits;
    if (this.#timer !== undefined || poolMin === 0 || poolMin === pool) return;
    if (this.#ready().length > poolMin) this.#arm(poolIdleMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.setTimer(ms, () => this.#look(), false);
  }

  #look(): void {
    this.#timer = undefined;
    const { poolMin, poolIdleMs } = this.#limits;
    const ready = this.#ready();
    const now = this.#clock.now();
    let above = ready.length - poolMin;
    let nextAt = Number.POSITIVE_INFINITY;
    for (const instance of [...ready].reverse()) {
      if (!instance.idle) instance.idleSince = now;
      const dueAt = instance.idleSince + poolIdleMs;
      if (dueAt > now) nextAt = Math.min(nextAt, dueAt);
      else if (above-- > 0) this.#end(instance);
    }
    if (above > 0 && nextAt !== Number.POSITIVE_INFINITY) this.#arm(nextAt - now);
  }
}
