import type { BenchContext } from '../bench.ts';
import { type IdleCosts, measureIdleCosts, type StepCost } from '../idle-costs.ts';
import type { GoalRow } from '../report/report.ts';
import { median } from '../statistics.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow, ruleRow } from './limit-row.ts';

/** The rule: of resident memory, for each of 10,000 connections that do nothing. KB, not KiB. */
const LIMIT_BYTES = 6_000;
const RUNS = 5;

/** An idle connection costs at most 6 KB of resident memory, at ten thousand of them; one more is refused and it is told why. */
export const idleMemory: HoldCheck = {
  name: 'memory of idle connections',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const ours: IdleCosts[] = [];
    const plain: IdleCosts[] = [];
    for (let run = 0; run < (quick ? 1 : RUNS); run++) {
      context.progress(`idle connections, ${run + 1} of ${quick ? 1 : RUNS}`);
      ours.push(await measureIdleCosts(context, 'packet'));
      plain.push(await measureIdleCosts(context, 'net'));
    }
    return [...memoryRows(ours, plain, quick), ...refusalRow(ours, quick)];
  },
};

type Figure = Exclude<keyof StepCost, 'connections'>;

function memoryRows(ours: readonly IdleCosts[], plain: readonly IdleCosts[], quick: boolean): readonly GoalRow[] {
  const steps = ours[0]?.steps ?? [];
  return steps.map(({ connections }, at) => {
    const column = (runs: readonly IdleCosts[], figure: Figure): number[] =>
      runs.map((run) => run.steps[at]?.[figure] ?? 0);
    const middle = (runs: readonly IdleCosts[], figure: Figure): string => format(median(column(runs, figure)));
    const note =
      `of it JavaScript and buffers ${middle(ours, 'used')}, V8's young generation ${middle(ours, 'young')}; without a ` +
      `collection ${middle(ours, 'rssBefore')}; plain node:net ${middle(plain, 'rss')}, of it ${middle(plain, 'used')} and ` +
      `${middle(plain, 'young')}`;
    const name = `resident memory of each of ${connections} idle connections`;
    const row = { name, values: column(ours, 'rss'), format, quick, note };
    return at === steps.length - 1 ? atMostRow(row, LIMIT_BYTES) : printedRow(row);
  });
}

/** Whole bytes: the limit is in KB, not in KiB. */
function format(bytes: number): string {
  return `${Math.round(bytes)} B`;
}

function refusalRow(runs: readonly IdleCosts[], quick: boolean): readonly GoalRow[] {
  const connections = runs[0]?.steps.at(-1)?.connections ?? 0;
  const seen = runs.map(({ refused }) => JSON.stringify(refused));
  return [
    ruleRow({
      name: `connection ${connections + 1} of ${connections}`,
      rule: 'refused, the event names the limit: max-connections',
      seen: [...new Set(seen)].join(', '),
      holds: seen.every((reasons) => reasons === '{"max-connections":1}'),
      quick,
      note: `${quick ? 'maxConnections set' : 'maxConnections as it is by default'}, those that are open stay open`,
    }),
  ];
}
