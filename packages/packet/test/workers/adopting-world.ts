import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { authority, type NetTest } from '@packet/testing';
import { type Clock, systemClock } from '../../src/clock.ts';
import { adoptedBy, type HandOffStats, type Listener, Reactor } from '../../src/index.ts';
import type { ListenAt, ServerOptions } from '../../src/reactor/index.ts';
import type { TypedProxy } from '../../src/workers/index.ts';
import type { Web, WebMode } from './fixtures/adopts/web.ts';
import { listen } from './test-service.ts';

/** A reactor whose worker `web` serves what it is handed. */
export interface AdoptingWorld {
  readonly reactor: Reactor;
  readonly web: TypedProxy<Web>;
  readonly errors: unknown[];
  /** Process ids of all instances that started. */
  readonly pids: readonly number[];
  serve(options?: Partial<ServerOptions>, at?: ListenAt): Promise<Listener>;
  handOff(): HandOffStats;
}

/** Starts it; after the test it is stopped at once. */
export async function adoptingWorld(
  t: NetTest,
  mode: WebMode = 'echo',
  folder = 'adopts',
  clock: Clock = systemClock,
): Promise<AdoptingWorld> {
  const errors: unknown[] = [];
  const workers = new URL(`./fixtures/${folder}/`, import.meta.url);
  const reactor = new Reactor({ workers, clock, onError: (error) => errors.push(error) });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  const pids: number[] = [];
  t.cleanup(
    listen('packet:worker.started', ({ worker, pid }) => {
      if (worker === 'web' && pid !== undefined) pids.push(pid);
    }),
  );
  await reactor.start();
  await reactor.startWorker('web', { options: mode });
  return {
    reactor,
    errors,
    pids,
    web: reactor.workers.$get<Web>('web'),
    serve: (options = {}, at = { host: '127.0.0.1', port: 0 }) =>
      reactor.startServer({ ...at, ...options }, adoptedBy('web')),
    handOff: () => {
      const pool = reactor.stats().workers?.pools.find(({ worker }) => worker === 'web');
      assert.ok(pool !== undefined);
      return pool.handOff;
    },
  };
}

/** Opens a client's socket; TLS when `tls`. */
export function dial(t: NetTest, to: { port: number } | { path: string }, tls = false): Socket {
  const at = 'path' in to ? to : { host: '127.0.0.1', port: to.port };
  const options = { ...at, allowHalfOpen: true };
  const socket = tls ? connectTls({ ...options, ca: authority, servername: 'localhost' }) : connect(options);
  t.cleanup(() => socket.destroy());
  socket.on('error', () => undefined);
  return socket;
}

/** When a client sends, beside what it sends at the end. */
export type Moment = 'at accept' | 'before' | 'during' | 'after';

const MOMENTS: readonly Moment[] = ['at accept', 'before', 'during', 'after'];

/** Connects, sends at one of the four moments and then some more, and checks that all of it comes back in order. */
export async function exchange(
  t: NetTest,
  to: { port: number } | { path: string },
  nth: number,
  tls = false,
): Promise<void> {
  const moment = MOMENTS[nth % MOMENTS.length];
  const parts = [0, 1, 2, 3].map((part) => Buffer.alloc(1 + ((nth * 7919 + part * 104_729) % 3000), `${nth}:${part} `));
  const socket = dial(t, to, tls);
  const got = collect(socket);
  const [first, second, third, last] = parts as [Buffer, Buffer, Buffer, Buffer];
  if (moment === 'at accept') socket.write(first);
  await once(socket, tls ? 'secureConnect' : 'connect');
  if (moment === 'before') socket.write(first);
  // By now the server has accepted, or is about to; a turn or some later the connection is on its way.
  for (let turns = nth % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  if (moment === 'during') socket.write(first);
  socket.write(second);
  if (moment === 'after') socket.write(first);
  socket.write(third);
  await new Promise((resolve) => setImmediate(resolve));
  socket.end(last);
  const sent = moment === 'after' ? [second, first, third, last] : [first, second, third, last];
  assert.equal(hash(await got), hash(Buffer.concat(sent)), `connection ${nth}, sent ${moment}`);
}

/** All that comes until the end; rejects when it is reset. */
export async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Does `count` things, so many at a time. */
export async function inParallel(count: number, atOnce: number, one: (nth: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let nth = next++; nth < count; nth = next++) await one(nth);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Turns the loop until it is so. */
export async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setImmediate(resolve));
}

function hash(bytes: Buffer): string {
  return `${bytes.length} bytes ${createHash('sha1').update(bytes).digest('hex')}`;
}
