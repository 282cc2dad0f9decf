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
const FIGURES = ['reportedMs', 'settledMs', 'servingMs', 'bareStartMs', 'bareExitMs'] as const;

/** A killed worker: all its calls settle at once, and a replacement serves soon. */
export const workerLoss: HoldCheck = {
  name: 'a worker killed under 64 outstanding calls',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const trials = context.quick ? 2 : 15;
    const reported: number[] = [];
    const settled: number[] = [];
    const serving: number[] = [];
    const bareStarts: number[] = [];
    const bareExits: number[] = [];
    // A master of its own for each trial: restarts in a row back off, which is not what is measured here.
    for (let trial = 0; trial < trials; trial++) {
      context.progress(`killing a worker, ${trial + 1} of ${trials}`);
      const program = context.children.startNode(programPath('hold/programs/worker-loss'), [String(OUTSTANDING)]);
      try {
        const line = await program.nextLine(PATIENCE_MS);
        const figures = figuresOf(line, FIGURES);
        reported.push(figures.reportedMs);
        settled.push(figures.settledMs);
        serving.push(figures.servingMs);
        bareStarts.push(figures.bareStartMs);
        bareExits.push(figures.bareExitMs);
      } finally {
        await program.end();
      }
    }
    const { quick } = context;
    const note = 'counted from the SIGKILL, which comes before the exit is seen';
    const common = { format: msText, quick, note };
    const settledRow = { ...common, values: settled, control: bareExits };
    const servingRow = { ...common, values: serving, control: bareStarts };
    return [
      atMostRow({ ...settledRow, name: `worker killed: all ${OUTSTANDING} calls settled` }, SETTLED_MS),
      atMostRow({ ...servingRow, name: 'worker killed: a replacement has answered' }, SERVING_MS),
      printedRow({ ...common, name: 'worker killed: packet:worker.exited', values: reported }),
    ];
  },
};
