import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import { msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const KINDS = ['idle', 'waiting', 'spinning'] as const;
const GONE_MS = 1_000;
const GIVE_UP_MS = 5_000;
const LOOK_EVERY_MS = 2;
/** Until a spinning worker has begun to spin: its call is on the way when the pids are printed. */
const SETTLE_MS = 100;
const PATIENCE_MS = 15_000;

/** Workers do not outlive their master, whatever they are doing when it dies. */
export const masterDeath: HoldCheck = {
  name: 'workers after SIGKILL of their master',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const trials = context.quick ? 1 : 9;
    const gone = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
    const bare: number[] = [];
    for (let trial = 0; trial < trials; trial++) {
      context.progress(`killing a master, ${trial + 1} of ${trials}`);
      const times = await killMaster(context, 'master-death', KINDS);
      for (const kind of KINDS) gone.get(kind)?.push(times[kind]);
      // Plain Node whose forked child exits when its parent is gone.
      bare.push((await killMaster(context, 'idle-node', ['worker'])).worker);
    }
    return KINDS.map((kind) =>
      atMostRow(
        {
          name: `master killed: its ${kind} worker is gone`,
          values: gone.get(kind) ?? [],
          control: bare,
          format: msText,
          quick: context.quick,
        },
        GONE_MS,
      ),
    );
  },
};

/** Starts a program that prints the pids of its children by name, kills it, and tells when each child was gone. */
async function killMaster<N extends string>(
  context: BenchContext,
  program: string,
  names: readonly N[],
): Promise<Readonly<Record<N, number>>> {
  const master = context.children.startNode(programPath(`hold/programs/${program}`), []);
  try {
    const pids = figuresOf(await master.nextLine(PATIENCE_MS), names);
    await delay(SETTLE_MS);
    const killedAt = performance.now();
    master.kill();
    const times: Partial<Record<N, number>> = {};
    const watch = async (name: N): Promise<void> => {
      times[name] = await goneAfter(pids[name], killedAt);
    };
    await Promise.all(names.map(watch));
    return times as Record<N, number>;
  } finally {
    await master.end();
  }
}

/** Milliseconds from `since` until the process is gone; one that stays is killed here and counts with the time waited. */
async function goneAfter(pid: number, since: number): Promise<number> {
  while (isRunning(pid)) {
    if (performance.now() - since > GIVE_UP_MS) {
      process.kill(pid, 'SIGKILL');
      break;
    }
    await delay(LOOK_EVERY_MS);
  }
  return performance.now() - since;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Whoever inherits an orphan may be slow to bury it: a zombie is gone.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
