import { deepStrictEqual, match, strictEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ComparisonPlan, type Contender, compare, sameRatios } from '../src/comparison.ts';
import { judgeComparison, otherRatioRow, ratioRow } from '../src/ratio-goal.ts';
import type { Role } from '../src/report/report.ts';

const quiet = (): void => undefined;

function contender(name: string, role: Role, rates: readonly (number | Error)[], order: string[] = []): Contender {
  let at = 0;
  return {
    name,
    role,
    measure: async () => {
      order.push(name);
      const rate = rates[at++ % rates.length] ?? 0;
      if (rate instanceof Error) throw rate;
      return { rate, others: { p99Us: rate * 2 } };
    },
  };
}

function plan(contenders: readonly Contender[]): ComparisonPlan {
  return { title: 'a load', unit: 'calls/s', bases: ['A'], contenders };
}

describe('compare', () => {
  it('interleaves the contenders and does not count the first rounds', async () => {
    const order: string[] = [];
    const contenders = [contender('A', 'base', [1, 100], order), contender('B', 'ours', [1, 50], order)];
    const { comparison, failures } = await compare(plan(contenders), { pairs: 1, discarded: 1 }, quiet);
    deepStrictEqual(order, ['A', 'B', 'A', 'B']);
    deepStrictEqual(failures, []);
    deepStrictEqual(
      comparison.rows.map((row) => row.samples),
      [[100], [50]],
    );
    strictEqual(comparison.rows[1]?.ratios.A?.median, 0.5);
    strictEqual(comparison.rows[1]?.others.p99Us, 100);
  });

  it('puts the A/A row first', async () => {
    const contenders = [contender('A', 'base', [2]), contender('B', 'ours', [1]), contender('A again', 'same', [3])];
    const { comparison } = await compare(plan(contenders), { pairs: 3, discarded: 0 }, quiet);
    strictEqual(comparison.rows[0]?.name, 'A again');
    strictEqual(sameRatios(comparison)?.median, 1.5);
  });

  it('asks a contender only for the rounds it wants, and leaves holes in the others', async () => {
    const order: string[] = [];
    const contenders = [contender('A', 'base', [1], order), { ...contender('P', 'peer', [2], order), pairsWanted: 1 }];
    const { comparison, failures } = await compare(plan(contenders), { pairs: 2, discarded: 1 }, quiet);
    deepStrictEqual(order, ['A', 'P', 'A', 'P', 'A']);
    deepStrictEqual(comparison.rows[1]?.samples, [2, null]);
    strictEqual(comparison.rows[1]?.ratios.A?.count, 1);
    deepStrictEqual(failures, []);
  });

  it('pairs the samples of one round, not the medians', async () => {
    const contenders = [contender('A', 'base', [1, 10, 100]), contender('B', 'ours', [2, 20, 200])];
    const { comparison } = await compare(plan(contenders), { pairs: 3, discarded: 0 }, quiet);
    deepStrictEqual(comparison.rows[1]?.ratios.A?.spread, { low: 2, high: 2 });
  });

  it('gives the ratios of the other figures to the first base too, round by round', async () => {
    const contenders = [
      contender('A', 'base', [10, 20]),
      contender('A again', 'same', [10, 20]),
      contender('B', 'ours', [30, 60]),
    ];
    const { comparison } = await compare(plan(contenders), { pairs: 2, discarded: 0 }, quiet);
    const row = otherRatioRow(comparison, 'latency', 'B', 'p99Us');
    strictEqual(row.measured, '3.00 × A');
    strictEqual(row.pass, 'not judged');
    strictEqual(row.note, 'less is better; A/A 1.00–1.00');
    strictEqual(otherRatioRow(comparison, 'latency', 'nobody', 'p99Us').measured, undefined);
  });

  it('reports a failing run, leaves a hole in its row, and goes on', async () => {
    const contenders = [contender('A', 'base', [10]), contender('B', 'ours', [5, new Error('it broke'), 5])];
    const { comparison, failures } = await compare(plan(contenders), { pairs: 3, discarded: 0 }, quiet);
    deepStrictEqual(comparison.rows[1]?.samples, [5, null, 5]);
    strictEqual(comparison.rows[1]?.ratios.A?.count, 2);
    deepStrictEqual(failures, [{ where: 'a load, B, round 2', error: 'it broke' }]);
  });

  it('asks a contender no more after two failures, and says so', async () => {
    const order: string[] = [];
    const contenders = [contender('A', 'base', [1], order), contender('B', 'ours', [new Error('no')], order)];
    const { comparison, failures } = await compare(plan(contenders), { pairs: 5, discarded: 0 }, quiet);
    strictEqual(order.filter((name) => name === 'B').length, 2);
    match(failures[1]?.where ?? '', /not asked again/);
    strictEqual(comparison.rows[1]?.rate, undefined);
  });
});

describe('judgeComparison', () => {
  const goal = { name: 'a goal', contender: 'B', base: 'A', atLeast: 0.9 };

  it('gives name, limit, measured, spread, verdict and the pair ratios', async () => {
    const contenders = [
      contender('A', 'base', [100]),
      contender('A again', 'same', [100, 101]),
      contender('B', 'ours', [120]),
    ];
    const { comparison } = await compare(plan(contenders), { pairs: 7, discarded: 0 }, quiet);
    const row = judgeComparison(comparison, goal, false);
    strictEqual(row.limit, '≥ 0.9 × A');
    strictEqual(row.measured, '1.20');
    strictEqual(row.spread, '1.20–1.20');
    strictEqual(row.pass, 'met');
    strictEqual(row.values?.length, 7);
  });

  it('of a rate nothing is asked of is shown and not judged, however low', async () => {
    const contenders = [
      contender('A', 'base', [100]),
      contender('A again', 'same', [100]),
      contender('B', 'ours', [10]),
    ];
    const { comparison } = await compare(plan(contenders), { pairs: 7, discarded: 0 }, quiet);
    const row = ratioRow(comparison, 'a rate', 'B', 'A');
    deepStrictEqual([row.limit, row.measured, row.pass], ['printed, not judged', '0.10 × A', 'not judged']);
    strictEqual(ratioRow(comparison, 'a rate', 'nobody', 'A').measured, undefined);
  });

  it('decides nothing when ours never worked', async () => {
    const contenders = [
      contender('A', 'base', [100]),
      contender('A again', 'same', [100]),
      contender('B', 'ours', [new Error('no')]),
    ];
    const { comparison } = await compare(plan(contenders), { pairs: 7, discarded: 0 }, quiet);
    const row = judgeComparison(comparison, goal, false);
    strictEqual(row.pass, 'not decided here');
    strictEqual(row.measured, undefined);
  });
});
