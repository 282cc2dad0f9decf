import type { Bench, BenchContext } from './bench.ts';
import { Children } from './children.ts';
import { cpuTicks, machineFacts } from './machine.ts';
import { type BenchResult, type Fact, failureOf, type Report } from './report/report.ts';

/** How a run was asked for. */
export interface RunOptions {
  readonly quick: boolean;
  readonly profile: boolean;
  /** Rounds that count in every comparison. */
  readonly pairs: number;
  readonly command: string;
  readonly progress: (text: string) => void;
}

/** Runs benches one after the other, each at most once, and owns their processes. */
export class Runner {
  readonly #benches: ReadonlyMap<string, Bench>;
  readonly #options: RunOptions;
  readonly #children: Children = new Children();
  readonly #results = new Map<string, Promise<BenchResult>>();

  constructor(benches: readonly Bench[], options: RunOptions) {
    this.#benches = new Map(benches.map((bench) => [bench.name, bench]));
    this.#options = options;
  }

  /** Runs the named benches; a bench that throws is in the report as a failure. */
  async run(names: readonly string[]): Promise<Report> {
    const startedAt = new Date().toISOString();
    const facts = machineFacts();
    const before = cpuTicks();
    for (const name of names) await this.resultOf(name);
    const benches = await Promise.all(this.#results.values());
    const { quick, command } = this.#options;
    return { schema: 1, startedAt, command, quick, machine: [...facts, ...stolenFact(before)], benches };
  }

  /** What a bench found; it runs now when it has not yet. */
  resultOf(name: string): Promise<BenchResult> {
    let result = this.#results.get(name);
    if (result === undefined) {
      result = this.#run(name);
      this.#results.set(name, result);
    }
    return result;
  }

  /** Ends every process that is left. Idempotent. */
  close(): Promise<void> {
    return this.#children.close();
  }

  async #run(name: string): Promise<BenchResult> {
    const bench = this.#benches.get(name);
    if (bench === undefined) throw new RangeError(`unknown bench "${name}"`);
    const start = performance.now();
    const seconds = (): number => (performance.now() - start) / 1000;
    try {
      const outcome = await bench.run(this.#context(name));
      return { name, title: bench.title, ...outcome, seconds: seconds() };
    } catch (error) {
      const failures = [failureOf(name, error)];
      const nothing = { comparisons: [], goals: [], missing: [], commands: [] };
      return { name, title: bench.title, ...nothing, failures, seconds: seconds() };
    }
  }

  #context(name: string): BenchContext {
    const { quick, profile, pairs, progress } = this.#options;
    return {
      quick,
      profile,
      rounds: quick ? { pairs: 2, discarded: 0 } : { pairs, discarded: 1 },
      children: this.#children,
      progress: (text) => progress(`${name}: ${text}`),
      resultOf: (other) => this.resultOf(other),
    };
  }
}

function stolenFact(before: { readonly total: number; readonly stolen: number } | undefined): readonly Fact[] {
  const after = cpuTicks();
  if (before === undefined || after === undefined || after.total === before.total) return [];
  const share = (after.stolen - before.stolen) / (after.total - before.total);
  return [{ name: 'CPU stolen', value: `${(share * 100).toFixed(1)} % by other guests of the host, during the run` }];
}
