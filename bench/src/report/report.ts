import type { Interval, Summary } from '../statistics.ts';
import type { Verdict } from '../verdict.ts';

/** Everything one `npm run bench` found; what bench/results/DATE.json holds. */
export interface Report {
  readonly schema: 1;
  readonly startedAt: string;
  readonly command: string;
  /** A smoke run: the figures are not to be used. */
  readonly quick: boolean;
  readonly machine: readonly Fact[];
  readonly benches: readonly BenchResult[];
}

/** One line of facts about the run. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** What one bench found. */
export interface BenchResult {
  readonly name: string;
  readonly title: string;
  readonly comparisons: readonly Comparison[];
  readonly goals: readonly GoalRow[];
  /** Peers and tools that are not installed. */
  readonly missing: readonly Missing[];
  /** Runs that did not work. */
  readonly failures: readonly Failure[];
  /** The commands the figures come from, one sample each. */
  readonly commands: readonly string[];
  readonly seconds: number;
}

/** A peer or a tool that is not there. */
export interface Missing {
  readonly name: string;
  readonly why: string;
}

/** A run that did not work. */
export interface Failure {
  readonly where: string;
  readonly error: string;
}

/** What a contender is compared as. */
export type Role = 'base' | 'same' | 'ours' | 'peer' | 'limit';

/** Several contenders under one load, in interleaved rounds. */
export interface Comparison {
  readonly title: string;
  readonly unit: string;
  /** What the ratios are to; the first is plotted. */
  readonly bases: readonly string[];
  /** The A/A row first. */
  readonly rows: readonly ComparisonRow[];
  /** What is asked of ours, as a ratio to the first base; a line in the plot. */
  readonly goal?: number;
}

/** One contender's figures in one comparison. */
export interface ComparisonRow {
  readonly name: string;
  readonly role: Role;
  /** One value a round; null where the run failed. */
  readonly samples: readonly (number | null)[];
  /** Absent when no round worked. */
  readonly rate?: Summary;
  /** By the name of the base: the ratios of the rounds. */
  readonly ratios: Readonly<Record<string, Summary>>;
  /** Medians of what else was measured, such as `p99Us`. */
  readonly others: Readonly<Record<string, number>>;
  /** The ratios of these to the first base, round by round. */
  readonly otherRatios: Readonly<Record<string, Summary>>;
}

/** One goal or limit: a row of `hold`. */
export interface GoalRow {
  readonly name: string;
  /** What is asked: `≥ 0.93 × plain node:net`; "printed, not judged" where nothing is. */
  readonly limit: string;
  /** What was measured, with its unit; absent when the run failed. */
  readonly measured?: string;
  /** Its spread, with its unit. */
  readonly spread?: string;
  readonly pass: Verdict;
  /** How it was measured, what the machine does by itself, what stands in the way. */
  readonly note?: string;
  /** The raw values. */
  readonly values?: readonly number[];
}

/** Text of a range with one unit. */
export function intervalText(interval: Interval, format: (value: number) => string): string {
  return `${format(interval.low)}–${format(interval.high)}`;
}

/** The entry for a run that threw. */
export function failureOf(where: string, error: unknown): Failure {
  return { where, error: error instanceof Error ? error.message : String(error) };
}
