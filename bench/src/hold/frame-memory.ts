import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import type { Child } from '../children.ts';
import { listeningPort } from '../echo-load.ts';
import { programPath } from '../paths.ts';
import { bytesText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atMostRow } from './limit-row.ts';
import { figuresOf } from './program-lines.ts';

/** Node reads at most this much at once. */
const CHUNK_BYTES = 65_536;
const PATIENCE_MS = 15_000;

/** How the peer sends its line that never ends. */
interface Peer {
  readonly name: string;
  readonly maxFrameBytes: number;
  readonly connections: number;
  readonly writeBytes: number;
}

const PEERS: readonly Peer[] = [
  { name: 'in large writes', maxFrameBytes: 1_048_576, connections: 32, writeBytes: CHUNK_BYTES },
  { name: 'in writes of 1 byte', maxFrameBytes: 16_384, connections: 24, writeBytes: 1 },
];

/** A line over its limit costs at most the limit and one chunk of memory, and the connection ends. */
export const frameMemory: HoldCheck = {
  name: 'memory of an over-long line',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const rows: GoalRow[] = [];
    for (const peer of PEERS) {
      context.progress(`a line that never ends, ${peer.name}`);
      const connections = context.quick ? 2 : peer.connections;
      rows.push(...(await measure(context, { ...peer, connections })));
    }
    return rows;
  },
};

async function measure(context: BenchContext, peer: Peer): Promise<readonly GoalRow[]> {
  const args = [String(peer.maxFrameBytes)];
  const server = context.children.startNode(programPath('hold/programs/line-server'), args, ['--expose-gc']);
  const sockets: Socket[] = [];
  const open = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  let port = 0;
  try {
    port = await listeningPort(server);
    // Once before it counts: code compiled on the way is no connection's memory.
    const first = await open();
    await sendBytes(first, peer.maxFrameBytes, peer.writeBytes);
    await memoryOnceReceived(server, peer.maxFrameBytes);
    first.destroy();
    await server.nextLine(PATIENCE_MS);
    const lines = await Promise.all(Array.from({ length: peer.connections }, open));
    const before = await memory(server);
    await Promise.all(lines.map((socket) => sendBytes(socket, peer.maxFrameBytes, peer.writeBytes)));
    const full = await memoryOnceReceived(server, peer.connections * peer.maxFrameBytes);
    for (const socket of lines) socket.write(Buffer.alloc(CHUNK_BYTES * 4, 'x'));
    const taken: number[] = [];
    for (let ended = 0; ended < peer.connections; ended++) {
      taken.push(figuresOf(await server.nextLine(PATIENCE_MS), ['takenBytes']).takenBytes);
    }
    const limit = peer.maxFrameBytes + CHUNK_BYTES;
    const common = { format: bytesText, quick: context.quick };
    const heap = (full.usedBytes - before.usedBytes) / peer.connections;
    const rss = bytesText((full.rss - before.rss) / peer.connections);
    return [
      atMostRow(
        {
          ...common,
          name: `line of ${bytesText(peer.maxFrameBytes)} without end, ${peer.name}: memory for each connection`,
          values: [heap],
          note: `JavaScript and buffers after a collection, mean of ${peer.connections}; resident ${rss}`,
        },
        limit,
      ),
      atMostRow(
        {
          ...common,
          name: `over-long line of ${bytesText(peer.maxFrameBytes)} ${peer.name}: bytes taken when it is refused`,
          values: taken,
        },
        limit,
      ),
    ];
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.end();
  }
}

async function sendBytes(socket: Socket, total: number, writeBytes: number): Promise<void> {
  const bytes = Buffer.alloc(writeBytes, 'x');
  for (let sent = 0; sent < total; sent += writeBytes) {
    if (!socket.write(bytes)) await once(socket, 'drain');
    // A write of its own for each piece, and time for the server to read it by itself.
    if (writeBytes < CHUNK_BYTES) await nextTurn();
  }
}

interface Memory {
  readonly usedBytes: number;
  readonly rss: number;
  readonly receivedBytes: number;
}

async function memory(server: Child): Promise<Memory> {
  server.say('memory');
  return figuresOf(await server.nextLine(PATIENCE_MS), ['usedBytes', 'rss', 'receivedBytes']);
}

async function memoryOnceReceived(server: Child, expected: number): Promise<Memory> {
  const start = performance.now();
  for (;;) {
    const now = await memory(server);
    if (now.receivedBytes >= expected) return now;
    if (performance.now() - start > PATIENCE_MS) {
      throw new Error(`the server took ${now.receivedBytes} of ${expected} bytes`);
    }
    await delay(50);
  }
}
