import type { BenchContext } from '../bench.ts';
import type { GoalRow } from '../report/report.ts';

/**
 * One file in this folder: it measures one rule that the specification states in time, rate or memory, and gives a row for
 * each figure of it. Add it to the list in benches/hold.ts.
 */
export interface HoldCheck {
  /** What is measured, for progress and failures. */
  readonly name: string;
  /** The program it cannot do without, when it needs one that may not be installed. */
  readonly needs?: string;
  run(context: BenchContext): Promise<readonly GoalRow[]>;
}
