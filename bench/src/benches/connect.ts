import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { compare } from '../comparison.ts';
import { buildTools, type LoadTimes, measureServer, toolPath } from '../echo-load.ts';
import { contenderOf, LIMIT, OURS, PLAIN, presentServers } from '../echo-servers.ts';
import { otherRatioRow, ratioRow } from '../ratio-goal.ts';

const AT_ONCE = 50;
const FULL_TIMES: LoadTimes = { warmUpMs: 400, measureMs: 700 };
const QUICK_TIMES: LoadTimes = { warmUpMs: 100, measureMs: 200 };

/** What a connection costs a server that only accepts it, echoes one byte and sees it go. */
export const connect: Bench = {
  name: 'connect',
  title: 'Connect: short connections against plain node:net, other toolkits and the limit',
  async run(context: BenchContext): Promise<BenchOutcome> {
    await buildTools();
    const { servers, missing } = presentServers();
    const times = context.quick ? QUICK_TIMES : FULL_TIMES;
    const generatorArguments = (port: number | 'PORT', pid: number | 'PID'): readonly string[] =>
      [port, AT_ONCE, times.warmUpMs / 1000, times.measureMs / 1000, pid].map(String);
    const { comparison, failures } = await compare(
      {
        title: `${AT_ONCE} at once, one byte each`,
        unit: 'connections/s',
        bases: [PLAIN, LIMIT],
        contenders: servers.map((server) =>
          contenderOf(server, () =>
            measureServer(
              () => server.start(context),
              (port, pid) => context.children.start(toolPath('connectload'), generatorArguments(port, pid)),
              times,
            ),
          ),
        ),
      },
      context.rounds,
      context.progress,
    );
    return {
      comparisons: [comparison],
      goals: [
        ratioRow(comparison, 'short connections', OURS, PLAIN),
        otherRatioRow(comparison, 'short connections: CPU time of each', OURS, 'cpuUs'),
      ],
      missing,
      failures,
      commands: [
        ...new Set(servers.map((server) => server.command)),
        `bench/bin/connectload ${generatorArguments('PORT', 'PID').join(' ')}`,
      ],
    };
  },
};
