import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import { msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const OUTSTANDING = 64;
const SETTLED_MS = 50;
const SERVING_MS = 200;
const PATIENCE_MS = 15_000;

/** A killed worker: all its calls settle at once, and a replacement serves soon. */
export const workerLoss: HoldCheck = {
  name: 'a worker killed under 64 outstanding calls',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const trials = context.quick ? 2 : 15;
    const reported: number[] = [];
    const settled: number[] = [];
    const serving: number[] = [];
    // A master of its own for each trial: restarts in a row back off, which is not what is measured here.
    for (let trial = 0; trial < trials; trial++) {
      context.progress(`killing a worker, ${trial + 1} of ${trials}`);
      const program = context.children.startNode(programPath('hold/programs/worker-loss'), [String(OUTSTANDING)]);
      try {
        const line = await program.nextLine(PATIENCE_MS);
        const { reportedMs, settledMs, servingMs } = figuresOf(line, ['reportedMs', 'settledMs', 'servingMs']);
        reported.push(reportedMs);
        settled.push(settledMs);
        serving.push(servingMs);
      } finally {
        await program.end();
      }
    }
    const { quick } = context;
    const note = 'counted from the SIGKILL, which comes before the exit is seen';
    const common = { format: msText, quick, note };
    return [
      atMostRow({ ...common, name: `worker killed: all ${OUTSTANDING} calls settled`, values: settled }, SETTLED_MS),
      atMostRow({ ...common, name: 'worker killed: a replacement has answered', values: serving }, SERVING_MS),
      printedRow({ ...common, name: 'worker killed: packet:worker.exited', values: reported }),
    ];
  },
};
