import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';
import { countSystemCalls } from './system-calls.ts';

const WATCHED_MS = 10_000;
/** V8 tidies its heap for some seconds after a start. */
const SETTLE_MS = 12_000;
const PATIENCE_MS = 15_000;

/** Nothing wakes up when there is nothing to do: neither the reactor nor its worker calls the system. */
export const idleCalls: HoldCheck = {
  name: 'system calls of an idle reactor with an idle worker',
  needs: 'strace',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const ours = await systemCalls(context, 'idle-reactor');
    const plain = await systemCalls(context, 'idle-node');
    const seconds = (context.quick ? WATCHED_MS / 10 : WATCHED_MS) / 1000;
    const named = [...ours].map(([name, count]) => `${name} ${count}`).join(', ');
    return [
      atMostRow(
        {
          name: `idle reactor with an idle worker: system calls in ${seconds} s`,
          values: [total(ours)],
          control: [total(plain)],
          format: String,
          quick: context.quick,
          note: `both processes, all threads, by strace -f; ours: ${named === '' ? 'none' : named}`,
        },
        0,
      ),
    ];
  },
};

async function systemCalls(context: BenchContext, program: string): Promise<ReadonlyMap<string, number>> {
  const speedUp = context.quick ? 10 : 1;
  const folder = await mkdtemp(join(tmpdir(), 'packet-bench-'));
  const idle = context.children.startNode(programPath(`hold/programs/${program}`), []);
  try {
    const { master, worker } = figuresOf(await idle.nextLine(PATIENCE_MS), ['master', 'worker']);
    context.progress(`${program}: waiting until nothing happens`);
    await delay(SETTLE_MS / speedUp);
    context.progress(`${program}: watching system calls`);
    const file = join(folder, 'trace');
    const strace = context.children.start('strace', ['-f', '-o', file, '-p', String(master), '-p', String(worker)]);
    try {
      await delay(WATCHED_MS / speedUp);
      if (!strace.running) throw new Error(`strace ended early: ${strace.stderr}`);
    } finally {
      await strace.end();
    }
    return countSystemCalls(await readFile(file, 'utf8'));
  } finally {
    await idle.end();
    await rm(folder, { recursive: true });
  }
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
