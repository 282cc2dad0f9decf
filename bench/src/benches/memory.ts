import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { type Contender, compare, type Sample } from '../comparison.ts';
import { type IdleCosts, idleSteps, measureIdleCosts } from '../idle-costs.ts';
import type { Comparison, Failure, Role } from '../report/report.ts';

const PLAIN = 'plain node:net';

interface Side {
  readonly name: string;
  readonly role: Role;
  readonly kind: 'packet' | 'net';
}

const SIDES: readonly Side[] = [
  { name: PLAIN, role: 'base', kind: 'net' },
  { name: `${PLAIN} again`, role: 'same', kind: 'net' },
  { name: 'packet, portable', role: 'ours', kind: 'packet' },
];

/** How the memory of a server grows with the number of connections that do nothing. */
export const memory: Bench = {
  name: 'memory',
  title: 'Memory: bytes for each idle connection, from few to many; less is better',
  async run(context: BenchContext): Promise<BenchOutcome> {
    const comparisons: Comparison[] = [];
    const failures: Failure[] = [];
    // One process gives the figures of all steps: the first step runs it, the others read what it found.
    const found = SIDES.map((): IdleCosts[] => []);
    for (const [step, connections] of idleSteps(context.quick).entries()) {
      const contenders = SIDES.map(({ name, role, kind }, at): Contender => {
        const costs = found[at] ?? [];
        let round = 0;
        return {
          name,
          role,
          measure: async () => {
            if (step === 0) costs.push(await measureIdleCosts(context, kind));
            return sampleOf(costs[round++], step);
          },
        };
      });
      const outcome = await compare(
        { title: `${connections} idle connections`, unit: 'B of JavaScript each', bases: [PLAIN], contenders },
        context.rounds,
        context.progress,
      );
      comparisons.push(outcome.comparison);
      failures.push(...outcome.failures);
    }
    return { comparisons, goals: [], missing: [], failures, commands: [] };
  },
};

function sampleOf(costs: IdleCosts | undefined, step: number): Sample {
  const cost = costs?.steps[step];
  if (cost === undefined) throw new Error('the run that measures all steps failed');
  const { rss, used, young } = cost;
  // Resident memory comes in pages: of few connections it may be none at all, and no ratio can be made of it.
  return { rate: used, others: { 'resident B each': rss, 'of it young generation': young } };
}
