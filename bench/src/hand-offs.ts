import type { BenchContext } from './bench.ts';
import { type ComparisonOutcome, compare } from './comparison.ts';
import { buildTools, type LoadTimes, measureServer, toolPath } from './echo-load.ts';
import { contenderOf, type EchoServer, nodeServer } from './echo-servers.ts';
import { judgeComparison, ratioRow } from './ratio-goal.ts';
import type { GoalRow } from './report/report.ts';

const RAW = 'raw child.send';
const MAIN = 'node:net, served in main';
const MOVED = 'packet, handed to processes';
const RELAYED = 'packet, relayed to processes';
const THREADS = 'packet, handed to threads';
const AT_ONCE = 50;
const TITLE = `Connections served by two workers, ${AT_ONCE} at once, one byte each`;
const AT_LEAST = 0.9;
/** Longer than for others: three processes have to get warm. */
const FULL_TIMES: LoadTimes = { warmUpMs: 3_000, measureMs: 1_000 };
const QUICK_TIMES: LoadTimes = { warmUpMs: 100, measureMs: 200 };

const SERVERS: readonly EchoServer[] = [
  nodeServer(RAW, 'base', 'adopt-raw'),
  nodeServer(`${RAW} again`, 'same', 'adopt-raw'),
  nodeServer(MOVED, 'ours', 'adopt-packet', ['moved']),
  nodeServer(RELAYED, 'ours', 'adopt-packet', ['relayed']),
  nodeServer(THREADS, 'ours', 'adopt-packet', ['threads']),
  nodeServer(MAIN, 'peer', 'echo-net'),
];

/** Live connections handed to workers in a second, against what Node has for it. */
export async function compareHandOffs(
  context: BenchContext,
): Promise<ComparisonOutcome & { readonly goals: readonly GoalRow[]; readonly commands: readonly string[] }> {
  await buildTools();
  const times = context.quick ? QUICK_TIMES : FULL_TIMES;
  const generatorArguments = (port: number | 'PORT', pid: number | 'PID'): readonly string[] =>
    [port, AT_ONCE, times.warmUpMs / 1000, times.measureMs / 1000, pid].map(String);
  const outcome = await compare(
    {
      title: TITLE,
      unit: 'connections/s',
      bases: [RAW, MAIN],
      contenders: SERVERS.map((server) =>
        contenderOf(server, () =>
          measureServer(
            () => server.start(context),
            (port, pid) => context.children.start(toolPath('connectload'), generatorArguments(port, pid)),
            times,
          ),
        ),
      ),
      goal: AT_LEAST,
    },
    context.rounds,
    context.progress,
  );
  const { comparison } = outcome;
  const goal = { name: 'hand-offs to processes', contender: MOVED, base: RAW, atLeast: AT_LEAST };
  return {
    ...outcome,
    goals: [
      judgeComparison(comparison, goal, context.quick),
      ratioRow(comparison, 'connections relayed to processes', RELAYED, RAW),
      ratioRow(comparison, 'hand-offs to threads', THREADS, RAW),
      ratioRow(comparison, 'hand-offs to processes, against serving in main', MOVED, MAIN),
    ],
    commands: [
      ...new Set(SERVERS.map((server) => server.command)),
      `bench/bin/connectload ${generatorArguments('PORT', 'PID').join(' ')}`,
    ],
  };
}
