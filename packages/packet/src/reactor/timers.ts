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
  readonly #guard: (where: string, callback: () => unknown) => void;
  readonly #timers = new Set<ReactorTimer>();

  /** @param guard Runs a callback so that what it throws ends nothing. */
  constructor(clock: Clock, guard: (where: string, callback: () => unknown) => void) {
    this.#clock = clock;
    this.#guard = guard;
  }

  get count(): number {
    return this.#timers.size;
  }

  once(delayMs: number, callback: () => unknown): Timer {
    checkDelay('addTimer', delayMs, 0);
    const timer = new ReactorTimer(this.#timers);
    timer.wait(this.#clock, delayMs, () => {
      timer.cancel();
      this.#guard('timer', callback);
    });
    return timer;
  }

  /** Fires on multiples of `intervalMs` after now, so it does not drift; turns missed while the loop was busy are skipped. */
  every(intervalMs: number, callback: () => unknown): Timer {
    checkDelay('addPeriodicTimer', intervalMs, 1);
    const timer = new ReactorTimer(this.#timers);
    const start = this.#clock.now();
    const arm = (): void => {
      const turns = Math.floor((this.#clock.now() - start) / intervalMs) + 1;
      timer.wait(this.#clock, start + turns * intervalMs - this.#clock.now(), fire);
    };
    const fire = (): void => {
      this.#guard('timer', callback);
      if (timer.active) arm();
    };
    arm();
    return timer;
  }

  cancelAll(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}

function checkDelay(owner: string, delayMs: number, least: number): void {
  if (Number.isFinite(delayMs) && delayMs >= least && delayMs <= LONGEST_TIMEOUT_MS) return;
  throw optionError(owner, 'delayMs', `a number in ${least}..${LONGEST_TIMEOUT_MS} (ms)`, delayMs);
}
