import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import type { Child } from '../children.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atLeastRow, atMostRow } from './limit-row.ts';

/** What the rule allows, in percent of the timeout. */
const LATEST_PERCENT = 5;
const EARLIEST_PERCENT = 0;

interface Late {
  readonly percent: number;
  readonly timerPercent: number;
}

/** The idle timeout of a connection comes 0 to 5 % late, never early. */
export const idleTimeout: HoldCheck = {
  name: 'idle timeout',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const rows: GoalRow[] = [];
    const plans = context.quick ? [{ ms: 100, connections: 10 }] : PLANS;
    for (const { ms, connections } of plans) rows.push(...(await measure(context, ms, connections)));
    return rows;
  },
};

/** The shortest has to be met by the machine's timers, the longest by their arithmetic; many at once show queueing. */
const PLANS = [
  { ms: 100, connections: 200 },
  { ms: 1_000, connections: 500 },
  { ms: 5_000, connections: 500 },
] as const;

async function measure(context: BenchContext, timeoutMs: number, connections: number): Promise<readonly GoalRow[]> {
  const server = context.children.startNode(programPath('hold/programs/idle-server'), [String(timeoutMs)]);
  try {
    const late = await lateness(server, timeoutMs, connections);
    const common = {
      format: (percent: number) => `${percent.toFixed(2)} %`,
      quick: context.quick,
      note: `${connections} connections, measured in the server`,
    };
    const name = `idle timeout of ${timeoutMs} ms`;
    const values = late.map(({ percent }) => percent);
    return [
      atMostRow(
        { ...common, name: `${name}, latest`, values, control: late.map(({ timerPercent }) => timerPercent) },
        LATEST_PERCENT,
      ),
      atLeastRow({ ...common, name: `${name}, earliest`, values }, EARLIEST_PERCENT),
    ];
  } finally {
    await server.end();
  }
}

/** Opens the connections spread over one timeout, so that they do not all expire at once, and waits for each to be closed. */
async function lateness(server: Child, timeoutMs: number, connections: number): Promise<readonly Late[]> {
  const port = await listeningPort(server);
  const sockets: Socket[] = [];
  for (let opened = 0; opened < connections; opened++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write('x');
    socket.resume();
    await delay(timeoutMs / connections);
  }
  const late: Late[] = [];
  while (late.length < connections) {
    const line: unknown = JSON.parse(await server.nextLine(timeoutMs * 2 + 5_000));
    if (typeof line !== 'object' || line === null || !('lateMs' in line) || !('timerLateMs' in line)) continue;
    const { lateMs, timerLateMs } = line;
    late.push({
      percent: (Number(lateMs) / timeoutMs) * 100,
      timerPercent: (Number(timerLateMs) / timeoutMs) * 100,
    });
  }
  for (const socket of sockets) socket.destroy();
  return late;
}
