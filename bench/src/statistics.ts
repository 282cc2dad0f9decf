/** Two ends of a range, both included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What a row says about its samples. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  /** Where the median lies with at least 95 % confidence; see {@link medianInterval}. */
  readonly spread: Interval;
  readonly min: number;
  readonly max: number;
}

/**
 * The middle value; the mean of the two in the middle when there is an even number of them.
 * @throws RangeError when there is none.
 */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * The range between two of the values that covers the true median with at least 95 % confidence, whatever the distribution:
 * the k-th smallest to the k-th largest value, by the binomial distribution. With 6 to 8 values that is all of them, with 9 to
 * 11 the lowest and the highest are left out. Fewer than 6 reach no 95 %: their whole range is given.
 * @throws RangeError when there is none.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = ascending(values);
  const count = sorted.length;
  let left = 0;
  // The chance that the median lies outside grows with every pair of values left out: 2 · P(at most `left` are below it).
  let term = 0.5 ** count;
  let tail = term;
  for (;;) {
    term *= (count - left) / (left + 1);
    if (2 * (tail + term) > 0.05) break;
    tail += term;
    left++;
  }
  return { low: sorted[left] ?? Number.NaN, high: sorted[count - 1 - left] ?? Number.NaN };
}

/**
 * Median and spread of `values`.
 * @throws RangeError when there is none.
 */
export function summarise(values: readonly number[]): Summary {
  return {
    count: values.length,
    median: median(values),
    spread: medianInterval(values),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

/** The ratios of two series round by round; rounds in which either has no sample (`null`) are left out. */
export function pairRatios(values: readonly (number | null)[], bases: readonly (number | null)[]): readonly number[] {
  const ratios: number[] = [];
  for (const [round, value] of values.entries()) {
    const base = bases[round];
    if (value !== null && base !== null && base !== undefined && base > 0) ratios.push(value / base);
  }
  return ratios;
}

function ascending(values: readonly number[]): readonly number[] {
  if (values.length === 0) throw new RangeError('no values');
  return [...values].sort((a, b) => a - b);
}
