import type { Clock } from '../clock.ts';
import { type ConnectionFacts, observation, publish } from '../events.ts';

/** Options of the watch. The rows are the only home of defaults and bounds. */
export const watchRows = {
  blockedWarnMs: { kind: 'number', fallback: 100, min: 1, max: 86_400_000, unit: 'ms', off: 0 },
} as const;

/** Whose callback it was. */
interface FactsOwner {
  facts(): ConnectionFacts;
}

/** What {@link BlockedWatch.begin} gives when nobody wants to know; no time is as early. */
const NOT_WATCHED = -1;

/**
 * Tells of callbacks that held the event loop too long, as `packet:reactor.blocked`.
 *
 * The time is read only while somebody subscribes, and nothing wakes up for it: a callback is judged when it returns. What an
 * `async` callback does after its first `await` is not seen.
 */
export class BlockedWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #event = observation('packet:reactor.blocked');
  /** All that was told so far, so that a callback within another is told once. */
  #toldMs = 0;

  /** @param limitMs Longest time a callback may take. 0 is off. */
  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** A callback begins; give what this returns to {@link end}. */
  begin(): number {
    return this.#event.hasSubscribers && this.#limitMs > 0 ? this.#clock.now() - this.#toldMs : NOT_WATCHED;
  }

  /** The callback `where` returned or threw. */
  end(begun: number, where: string, owner: FactsOwner | undefined): void {
    if (begun !== NOT_WATCHED) this.#judge(begun, where, owner);
  }

  /** Runs a callback that is no connection's, watched. */
  run<T>(where: string, callback: () => T): T {
    const begun = this.begin();
    try {
      return callback();
    } finally {
      this.end(begun, where, undefined);
    }
  }

  #judge(begun: number, where: string, owner: FactsOwner | undefined): void {
    const heldMs = this.#clock.now() - this.#toldMs - begun;
    if (heldMs <= this.#limitMs) return;
    this.#toldMs += heldMs;
    publish('packet:reactor.blocked', () => ({ where, heldMs, connection: owner?.facts() }));
  }
}
