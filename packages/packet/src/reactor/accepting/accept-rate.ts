import type { Clock } from '../../clock.ts';

const SECOND_MS = 1000;

/** How fast connections may come. */
export interface RateRule {
  /** Connections per second, on average. 0 is off. */
  readonly perSecond: number;
  /** How many may come at once after a quiet time. */
  readonly burst: number;
}

/**
 * Lets connections of each source through at a rate: a bucket of `burst` tokens that fills with `perSecond`.
 *
 * A bucket is one number, the time at which it will be full. Full buckets need not be remembered; when more than `maxSources`
 * are not full, the one longest without a connection is forgotten.
 */
export class AcceptRate {
  readonly #clock: Clock;
  readonly #tokenMs: number;
  readonly #capacityMs: number;
  readonly #maxSources: number;
  readonly #fullAt = new Map<string, number>();

  constructor(clock: Clock, rule: RateRule, maxSources: number) {
    this.#clock = clock;
    this.#tokenMs = SECOND_MS / rule.perSecond;
    this.#capacityMs = this.#tokenMs * rule.burst;
    this.#maxSources = maxSources;
  }

  /** Sources remembered now. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** Takes a token of `source`; false when it has none. */
  take(source: string): boolean {
    const now = this.#clock.now();
    const fullAt = Math.max(now, this.#fullAt.get(source) ?? now) + this.#tokenMs;
    // Thirds of a millisecond do not add up exactly.
    if (fullAt - now > this.#capacityMs + 1e-6) return false;
    // Deleted first, so that the table is in the order of the last connection.
    this.#fullAt.delete(source);
    this.#fullAt.set(source, fullAt);
    this.#forget(now);
    return true;
  }

  /** At most two for each one added, so the table never costs more than a few steps. */
  #forget(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      const [oldest] = this.#fullAt;
      if (oldest === undefined || (oldest[1] > now && this.#fullAt.size <= this.#maxSources)) return;
      this.#fullAt.delete(oldest[0]);
    }
  }
}
