import { type Comparison, type ComparisonRow, type Failure, failureOf, type Role } from './report/report.ts';
import { median, pairRatios, type Summary, summarise } from './statistics.ts';

/** What one measurement of one contender gave: its rate and whatever else was seen. */
export interface Sample {
  readonly rate: number;
  readonly others: Readonly<Record<string, number>>;
}

/** One side of a comparison: a server, a library, or the limit. */
export interface Contender {
  readonly name: string;
  readonly role: Role;
  /** Rounds it takes part in at most, where no goal hangs on it and time matters. */
  readonly pairsWanted?: number;
  /** Measures once, in processes of its own that are gone when it resolves. */
  measure(): Promise<Sample>;
}

/** How often and in what order. */
export interface Rounds {
  /** Rounds that count. */
  readonly pairs: number;
  /** First rounds that do not count: cold caches, CPU frequency. */
  readonly discarded: number;
}

/** What is compared. */
export interface ComparisonPlan {
  readonly title: string;
  readonly unit: string;
  readonly bases: readonly string[];
  readonly contenders: readonly Contender[];
  readonly goal?: number;
}

/** A comparison and what went wrong in it. */
export interface ComparisonOutcome {
  readonly comparison: Comparison;
  readonly failures: readonly Failure[];
}

/** A contender that failed this often in one comparison is not asked again. */
const FAILURES_ALLOWED = 2;

/**
 * Measures all contenders in interleaved rounds, A B C A B C …: what changes on the machine meanwhile changes for all. A
 * failing run is a hole in its row and an entry in `failures`.
 */
export async function compare(
  plan: ComparisonPlan,
  rounds: Rounds,
  progress: (text: string) => void,
): Promise<ComparisonOutcome> {
  const samples = new Map<Contender, (Sample | undefined)[]>(plan.contenders.map((contender) => [contender, []]));
  const failures: Failure[] = [];
  const failed = new Map<Contender, number>();
  for (let round = -rounds.discarded; round < rounds.pairs; round++) {
    progress(`${plan.title}: round ${round + rounds.discarded + 1} of ${rounds.discarded + rounds.pairs}`);
    for (const contender of plan.contenders) {
      const before = failed.get(contender) ?? 0;
      let sample: Sample | undefined;
      if (before < FAILURES_ALLOWED && round < (contender.pairsWanted ?? Number.POSITIVE_INFINITY)) {
        try {
          sample = await contender.measure();
        } catch (error) {
          failed.set(contender, before + 1);
          const gaveUp = before + 1 === FAILURES_ALLOWED ? ' (not asked again)' : '';
          failures.push(failureOf(`${plan.title}, ${contender.name}, round ${round + 1}${gaveUp}`, error));
        }
      }
      if (round >= 0) samples.get(contender)?.push(sample);
    }
  }
  return { comparison: tabulate(plan, samples), failures };
}

function tabulate(plan: ComparisonPlan, samples: ReadonlyMap<Contender, readonly (Sample | undefined)[]>): Comparison {
  const rates = new Map<string, readonly (number | null)[]>();
  for (const [contender, taken] of samples) {
    rates.set(
      contender.name,
      taken.map((sample) => sample?.rate ?? null),
    );
  }
  const base = [...samples].find(([contender]) => contender.name === plan.bases[0])?.[1] ?? [];
  const rows: ComparisonRow[] = [];
  for (const [contender, taken] of samples) {
    const own = rates.get(contender.name) ?? [];
    const ratios: Record<string, Summary> = {};
    for (const base of plan.bases) {
      const pairs = pairRatios(own, rates.get(base) ?? []);
      if (pairs.length > 0) ratios[base] = summarise(pairs);
    }
    const present = own.filter((rate) => rate !== null);
    rows.push({
      name: contender.name,
      role: contender.role,
      samples: own,
      ...(present.length > 0 ? { rate: summarise(present) } : {}),
      ratios,
      others: mediansOf(taken),
      otherRatios: otherRatios(taken, base),
    });
  }
  // The same code twice is what all other rows have to be read against: it comes first.
  rows.sort((a, b) => Number(b.role === 'same') - Number(a.role === 'same'));
  return {
    title: plan.title,
    unit: plan.unit,
    bases: plan.bases,
    rows,
    ...(plan.goal === undefined ? {} : { goal: plan.goal }),
  };
}

function otherRatios(
  taken: readonly (Sample | undefined)[],
  base: readonly (Sample | undefined)[],
): Readonly<Record<string, Summary>> {
  const ratios: Record<string, Summary> = {};
  for (const name of new Set(taken.flatMap((sample) => Object.keys(sample?.others ?? {})))) {
    const column = (samples: readonly (Sample | undefined)[]): readonly (number | null)[] =>
      samples.map((sample) => sample?.others[name] ?? null);
    const pairs = pairRatios(column(taken), column(base));
    if (pairs.length > 0) ratios[name] = summarise(pairs);
  }
  return ratios;
}

function mediansOf(taken: readonly (Sample | undefined)[]): Readonly<Record<string, number>> {
  const columns = new Map<string, number[]>();
  for (const sample of taken) {
    for (const [name, value] of Object.entries(sample?.others ?? {})) {
      const column = columns.get(name) ?? [];
      column.push(value);
      columns.set(name, column);
    }
  }
  return Object.fromEntries([...columns].map(([name, values]) => [name, median(values)]));
}

/** The A/A ratios of a comparison: the same code against itself. */
export function sameRatios(comparison: Comparison): Summary | undefined {
  const base = comparison.bases[0];
  return base === undefined ? undefined : comparison.rows.find((row) => row.role === 'same')?.ratios[base];
}
