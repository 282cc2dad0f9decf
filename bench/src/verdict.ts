import type { Interval, Summary } from './statistics.ts';

/** Whether a goal or a limit holds, as far as this run can tell. */
export type Verdict = 'met' | 'missed' | 'not decided here' | 'not judged';

/** Fewest pairs of rounds a ratio is judged on. */
export const FEWEST_PAIRS = 7;

/** A measured ratio and what it needs to be judged. */
export interface RatioEvidence {
  /** The pair ratios of what is judged. */
  readonly ratio: Summary;
  /** The pair ratios of the same code against itself (the A/A row) in the same run. */
  readonly same: Summary;
  /** A smoke run is never judged. */
  readonly quick: boolean;
}

/**
 * How far apart identical code appeared in this run, as a factor ≥ 1: the farther end of the A/A spread, whichever of the two
 * was taken for the base.
 */
export function noiseFactor(same: Interval): number {
  return Math.max(same.high, 1 / same.low);
}

/**
 * Judges "at least `goal`". It is met or missed only when the median is beyond the goal by more than the A/A spread and the
 * ratio's own spread does not reach over the goal.
 */
export function judgeRatio(evidence: RatioEvidence, goal: number): Verdict {
  const { ratio, same, quick } = evidence;
  if (quick) return 'not judged';
  if (ratio.count < FEWEST_PAIRS || same.count < FEWEST_PAIRS) return 'not decided here';
  const noise = noiseFactor(same.spread);
  if (ratio.median > goal * noise && ratio.spread.low > goal) return 'met';
  if (ratio.median < goal / noise && ratio.spread.high < goal) return 'missed';
  return 'not decided here';
}

/** Measurements held against an absolute limit; all of them have to be inside. */
export interface LimitEvidence {
  readonly values: readonly number[];
  /** The same measured with nothing under test: what the machine itself does. */
  readonly control?: readonly number[];
  readonly quick: boolean;
}

/** Judges "never above `limit`": a machine that is over the limit by itself decides nothing. */
export function judgeAtMost(evidence: LimitEvidence, limit: number): Verdict {
  if (evidence.quick) return 'not judged';
  if (evidence.values.length === 0) return 'not decided here';
  if (Math.max(...evidence.values) <= limit) return 'met';
  return evidence.control?.some((value) => value > limit) === true ? 'not decided here' : 'missed';
}

/** Judges "never below `limit`". */
export function judgeAtLeast(evidence: LimitEvidence, limit: number): Verdict {
  return judgeAtMost({ values: evidence.values.map((value) => -value), quick: evidence.quick }, -limit);
}
