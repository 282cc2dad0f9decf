import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { compare } from '../comparison.ts';
import { buildTools, type EchoLoad, type LoadTimes, loadArguments, measureEcho } from '../echo-load.ts';
import { contenderOf, LIMIT, OURS, PLAIN, presentServers } from '../echo-servers.ts';
import { judgeComparison, otherRatioRow } from '../ratio-goal.ts';
import type { Comparison, Failure } from '../report/report.ts';

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

/** Echo servers under the four loads of the table: ours, plain `node:net`, EventMachine, Twisted, and the limit in C. */
export const echo: Bench = {
  name: 'echo',
  title: 'Echo: round trips against plain node:net, other toolkits and the limit',
  async run(context: BenchContext): Promise<BenchOutcome> {
    await buildTools();
    const { servers, missing } = presentServers();
    const times = context.quick ? QUICK_TIMES : FULL_TIMES;
    const comparisons: Comparison[] = [];
    const failures: Failure[] = [];
    for (const load of LOADS) {
      const contenders = servers.map((server) =>
        contenderOf(server, () => measureEcho(context.children, () => server.start(context), load, times)),
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
