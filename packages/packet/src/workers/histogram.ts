import type { CallTimes } from '../reactor/index.ts';

/** Buckets for each doubling: a time is told to within half a bucket, 3 %. */
const STEPS = 16;
/** Below this many microseconds each has a bucket of its own. */
const EXACT = 2 * STEPS;
/** Longest time told apart, in microseconds: about 71 minutes. What is longer counts as this long; the maximum is exact. */
const MOST_US = 0xffff_ffff;
const MOST_MS = MOST_US / 1000;
/** Leading zeros of the 32 bits of a number that fills its bucket exactly. */
const EXACT_ZEROS = Math.clz32(EXACT - 1);
const BUCKETS = EXACT_ZEROS * STEPS + EXACT;

/** Times in buckets that grow with them: 3.7 KB however many, and a few ns for each. */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #maxMs = 0;

  /** Counts one time, in milliseconds. */
  record(ms: number): void {
    const us = ms < MOST_MS ? (ms > 0 ? (ms * 1000) >>> 0 : 0) : MOST_US;
    const shift = us < EXACT ? 0 : EXACT_ZEROS - Math.clz32(us);
    const bucket = shift * STEPS + (us >>> shift);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  summary(): CallTimes {
    return {
      count: this.#count,
      p50Ms: this.#quantile(0.5),
      p90Ms: this.#quantile(0.9),
      p99Ms: this.#quantile(0.99),
      maxMs: this.#maxMs,
    };
  }

  /** The time that the share `q` of all did not exceed; 0 where there are none. */
  #quantile(q: number): number {
    let left = Math.ceil(q * this.#count);
    if (left === 0) return 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#buckets[bucket] ?? 0;
      if (left <= 0) return Math.min(middleOf(bucket) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }
}

/** In microseconds. */
function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const shift = Math.floor(bucket / STEPS) - 1;
  const width = 2 ** shift;
  return (bucket - shift * STEPS) * width + width / 2;
}
