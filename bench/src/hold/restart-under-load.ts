import type { BenchContext } from '../bench.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import { msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow, printedRow, ruleRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const CONNECTIONS = 10_000;
const QUICK_CONNECTIONS = 2_000;
const AT_ONCE = 20;
const RUNS = 5;
const PATIENCE_MS = 60_000;

/** A restart under a loop of short connections loses none of them. */
export const restartUnderLoad: HoldCheck = {
  name: 'restart under short connections',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const connections = quick ? QUICK_CONNECTIONS : CONNECTIONS;
    const runs: Run[] = [];
    for (let run = 0; run < (quick ? 1 : RUNS); run++) {
      context.progress(`restart under ${connections} short connections, ${run + 1}`);
      runs.push(await measure(context, connections));
    }
    const name = `restart under ${connections} short connections:`;
    const lost = (['refused', 'cut', 'hung'] as const).map((figure) =>
      atMostRow({ name: `${name} ${figure}`, values: runs.map((run) => run[figure]), format: String, quick }, 0),
    );
    return [
      ...lost,
      ruleRow({
        name: `${name} answered`,
        rule: 'all, by the old process and then by the new one, and the old one ended with 0',
        seen: runs.map(({ old, next, exitCode }) => `${old} + ${next}, exit ${exitCode}`).join('; '),
        holds: runs.every(({ old, next, exitCode }) => old + next === connections && next > 0 && exitCode === 0),
        quick,
      }),
      printedRow({
        name: `${name} from the signal until the new process serves`,
        values: runs.map(({ tookMs }) => tookMs),
        format: msText,
        quick,
      }),
    ];
  },
};

interface Run {
  readonly refused: number;
  readonly cut: number;
  readonly hung: number;
  /** Connections answered by the process that was there first, and by the one that took over. */
  readonly old: number;
  readonly next: number;
  readonly exitCode: number | null;
  readonly tookMs: number;
}

async function measure(context: BenchContext, connections: number): Promise<Run> {
  const server = context.children.startNode(programPath('hold/programs/restartable-server'), []);
  let next: number | undefined;
  try {
    const port = await listeningPort(server);
    const args = [port, connections, AT_ONCE].map(String);
    const clients = context.children.startNode(programPath('hold/programs/short-connections'), args);
    try {
      await clients.nextLine(PATIENCE_MS);
      const signalledAt = performance.now();
      process.kill(server.pid, 'SIGUSR2');
      next = figuresOf(await server.nextLine(PATIENCE_MS), ['pid']).pid;
      const tookMs = performance.now() - signalledAt;
      const line = await clients.nextLine(PATIENCE_MS);
      const { answered } = JSON.parse(line) as { readonly answered: Readonly<Record<string, number>> };
      // What the two processes print ends with the second of them: only then is the first one's end told.
      process.kill(next, 'SIGTERM');
      const { code: exitCode } = await server.exited;
      const [old, taken] = [answered[server.pid] ?? 0, answered[next] ?? 0];
      next = undefined;
      return { ...figuresOf(line, ['refused', 'cut', 'hung']), old, next: taken, exitCode, tookMs };
    } finally {
      await clients.end();
    }
  } finally {
    if (next !== undefined) endSuccessor(next);
    await server.end();
  }
}

/** The new process is nobody's child here. */
function endSuccessor(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone by itself, as it should.
  }
}
