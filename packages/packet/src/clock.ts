import { performance } from 'node:perf_hooks';

/** A timer that was set; cancelling frees it at once and may be done any number of times. */
export interface ClockTimer {
  cancel(): void;
  /** Lets the process end before it fires. Cheaper than cancelling, for one that may be wanted again. */
  unref(): void;
  /** Takes {@link ClockTimer.unref} back. */
  ref(): void;
}

/** Where time comes from. Everything in Packet that waits, waits on one of these, so tests can advance it by hand. */
export interface Clock {
  /** Monotonic time in milliseconds, with fractions. */
  now(): number;
  /**
   * Calls `fire` once, `delayMs` milliseconds from now or later, never earlier.
   * @param keepsAlive Whether the waiting timer keeps the process running.
   */
  setTimer(delayMs: number, fire: () => void, keepsAlive?: boolean): ClockTimer;
}

/** Longest delay `setTimeout` takes, in milliseconds (about 24.8 days); a longer one would fire at once. */
export const LONGEST_TIMEOUT_MS = 2_147_483_647;

class SystemTimer implements ClockTimer {
  readonly #due: number;
  readonly #fire: () => void;
  #keepsAlive: boolean;
  #timeout: NodeJS.Timeout | undefined;

  constructor(delayMs: number, fire: () => void, keepsAlive: boolean) {
    this.#due = performance.now() + delayMs;
    this.#fire = fire;
    this.#keepsAlive = keepsAlive;
    this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }

  unref(): void {
    this.#keepsAlive = false;
    this.#timeout?.unref();
  }

  ref(): void {
    this.#keepsAlive = true;
    this.#timeout?.ref();
  }

  #arm(delayMs: number): void {
    this.#timeout = setTimeout(() => this.#elapsed(), Math.min(Math.ceil(delayMs), LONGEST_TIMEOUT_MS));
    if (!this.#keepsAlive) this.#timeout.unref();
  }

  #elapsed(): void {
    // Node counts from the loop's cached whole-millisecond time, so a timeout can come up to 1 ms early.
    const left = this.#due - performance.now();
    if (left > 0) this.#arm(left);
    else this.#fire();
  }
}

/** The machine's monotonic clock and Node's timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (delayMs, fire, keepsAlive = true) => new SystemTimer(delayMs, fire, keepsAlive),
};

/** A clock that moves only when told, for tests: `advance(ms)` fires what became due, in order. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly due: number; readonly fire: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): ClockTimer {
    const timer = { due: this.#now + delayMs, fire };
    this.#timers.add(timer);
    const take = (): void => void this.#timers.delete(timer);
    // What may as well not fire does not count as waiting here.
    return { cancel: take, unref: take, ref: () => void this.#timers.add(timer) };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time forward by `ms` milliseconds and fires every timer that becomes due, earliest first. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: { readonly due: number; readonly fire: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer;
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.fire();
    }
    this.#now = end;
  }
}
