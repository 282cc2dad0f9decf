/** Counts up to this one run in full everywhere. */
const FULL_UP_TO = 500;
/** What a larger count is divided by, unless this is a soak run. */
const DIVISOR = 100;

/** Whether this is `npm run soak`, which runs every count in full. */
export const soak: boolean = process.env.PACKET_SOAK === '1';

/**
 * How often to do a thing whose full count is `count`: that often in `npm run soak` or when `count` is at most 500,
 * else one hundredth of it.
 *
 * @param least The result is never below this, unless `count` itself is.
 */
export function scaled(count: number, least = 1): number {
  if (soak || count <= FULL_UP_TO) return count;
  return Math.min(count, Math.max(least, Math.ceil(count / DIVISOR)));
}

/**
 * The seed for everything random in this run. The test runner chooses and prints it; `PACKET_SEED` repeats a run.
 *
 * A test file started by hand gets 1, so it does the same thing every time.
 */
export const testSeed: number = Number(process.env.PACKET_SEED ?? 1);
