import type { Children } from './children.ts';
import type { Rounds } from './comparison.ts';
import type { BenchResult } from './report/report.ts';

/** What a bench finds; the runner adds name, title and time. */
export type BenchOutcome = Omit<BenchResult, 'name' | 'title' | 'seconds'>;

/** What a bench gets to work with. */
export interface BenchContext {
  /** A smoke run: seconds instead of minutes, judged by nobody. */
  readonly quick: boolean;
  /** Programs under test write a CPU profile to bench/results/profiles. */
  readonly profile: boolean;
  readonly rounds: Rounds;
  /** Owner of every process. */
  readonly children: Children;
  /** Tells the person at the terminal what is going on. */
  progress(text: string): void;
  /** What another bench found in this same run; it is run when it has not been. */
  resultOf(name: string): Promise<BenchResult>;
}

/** One thing `npm run bench -- NAME` runs. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  run(context: BenchContext): Promise<BenchOutcome>;
}
