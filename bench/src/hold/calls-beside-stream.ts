import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import { bytesText, msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const TOTAL = 1_000_000_000;
const CHUNK = 65_536;
const CREDIT = 262_144;
const P99_MS = 1;
/** The credit on its way in, once more as it is put together, and what Node holds for reading. */
const HELD_BYTES = 4 * CREDIT;
const PATIENCE_MS = 60_000;
const FIGURES = ['aloneMs', 'besideMs', 'calls', 'tookMs', 'masterBytes', 'workerBytes'] as const;

/** Beside a stream of large attachments small calls are quick, and memory is bounded by the credit of the stream. */
export const callsBesideStream: HoldCheck = {
  name: 'small calls beside a stream of attachments',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const trials = context.quick ? 1 : 7;
    const total = context.quick ? TOTAL / 100 : TOTAL;
    context.progress('small calls beside 1 GB of attachments');
    const args = [total, CHUNK, CREDIT, trials].map(String);
    const program = context.children.startNode(programPath('hold/programs/calls-beside-stream'), args, ['--expose-gc']);
    try {
      const lines: Readonly<Record<(typeof FIGURES)[number], number>>[] = [];
      for (let trial = 0; trial < trials; trial++) lines.push(figuresOf(await program.nextLine(PATIENCE_MS), FIGURES));
      const { quick } = context;
      const seconds = Math.max(...lines.map((line) => line.tookMs)) / 1000;
      const calls = Math.min(...lines.map((line) => line.calls));
      const held = { format: bytesText, quick };
      return [
        atMostRow(
          {
            name: '1 GB of attachments, 256 KB on the way: small calls beside it, p99',
            values: lines.map((line) => line.besideMs),
            control: lines.map((line) => line.aloneMs),
            format: msText,
            note: `at least ${calls} calls, one after the other; the longest stream took ${seconds.toFixed(1)} s`,
            quick,
          },
          P99_MS,
        ),
        atMostRow(
          { ...held, name: '… memory held by the master, most', values: lines.map((line) => line.masterBytes) },
          HELD_BYTES,
        ),
        atMostRow(
          { ...held, name: '… memory held by the worker afterwards', values: lines.map((line) => line.workerBytes) },
          HELD_BYTES,
        ),
      ];
    } finally {
      await program.end();
    }
  },
};
