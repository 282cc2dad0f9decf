import type { BenchContext } from '../bench.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';

/** The goals of another bench: taken from this run when it was part of it, measured now when not. */
function goalsOf(bench: string): HoldCheck {
  return {
    name: `goals of ${bench}`,
    run: async (context: BenchContext): Promise<readonly GoalRow[]> => (await context.resultOf(bench)).goals,
  };
}

/** Echo rates against plain `node:net`. */
export const echoGoals: HoldCheck = goalsOf('echo');

/** Echo rates over TLS against plain `node:tls`; nothing is asked of them. */
export const tlsGoals: HoldCheck = goalsOf('tls');

/** Rates of short connections; nothing is asked of them. */
export const connectGoals: HoldCheck = goalsOf('connect');

/** Call rates of process workers. */
export const workerGoals: HoldCheck = goalsOf('workers');
