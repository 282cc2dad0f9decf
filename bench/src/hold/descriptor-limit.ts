import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow, ruleRow } from './limit-row.ts';
import { manyReport } from './many-report.ts';
import { figuresOf } from './program-lines.ts';

const SOFT_LIMIT = 256;
/** The soft limit less what the listener leaves for files and workers. */
const CEILING = SOFT_LIMIT - 64;
const MOST_CPU = 0.2;
const RUNS = 3;
const FULL = { clients: 2_000, holdMs: 1_000, retryMs: 1_000 } as const;
const QUICK = { clients: 500, holdMs: 100, retryMs: 100 } as const;
const PATIENCE_MS = 60_000;

/** With few descriptors and many clients the listener keeps its own ceiling, says so, stays calm, and serves all who retry. */
export const descriptorLimit: HoldCheck = {
  name: 'ulimit -n 256 and 2,000 clients that retry',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const plan = quick ? QUICK : FULL;
    const runs: Run[] = [];
    for (let run = 0; run < (quick ? 1 : RUNS); run++) {
      context.progress(`${plan.clients} clients at a server with ${SOFT_LIMIT} descriptors, ${run + 1}`);
      runs.push(await measure(context, plan));
    }
    const name = `ulimit -n ${SOFT_LIMIT}, ${plan.clients} clients:`;
    const seconds = runs.map(({ tookMs }) => `${(tookMs / 1000).toFixed(1)} s`).join(', ');
    return [
      ruleRow({
        name: `${name} connections at most`,
        rule: String(CEILING),
        seen: distinct(runs.map(({ most }) => String(most))),
        holds: runs.every(({ most }) => most === CEILING),
        quick,
      }),
      ruleRow({
        name: `${name} refused, and the reason of the event`,
        rule: 'each, fd-limit',
        seen: runs.map(({ clientsRefused, events }) => `${clientsRefused}, ${JSON.stringify(events)}`).join('; '),
        holds: runs.every(({ clientsRefused, events }) => sameCount(events, clientsRefused)),
        quick,
        note: 'first as the clients counted them, then the events of the server',
      }),
      ruleRow({
        name: `${name} served`,
        rule: 'all who retry, by a server that is still there',
        seen: distinct(runs.map(({ served }) => String(served))),
        holds: runs.every(({ served, open }) => served === plan.clients && open === 0),
        quick,
        note: `in ${seconds}; each stays ${plan.holdMs} ms and tries again after ${plan.retryMs} ms, more or less`,
      }),
      atMostRow({ name: `${name} CPU`, values: runs.map(({ cores }) => cores), format: coresText, quick }, MOST_CPU),
      printedRow({
        name: `${name} CPU time for a refusal, at most`,
        values: runs.map(({ cpuMs, clientsRefused }) => (cpuMs / Math.max(1, clientsRefused)) * 1000),
        format: (us) => `${us.toFixed(0)} µs`,
        quick,
        note: 'the serving counted with it',
      }),
    ];
  },
};

interface Plan {
  readonly clients: number;
  readonly holdMs: number;
  readonly retryMs: number;
}

interface Run {
  readonly most: number;
  readonly open: number;
  readonly served: number;
  readonly clientsRefused: number;
  readonly events: Readonly<Record<string, number>>;
  readonly tookMs: number;
  readonly cpuMs: number;
  /** Share of one core the server used. */
  readonly cores: number;
}

async function measure(context: BenchContext, plan: Plan): Promise<Run> {
  const { children } = context;
  const program = programPath('hold/programs/idle-many');
  const limited = `ulimit -n ${SOFT_LIMIT} && exec "$0" "$@"`;
  // exec: the shell becomes the server, and its pid is the server's.
  const server = children.start('sh', ['-c', limited, process.execPath, '--expose-gc', program, 'packet', '0']);
  try {
    const port = await listeningPort(server);
    const before = await manyReport(server, 'as it is');
    const args = [port, plan.clients, plan.holdMs, plan.retryMs].map(String);
    const clients = children.startNode(programPath('hold/programs/retrying-clients'), args);
    try {
      const line = await clients.nextLine(PATIENCE_MS);
      const { served, refused, tookMs } = figuresOf(line, ['served', 'refused', 'tookMs']);
      let after = await manyReport(server, 'as it is');
      const cpuMs = after.cpuMs - before.cpuMs;
      const giveUpAt = performance.now() + PATIENCE_MS;
      // The last clients have gone; the server hears of it a moment later.
      while (after.open > 0 && performance.now() < giveUpAt) {
        await delay(20);
        after = await manyReport(server, 'as it is');
      }
      const { most, open, refused: events } = after;
      return { most, open, served, clientsRefused: refused, events, tookMs, cpuMs, cores: cpuMs / tookMs };
    } finally {
      await clients.end();
    }
  } finally {
    await server.end();
  }
}

function sameCount(events: Readonly<Record<string, number>>, clientsRefused: number): boolean {
  return Object.keys(events).every((reason) => reason === 'fd-limit') && (events['fd-limit'] ?? 0) === clientsRefused;
}

function distinct(texts: readonly string[]): string {
  return [...new Set(texts)].join(', ');
}

function coresText(cores: number): string {
  return `${cores.toFixed(3)} of a core`;
}
