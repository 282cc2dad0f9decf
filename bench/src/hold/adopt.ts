import { setTimeout as delay } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import type { Children } from '../children.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { printedRow, ruleRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

const CONNECTIONS = 100_000;
const QUICK_CONNECTIONS = 1_000;
const AT_ONCE = 400;
/** For each connection, beside half a minute; a machine that is busy with other things does some hundred a second. */
const PATIENCE_MS = 10;
const CLIENT_FIGURES = ['right', 'changed', 'cut', 'refused', 'hung', 'bytes', 'tookMs'] as const;
const SERVER_FIGURES = [
  'transfer',
  'reuse-port',
  'relay',
  'native',
  'open',
  'waiting',
  'lost',
  'refused',
  'rejected',
  'failed',
  'errors',
  'left',
] as const;

/** Clients that send at accept, before, during and after their hand-off to a worker lose no byte, and none is refused. */
export const adopt: HoldCheck = {
  name: 'connections handed to workers',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const count = quick ? QUICK_CONNECTIONS : CONNECTIONS;
    const rows: GoalRow[] = [];
    for (const kind of ['process', 'thread'] as const) {
      context.progress(`${count} connections handed to a ${kind}`);
      const { clients, server } = await handOver(context.children, kind, count);
      const name = `${count} connections handed to a ${kind} worker:`;
      const { right, changed, cut, refused, hung, bytes, tookMs } = clients;
      const lost = changed + cut + hung;
      const { transfer, relay, open, waiting } = server;
      rows.push(
        ruleRow({
          name: `${name} bytes lost or reordered`,
          rule: 'none',
          seen: lost === 0 ? 'none' : `in ${changed} changed, ${cut} cut, ${hung} hung connections`,
          holds: right === count,
          quick,
          note: `${Math.round(bytes / 1e6)} MB echoed, sent at accept, before, during and after the hand-off`,
        }),
        ruleRow({
          name: `${name} refused`,
          rule: 'none',
          seen: String(refused + server.refused + server.rejected),
          holds: refused + server.refused + server.rejected + server.failed + server.errors === 0,
          quick,
        }),
        ruleRow({
          name: `${name} counted in handOff`,
          rule: 'all as taken, none as open or lost in the end',
          seen: JSON.stringify({ transfer, relay, open, waiting, lost: server.lost }),
          holds: transfer + relay === count && open + waiting + server.lost + server.left === 0,
          quick,
        }),
        printedRow({
          name: `${name} a second, clients and all`,
          values: [(count / tookMs) * 1000],
          format: (rate) => rate.toFixed(0),
          quick,
        }),
      );
    }
    return rows;
  },
};

/** What became of connections: as their clients saw it, and as the server counted. */
export interface HandOverOutcome {
  readonly clients: Readonly<Record<(typeof CLIENT_FIGURES)[number], number>>;
  readonly server: Readonly<Record<(typeof SERVER_FIGURES)[number], number>>;
}

/** Has so many connections handed to two instances of a worker. */
export async function handOver(
  children: Children,
  kind: 'process' | 'thread',
  count: number,
): Promise<HandOverOutcome> {
  const patienceMs = 30_000 + count * PATIENCE_MS;
  const server = children.startNode(programPath('hold/programs/adopting-server'), [kind]);
  try {
    const args = [await listeningPort(server), count, AT_ONCE].map(String);
    const program = children.startNode(programPath('hold/programs/adopted-clients'), args);
    try {
      const clients = figuresOf(await program.nextLine(patienceMs), CLIENT_FIGURES);
      // The last clients are gone; the server hears of it a moment later.
      for (let tries = 0; ; tries++) {
        server.say('report');
        const counted = figuresOf(await server.nextLine(patienceMs), SERVER_FIGURES);
        if (counted.left === 0 || tries === 100) return { clients, server: counted };
        await delay(20);
      }
    } finally {
      await program.end();
    }
  } finally {
    await server.end();
  }
}
