import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import { msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const MB = 1_000_000;
const LONGEST_STALL_MS = 20;
const PATIENCE_MS = 30_000;

type Side = 'masterMs' | 'workerMs';

/** Large values travel to a worker and back without holding either loop: a 1 ms timer is never more than 20 ms late. */
export const largeValues: HoldCheck = {
  name: 'large values to a worker and back',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const trips = context.quick ? 1 : 9;
    const scale = context.quick ? 0.1 : 1;
    const { quick } = context;
    const binary50 = await travel(context, 'binary', 50 * MB * scale, trips);
    const binary100 = await travel(context, 'binary', 100 * MB * scale, trips);
    const string50 = await travel(context, 'string', 50 * MB * scale, trips);
    const judged = (name: string, lines: readonly Figures[], side: Side): GoalRow =>
      atMostRow({ ...measurement(name, lines, side), quick }, LONGEST_STALL_MS);
    return [
      judged('50 MB of binary: 1 ms timer of the master, latest', binary50, 'masterMs'),
      judged('100 MB of binary: 1 ms timer of the master, latest', binary100, 'masterMs'),
      judged('100 MB of binary: 1 ms timer of the worker, latest', binary100, 'workerMs'),
      printedRow({ ...measurement('50 MB string: 1 ms timer of the master, latest', string50, 'masterMs'), quick }),
      printedRow({ ...measurement('50 MB string: 1 ms timer of the worker, latest', string50, 'workerMs'), quick }),
    ];
  },
};

interface Figures {
  readonly masterMs: number;
  readonly workerMs: number;
  readonly controlMs: number;
  readonly tookMs: number;
}

async function travel(
  context: BenchContext,
  kind: 'binary' | 'string',
  bytes: number,
  trips: number,
): Promise<readonly Figures[]> {
  context.progress(`${bytes / MB} MB ${kind} to a worker and back`);
  const program = context.children.startNode(programPath('hold/programs/large-values'), [
    kind,
    String(bytes),
    String(trips),
  ]);
  try {
    const lines: Figures[] = [];
    for (let trip = 0; trip < trips; trip++) {
      lines.push(figuresOf(await program.nextLine(PATIENCE_MS), ['masterMs', 'workerMs', 'controlMs', 'tookMs']));
    }
    return lines;
  } finally {
    await program.end();
  }
}

function measurement(
  name: string,
  lines: readonly Figures[],
  side: Side,
): { name: string; values: number[]; control: number[]; format: (ms: number) => string; note: string } {
  const took = Math.max(...lines.map((line) => line.tookMs));
  return {
    name,
    values: lines.map((line) => line[side]),
    control: lines.map((line) => line.controlMs),
    format: msText,
    note: `the longest trip took ${msText(took)}`,
  };
}
