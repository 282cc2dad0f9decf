import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from './bench.ts';
import type { Child } from './children.ts';
import { listeningPort } from './echo-load.ts';
import { manyReport } from './hold/many-report.ts';
import { programPath } from './paths.ts';

const STEPS = [100, 1_000, 10_000] as const;
const QUICK_STEPS = [50, 100, 500] as const;
/** Opened and closed again before it counts: code compiled on the way is no connection's memory. */
const WARM_UP = 100;
const PATIENCE_MS = 30_000;

/** How many connections are measured, one number after the other. */
export function idleSteps(quick: boolean): readonly number[] {
  return quick ? QUICK_STEPS : STEPS;
}

/** What idle connections cost one server. */
export interface IdleCosts {
  /** For each step: bytes for one connection. */
  readonly steps: readonly StepCost[];
  /** Connections turned away, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Bytes for one connection, with so many of them. */
export interface StepCost {
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

/** Starts a server and its clients, and opens more and more connections that do nothing. */
export async function measureIdleCosts(context: BenchContext, kind: 'packet' | 'net'): Promise<IdleCosts> {
  const steps = idleSteps(context.quick);
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
