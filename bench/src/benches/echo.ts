import { join } from 'node:path';
import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import type { Child } from '../children.ts';
import { type Contender, compare } from '../comparison.ts';
import { buildTools, type EchoLoad, type LoadTimes, loadArguments, measureEcho, toolPath } from '../echo-load.ts';
import { hasProgram, PYTHON } from '../machine.ts';
import { programPath, resultFolder, scriptPath } from '../paths.ts';
import { judgeComparison, otherRatioRow } from '../ratio-goal.ts';
import type { Comparison, Failure, Missing, Role } from '../report/report.ts';
import { FEWEST_PAIRS } from '../verdict.ts';

/** The columns: few and many connections, pipelined, large messages. */
const LOADS: readonly EchoLoad[] = [
  { title: '50 connections × 100 B', connections: 50, inFlight: 1, bytes: 100 },
  { title: '1000 connections × 100 B', connections: 1000, inFlight: 1, bytes: 100 },
  { title: '50 connections × 16 in flight × 100 B', connections: 50, inFlight: 16, bytes: 100 },
  { title: '10 connections × 64 KiB', connections: 10, inFlight: 1, bytes: 65_536 },
];
const FULL_TIMES: LoadTimes = { warmUpMs: 400, measureMs: 700 };
const QUICK_TIMES: LoadTimes = { warmUpMs: 100, measureMs: 200 };
const GOAL = 0.93;

const PLAIN = 'plain node:net';
const LIMIT = 'epoll in C';
const OURS = 'packet, portable';

interface Server {
  readonly name: string;
  readonly role: Role;
  readonly command: string;
  /** What has to be installed for it: how to see that, and where it comes from. */
  readonly needs?: { readonly program: string; readonly args: readonly string[]; readonly from: string };
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
  scriptServer('EventMachine', 'echo-eventmachine.rb', {
    program: 'ruby',
    args: ['-e', 'require "eventmachine"'],
    from: 'Debian: ruby-eventmachine',
  }),
  scriptServer('Twisted', 'echo-twisted.py', {
    program: PYTHON,
    args: ['-c', 'import twisted.internet.epollreactor'],
    from: 'Debian: python3-twisted',
  }),
];

/** A peer in another language. */
function scriptServer(name: string, script: string, needs: NonNullable<Server['needs']>): Server {
  return {
    name,
    role: 'peer',
    command: `${needs.program} bench/src/servers/${script}`,
    needs,
    start: (context) => context.children.start(needs.program, [scriptPath(`servers/${script}`)]),
  };
}

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

/** Echo servers under the four loads of the table: ours, plain `node:net`, EventMachine, Twisted, and the limit in C. */
export const echo: Bench = {
  name: 'echo',
  title: 'Echo: round trips against plain node:net, other toolkits and the limit',
  async run(context: BenchContext): Promise<BenchOutcome> {
    await buildTools();
    const missing: Missing[] = [];
    const servers = SERVERS.filter(({ name, needs }) => {
      if (needs === undefined || hasProgram(needs.program, needs.args)) return true;
      missing.push({ name, why: `not installed for ${needs.program} (${needs.from})` });
      return false;
    });
    const times = context.quick ? QUICK_TIMES : FULL_TIMES;
    const comparisons: Comparison[] = [];
    const failures: Failure[] = [];
    for (const load of LOADS) {
      const contenders = servers.map(
        (server): Contender => ({
          name: server.name,
          role: server.role,
          ...(server.role === 'peer' ? { pairsWanted: FEWEST_PAIRS } : {}),
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
      missing,
      failures,
      commands: [
        ...new Set(servers.map((server) => server.command)),
        ...LOADS.map((load) => `bench/bin/echoload ${loadArguments('PORT', 'PID', load, times).join(' ')}`),
      ],
    };
  },
};
