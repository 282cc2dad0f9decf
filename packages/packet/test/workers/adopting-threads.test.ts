import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, type NetTest, netTest, scaled } from '@packet/testing';
import { openHandlePorts } from '../../src/workers/thread-handles.ts';
import { type AdoptingWorld, adoptingWorld, collect, dial, exchange, inParallel, until } from './adopting-world.ts';
import type { WebMode } from './fixtures/adopts/web.ts';

const threads = (t: NetTest, mode: WebMode = 'echo'): Promise<AdoptingWorld> =>
  adoptingWorld(t, mode, 'adopts-threads');

/** How plain TCP sockets come to threads of this Node. */
function wayOfThreads(): 'transfer' | 'relay' {
  const ports = openHandlePorts();
  ports?.master.close();
  return ports === undefined ? 'relay' : 'transfer';
}

netTest('threads lose no byte of what clients send at accept, before, during and after, and refuse none', async (t) => {
  const count = scaled(100_000);
  const world = await threads(t);
  const { port } = await world.serve();
  await inParallel(count, 100, (nth) => exchange(t, { port }, nth));
  await until(() => world.handOff().open + world.handOff().waiting === 0);
  const handOff = world.handOff();
  assert.equal(handOff[wayOfThreads()], count);
  assert.deepEqual([handOff.waiting, handOff.lost, handOff.refused], [0, 0, 0]);
  assert.deepEqual(world.errors, []);
});

netTest('connections of a UNIX socket and of TLS are relayed to threads', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'packet-adopt-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const world = await threads(t);
  await world.serve({}, { path });
  await inParallel(20, 10, (nth) => exchange(t, { path }, nth));
  const { port } = await world.serve({ tls: certificate('localhost') });
  await inParallel(20, 10, (nth) => exchange(t, { port }, nth, true));
  await until(() => world.handOff().relay === 40);
});

netTest('each side may end its output first, to a thread', async (t) => {
  const world = await threads(t, 'listen');
  const server = await world.serve();
  const socket = dial(t, server);
  assert.equal(String(await collect(socket)), 'mine is said');
  socket.end(Buffer.alloc(300_000));
  await until(() => server.connectionCount === 0);
  assert.equal(world.handOff()[wayOfThreads()], 1);
});

netTest('a thread that ends takes its connections with it and no others', async (t) => {
  const world = await threads(t);
  const server = await world.serve();
  const sockets = Array.from({ length: 20 }, () => dial(t, server));
  const echoed = sockets.map((socket) => once(socket, 'data'));
  for (const socket of sockets) socket.write('alive');
  await Promise.all(echoed);
  for (const socket of sockets) socket.once('end', () => socket.destroy());
  await world.web.exit().catch(() => undefined);
  await until(() => world.handOff().lost === 10 && server.connectionCount === 10);
  await until(() => sockets.filter((socket) => socket.destroyed).length === 10);
  for (const socket of sockets.filter((one) => !one.destroyed)) {
    const answer = once(socket, 'data');
    socket.write('still');
    assert.equal(String((await answer)[0]), 'still');
  }
  await exchange(t, server, 0);
});

netTest(
  'connections on their way to a thread that is ended are closed and counted; those that wait go to the next',
  async (t) => {
    const world = await threads(t);
    const server = await world.serve();
    // Both instances are busy, until they are ended for it.
    const busy = new AbortController();
    const web = world.web.$with({ signal: busy.signal });
    const begun = new SharedArrayBuffer(4);
    const spins = [web.spin(100_000, begun), web.spin(100_000, begun)].map((spin) => spin.catch(() => undefined));
    // One that is cancelled before it begins holds nobody up.
    await until(() => Atomics.load(new Int32Array(begun), 0) === 2);
    const sockets = Array.from({ length: 50 }, () => dial(t, server));
    for (const socket of sockets) socket.write('anybody there');
    await until(() => world.handOff().waiting === 50);
    const served = sockets.map((socket) => {
      return new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('end', () => resolve(false)).once('error', () => resolve(false));
      });
    });
    busy.abort();
    await Promise.all(spins);
    const outcomes = await Promise.all(served);
    // 16 were in flight to each, and 18 waited their turn.
    assert.equal(outcomes.filter((one) => one).length, 18);
    assert.equal(world.handOff().lost, 32);
    await until(() => server.connectionCount === 18);
  },
);
