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
import { figuresOf } from './program-lines.ts';

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
    for (const plan of context.quick ? QUICK_PLANS : PLANS) {
      context.progress(`idle timeout of ${plan.timeoutMs} ms on ${plan.connections} connections`);
      rows.push(...(await measure(context, plan)));
    }
    return rows;
  },
};

interface Plan {
  readonly timeoutMs: number;
  readonly connections: number;
  /** Bytes each connection sends, at most; the pauses between them are random and shorter than the timeout. */
  readonly mostBytes: number;
}

/** The shortest has to be met by the machine's timers, the longest by their arithmetic; many at once show queueing. */
const PLANS: readonly Plan[] = [
  { timeoutMs: 100, connections: 200, mostBytes: 1 },
  { timeoutMs: 1_000, connections: 1_000, mostBytes: 8 },
  { timeoutMs: 5_000, connections: 500, mostBytes: 1 },
];
const QUICK_PLANS: readonly Plan[] = [{ timeoutMs: 100, connections: 10, mostBytes: 3 }];
/** The longest pause between two bytes, as a share of the timeout. */
const LONGEST_PAUSE = 0.9;

async function measure(context: BenchContext, plan: Plan): Promise<readonly GoalRow[]> {
  const { timeoutMs, connections, mostBytes } = plan;
  const server = context.children.startNode(programPath('hold/programs/idle-server'), [String(timeoutMs)]);
  try {
    const late = await lateness(server, plan);
    const traffic = mostBytes === 1 ? 'one byte each' : `1 to ${mostBytes} bytes each, at random`;
    const common = {
      format: (percent: number) => `${percent.toFixed(2)} %`,
      quick: context.quick,
      note: `${connections} connections, ${traffic}; from the last byte to the close, measured in the server`,
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
async function lateness(server: Child, plan: Plan): Promise<readonly Late[]> {
  const { timeoutMs, connections, mostBytes } = plan;
  const port = await listeningPort(server);
  const sockets: Socket[] = [];
  for (let opened = 0; opened < connections; opened++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    await once(socket, 'connect');
    socket.resume();
    void send(socket, 1 + Math.floor(Math.random() * mostBytes), timeoutMs * LONGEST_PAUSE);
    await delay(timeoutMs / connections);
  }
  const late: Late[] = [];
  const patienceMs = timeoutMs * (mostBytes + 1) + 5_000;
  while (late.length < connections) {
    const { lateMs, timerLateMs } = figuresOf(await server.nextLine(patienceMs), ['lateMs', 'timerLateMs']);
    late.push({ percent: (lateMs / timeoutMs) * 100, timerPercent: (timerLateMs / timeoutMs) * 100 });
  }
  for (const socket of sockets) socket.destroy();
  return late;
}

async function send(socket: Socket, bytes: number, longestPauseMs: number): Promise<void> {
  for (let sent = 0; sent < bytes && !socket.destroyed; sent++) {
    if (sent > 0) await delay(Math.random() * longestPauseMs);
    socket.write('x');
  }
}
