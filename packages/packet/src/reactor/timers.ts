import { type Clock, type ClockTimer, LONGEST_TIMEOUT_MS } from '../clock.ts';
import { optionError } from '../options.ts';

/** A timer of a reactor. It goes away with its reactor. */
export interface Timer {
  /** Whether it will still fire. */
  readonly active: boolean;
  /** Frees it at once; harmless when it has fired. */
  cancel(): void;
}

class ReactorTimer implements Timer {
  readonly #owner: Set<ReactorTimer>;
  #waiting: ClockTimer | undefined;

  constructor(owner: Set<ReactorTimer>) {
    this.#owner = owner;
    owner.add(this);
  }

  get active(): boolean {
    return this.#owner.has(this);
  }

  wait(clock: Clock, delayMs: number, fire: () => void): void {
    this.#waiting = clock.setTimer(delayMs, fire);
  }

  cancel(): void {
    this.#owner.delete(this);
    this.#waiting?.cancel();
  }
}

/** The timers of one reactor. */
export class Timers {
  readonly #clock: Clock;
  readonly #guard: (callback: () => unknown) => void;
  readonly #timers = new Set<ReactorTimer>();

  /** @param guard Runs a callback so that what it throws ends nothing. */
  constructor(clock: Clock, guard: (callback: () => unknown) => void) {
    this.#clock = clock;
    this.#guard = guard;
  }

  get count(): number {
    return this.#timers.size;
  }

  once(delayMs: number, callback: () => unknown): Timer {
    checkTimer('addTimer', 'delayMs', delayMs, 0, callback);
    const timer = new ReactorTimer(this.#timers);
    timer.wait(this.#clock, delayMs, () => {
      timer.cancel();
      this.#guard(callback);
    });
    return timer;
  }

  /** Fires on multiples of `intervalMs` after now, so it does not drift; turns missed while the loop was busy are skipped. */
  every(intervalMs: number, callback: () => unknown): Timer {
    checkTimer('addPeriodicTimer', 'intervalMs', intervalMs, 1, callback);
    const timer = new ReactorTimer(this.#timers);
    const start = this.#clock.now();
    let turns = 0;
    const arm = (): void => {
      // At least the next one: rounded, the turn that just came may seem not to be over yet.
      turns = Math.max(turns, Math.floor((this.#clock.now() - start) / intervalMs)) + 1;
      timer.wait(this.#clock, start + turns * intervalMs - this.#clock.now(), fire);
    };
    const fire = (): void => {
      this.#guard(callback);
      if (timer.active) arm();
    };
    arm();
    return timer;
  }

  cancelAll(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}

function checkTimer(owner: string, option: string, ms: number, least: number, callback: unknown): void {
  if (!Number.isFinite(ms) || ms < least || ms > LONGEST_TIMEOUT_MS) {
    throw optionError(owner, option, `a number in ${least}..${LONGEST_TIMEOUT_MS} (ms)`, ms);
  }
  if (typeof callback !== 'function') throw optionError(owner, 'callback', 'a function', callback);
}
