import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { compare } from '../comparison.ts';
import { buildTlsTools, type EchoLoad, type LoadTimes, loadArguments, measureEcho } from '../echo-load.ts';
import { contenderOf, type EchoServer, nodeServer } from '../echo-servers.ts';
import { otherRatioRow, ratioRow } from '../ratio-goal.ts';
import type { Comparison, Failure, GoalRow } from '../report/report.ts';

const PLAIN = 'plain node:tls';
const OURS = 'packet, TLS';

const LOADS: readonly EchoLoad[] = [
  { title: 'TLS, 50 connections × 100 B', connections: 50, inFlight: 1, bytes: 100 },
  { title: 'TLS, 10 connections × 64 KiB', connections: 10, inFlight: 1, bytes: 65_536 },
];
const FULL_TIMES: LoadTimes = { warmUpMs: 400, measureMs: 700 };
const QUICK_TIMES: LoadTimes = { warmUpMs: 100, measureMs: 200 };

const SERVERS: readonly EchoServer[] = [
  nodeServer(PLAIN, 'base', 'echo-tls-net'),
  nodeServer(`${PLAIN} again`, 'same', 'echo-tls-net'),
  nodeServer(OURS, 'ours', 'echo-tls-packet'),
];

/** Echo over TLS against plain `node:tls`; nothing is asked of it. */
export const tls: Bench = {
  name: 'tls',
  title: 'TLS: encrypted round trips against plain node:tls',
  async run(context: BenchContext): Promise<BenchOutcome> {
    try {
      await buildTlsTools();
    } catch (error) {
      const said =
        error instanceof Error ? error.message.split('\n').find((line) => line.includes('error')) : undefined;
      const why = `not built; it needs the headers of OpenSSL (Debian: libssl-dev)${said === undefined ? '' : `: ${said}`}`;
      return { comparisons: [], goals: [], missing: [{ name: 'echoload_tls', why }], failures: [], commands: [] };
    }
    const times = context.quick ? QUICK_TIMES : FULL_TIMES;
    const comparisons: Comparison[] = [];
    const goals: GoalRow[] = [];
    const failures: Failure[] = [];
    for (const load of LOADS) {
      const contenders = SERVERS.map((server) =>
        contenderOf(server, () =>
          measureEcho(context.children, () => server.start(context), load, times, 'echoload_tls'),
        ),
      );
      const { comparison, failures: failed } = await compare(
        { title: load.title, unit: 'round trips/s', bases: [PLAIN], contenders },
        context.rounds,
        context.progress,
      );
      comparisons.push(comparison);
      failures.push(...failed);
      goals.push(
        ratioRow(comparison, `echo, ${load.title}`, OURS, PLAIN),
        otherRatioRow(comparison, `echo, ${load.title}: CPU time a message`, OURS, 'cpuUs'),
      );
    }
    return {
      comparisons,
      goals,
      missing: [],
      failures,
      commands: [
        ...new Set(SERVERS.map((server) => server.command)),
        ...LOADS.map((load) => `bench/bin/echoload_tls ${loadArguments('PORT', 'PID', load, times).join(' ')}`),
      ],
    };
  },
};
