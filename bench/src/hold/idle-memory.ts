import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import type { Child } from '../children.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import type { GoalRow } from '../report/report.ts';
import { median } from '../statistics.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow, ruleRow } from './limit-row.ts';
import { manyReport } from './many-report.ts';

/** The rule: of resident memory, for each of 10,000 connections that do nothing. KB, not KiB. */
const LIMIT_BYTES = 6_000;
/** How the memory grows on the way there. */
const STEPS = [100, 1_000, 10_000] as const;
const QUICK_STEPS = [50, 100, 500] as const;
/** Opened and closed again before it counts: code compiled on the way is no connection's memory. */
const WARM_UP = 100;
const RUNS = 5;
const PATIENCE_MS = 30_000;

/** An idle connection costs at most 6 KB of resident memory, at ten thousand of them; one more is refused and it is told why. */
export const idleMemory: HoldCheck = {
  name: 'memory of idle connections',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const ours: Costs[] = [];
    const plain: Costs[] = [];
    for (let run = 0; run < (quick ? 1 : RUNS); run++) {
      context.progress(`idle connections, ${run + 1} of ${quick ? 1 : RUNS}`);
      ours.push(await measure(context, 'packet'));
      plain.push(await measure(context, 'net'));
    }
    return [...memoryRows(ours, plain, quick), ...refusalRow(ours, quick)];
  },
};

/** What connections cost in one pair of processes. */
interface Costs {
  /** For each step: bytes for one connection. */
  readonly steps: readonly StepCost[];
  /** Connections turned away, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

type Figure = Exclude<keyof StepCost, 'connections'>;

interface StepCost {
  readonly connections: number;
  /** Resident, after a collection. */
  readonly rss: number;
  /** Resident, without one. */
  readonly rssBefore: number;
  /** JavaScript and buffers, after a collection. */
  readonly used: number;
  /** Of what is resident: pages of V8's young generation, empty after a collection but never given back. */
  readonly young: number;
}

function memoryRows(ours: readonly Costs[], plain: readonly Costs[], quick: boolean): readonly GoalRow[] {
  const steps = ours[0]?.steps ?? [];
  return steps.map(({ connections }, at) => {
    const column = (runs: readonly Costs[], figure: Figure): number[] =>
      runs.map((run) => run.steps[at]?.[figure] ?? 0);
    const middle = (runs: readonly Costs[], figure: Figure): string => format(median(column(runs, figure)));
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

function refusalRow(runs: readonly Costs[], quick: boolean): readonly GoalRow[] {
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

async function measure(context: BenchContext, kind: 'packet' | 'net'): Promise<Costs> {
  const steps = context.quick ? QUICK_STEPS : STEPS;
  const last = steps.at(-1) ?? 0;
  const args = [kind, String(context.quick ? last : 0)];
  const server = context.children.startNode(programPath('hold/programs/idle-many'), args, ['--expose-gc']);
  try {
    const port = await listeningPort(server);
    const clients = context.children.startNode(programPath('hold/programs/idle-clients'), [String(port)]);
    try {
      await become(server, clients, WARM_UP);
      await become(server, clients, 0);
      const base = await manyReport(server, 'collect');
      const costs: StepCost[] = [];
      for (const connections of steps) {
        await become(server, clients, connections);
        const before = await manyReport(server, 'as it is');
        const after = await manyReport(server, 'collect');
        costs.push({
          connections,
          rss: (after.rss - base.rss) / connections,
          rssBefore: (before.rss - base.rss) / connections,
          used: (after.usedBytes - base.usedBytes) / connections,
          young: (after.youngBytes - base.youngBytes) / connections,
        });
      }
      if (kind === 'packet') {
        clients.say('refused');
        await clients.nextLine(PATIENCE_MS);
      }
      const { refused, open } = await manyReport(server, 'as it is');
      if (open !== last) throw new Error(`${open} of ${last} connections are left`);
      return { steps: costs, refused };
    } finally {
      await clients.end();
    }
  } finally {
    await server.end();
  }
}

/** Brings both sides to `count` connections. */
async function become(server: Child, clients: Child, count: number): Promise<void> {
  clients.say(String(count));
  await clients.nextLine(PATIENCE_MS);
  const start = performance.now();
  while ((await manyReport(server, 'as it is')).open !== count) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`the server never had ${count} connections`);
    await delay(20);
  }
}
