import { sameRatios } from './comparison.ts';
import { ratioText } from './report/numbers.ts';
import { type Comparison, type ComparisonRow, type GoalRow, intervalText } from './report/report.ts';
import { pairRatios, type Summary } from './statistics.ts';
import { FEWEST_PAIRS, judgeRatio, noiseFactor } from './verdict.ts';

/** A goal of the form "`contender` reaches at least `atLeast` of `base`". */
export interface RatioGoal {
  readonly name: string;
  readonly contender: string;
  readonly base: string;
  readonly atLeast: number;
}

/** The row of a ratio goal, judged against the A/A row of the same comparison. */
export function judgeComparison(comparison: Comparison, goal: RatioGoal, quick: boolean): GoalRow {
  const limit = `≥ ${goal.atLeast} × ${goal.base}`;
  const row = comparison.rows.find((candidate) => candidate.name === goal.contender);
  const ratio = row?.ratios[goal.base];
  const same = sameRatios(comparison);
  if (ratio === undefined || same === undefined) {
    return { name: goal.name, limit, pass: 'not decided here', note: 'no pair of rounds worked' };
  }
  const few = ratio.count < FEWEST_PAIRS ? `; only ${ratio.count} pairs worked, ${FEWEST_PAIRS} are needed` : '';
  return {
    name: goal.name,
    limit,
    measured: ratioText(ratio.median),
    spread: intervalText(ratio.spread, ratioText),
    pass: judgeRatio({ ratio, same, quick }, goal.atLeast),
    note: `A/A ${intervalText(same.spread, ratioText)}, noise factor ${ratioText(noiseFactor(same.spread))}; ${ratio.count} pairs${quick ? '' : few}`,
    values: pairRatios(row?.samples ?? [], samplesOf(comparison, goal.base)),
  };
}

/** The row of a rate as a ratio to `base` of which nothing is asked. */
export function ratioRow(comparison: Comparison, name: string, contender: string, base: string): GoalRow {
  const { measured, ...row } = judgeComparison(comparison, { name, contender, base, atLeast: 0 }, true);
  return {
    ...row,
    limit: 'printed, not judged',
    pass: 'not judged',
    ...(measured === undefined ? {} : { measured: `${measured} × ${base}` }),
  };
}

/**
 * The row of another figure, such as `cpuUs`, as a ratio to the first base. Nothing is asked of it: it tells whether a
 * rate that looks odd is ours or the machine's.
 */
export function otherRatioRow(comparison: Comparison, name: string, contender: string, figure: string): GoalRow {
  const find = (matches: (row: ComparisonRow) => boolean): Summary | undefined =>
    comparison.rows.find(matches)?.otherRatios[figure];
  const ratio = find((row) => row.name === contender);
  const same = find((row) => row.role === 'same');
  const limit = 'printed, not judged';
  if (ratio === undefined) return { name, limit, pass: 'not judged', note: 'no pair of rounds worked' };
  return {
    name,
    limit,
    measured: `${ratioText(ratio.median)} × ${comparison.bases[0] ?? ''}`,
    spread: intervalText(ratio.spread, ratioText),
    pass: 'not judged',
    ...(same === undefined ? {} : { note: `less is better; A/A ${intervalText(same.spread, ratioText)}` }),
  };
}

function samplesOf(comparison: Comparison, name: string): readonly (number | null)[] {
  return comparison.rows.find((row) => row.name === name)?.samples ?? [];
}
