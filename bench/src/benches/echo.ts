import { join } from 'node:path';
import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import type { Child } from '../children.ts';
import { type Contender, compare } from '../comparison.ts';
import { buildTools, type EchoLoad, type LoadTimes, loadArguments, measureEcho, toolPath } from '../echo-load.ts';
import { programPath, resultFolder } from '../paths.ts';
import { judgeComparison, otherRatioRow } from '../ratio-goal.ts';
import type { Comparison, Failure, Role } from '../report/report.ts';

/** The columns: few and many connections, pipelined, large messages. */
const LOADS: readonly EchoLoad[] = [
  { title: '50 connections × 100 B', connections: 50, inFlight: 1, bytes: 100 },
  { title: '1000 connections × 100 B', connections: 1000, inFlight: 1, bytes: 100 },
  { title: '50 connections × 16 in flight × 100 B', connections: 50, inFlight: 16, bytes: 100 },
  { title: '10 connections × 64 KiB', connections: 10, inFlight: 1, bytes: 65_536 },
];
const FULL_TIMES: LoadTimes = { warmUpMs: 500, measureMs: 1_000 };
const QUICK_TIMES: LoadTimes = { warmUpMs: 100, measureMs: 200 };
const GOAL = 0.93;

const PLAIN = 'plain node:net';
const LIMIT = 'epoll in C';
const OURS = 'packet, portable';

interface Server {
  readonly name: string;
  readonly role: Role;
  readonly command: string;
  start(context: BenchContext): Child;
}

const SERVERS: readonly Server[] = [
  nodeServer(PLAIN, 'base', 'echo-net'),
  nodeServer(`${PLAIN} again`, 'same', 'echo-net'),
  nodeServer(OURS, 'ours', 'echo-packet'),
  {
    name: LIMIT,
    role: 'limit',
    command: 'bench/bin/echo_limit 0',
    start: (context) => context.children.start(toolPath('echo_limit'), ['0']),
  },
];

function nodeServer(name: string, role: Role, program: string): Server {
  return {
    name,
    role,
    command: `node bench/dist/src/servers/${program}.js`,
    start: (context) => {
      const profiled = context.profile && role === 'ours';
      const nodeArgs = profiled ? ['--cpu-prof', `--cpu-prof-dir=${join(resultFolder, 'profiles')}`] : [];
      return context.children.startNode(programPath(`servers/${program}`), [], nodeArgs);
    },
  };
}

/** Echo servers under the four loads of the table: ours, plain `node:net`, and the limit in C. */
export const echo: Bench = {
  name: 'echo',
  title: 'Echo: round trips against plain node:net and the limit',
  async run(context: BenchContext): Promise<BenchOutcome> {
    await buildTools();
    const times = context.quick ? QUICK_TIMES : FULL_TIMES;
    const comparisons: Comparison[] = [];
    const failures: Failure[] = [];
    for (const load of LOADS) {
      const contenders = SERVERS.map(
        (server): Contender => ({
          name: server.name,
          role: server.role,
          measure: () => measureEcho(context.children, () => server.start(context), load, times),
        }),
      );
      const outcome = await compare(
        { title: load.title, unit: 'round trips/s', bases: [PLAIN, LIMIT], contenders, goal: GOAL },
        context.rounds,
        context.progress,
      );
      comparisons.push(outcome.comparison);
      failures.push(...outcome.failures);
    }
    return {
      comparisons,
      goals: [
        ...comparisons.map((comparison) => {
          const goal = { name: `echo, ${comparison.title}`, contender: OURS, base: PLAIN, atLeast: GOAL };
          return judgeComparison(comparison, goal, context.quick);
        }),
        ...comparisons.map((comparison) =>
          otherRatioRow(comparison, `echo, ${comparison.title}: CPU time a message`, OURS, 'cpuUs'),
        ),
      ],
      missing: [],
      failures,
      commands: [
        ...new Set(SERVERS.map((server) => server.command)),
        ...LOADS.map((load) => `bench/bin/echoload ${loadArguments('PORT', 'PID', load, times).join(' ')}`),
      ],
    };
  },
};
