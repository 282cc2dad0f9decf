import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, netTest, scaled } from '@packet/testing';
import { adoptedBy, Connection, type PacketEvents, Reactor } from '../../src/index.ts';
import { adoptingWorld, collect, dial, exchange, inParallel, until } from './adopting-world.ts';
import { listen, nextEvent } from './test-service.ts';

const TLS = { tls: certificate('localhost') };

/** As the worker's own, in the master. */
class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

netTest(
  'what clients send at accept, before, during and after the hand-off arrives in order, and none is refused',
  async (t) => {
    const count = scaled(100_000);
    const world = await adoptingWorld(t);
    const { port } = await world.serve();
    await inParallel(count, 100, (nth) => exchange(t, { port }, nth));
    await until(() => world.handOff().open + world.handOff().waiting === 0);
    const { transfer, relay, waiting, lost, refused } = world.handOff();
    assert.deepEqual(
      { transfer, relay, waiting, lost, refused },
      { transfer: count, relay: 0, waiting: 0, lost: 0, refused: 0 },
    );
    assert.deepEqual(world.errors, []);
  },
);

netTest('connections that speak TLS stay with the server, and their bytes travel', async (t) => {
  const world = await adoptingWorld(t);
  const { port } = await world.serve(TLS);
  await inParallel(40, 10, (nth) => exchange(t, { port }, nth, true));
  await until(() => world.handOff().relay === 40);
  assert.equal(world.handOff().transfer, 0);
});

netTest('connections of a UNIX socket move too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'packet-adopt-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const world = await adoptingWorld(t);
  await world.serve({}, { path });
  await inParallel(40, 10, (nth) => exchange(t, { path }, nth));
  await until(() => world.handOff().transfer === 40);
});

for (const [way, options] of [
  ['transfer', {}],
  ['relay', TLS],
] as const) {
  netTest(`each side may end its output first, ${way}`, async (t) => {
    const world = await adoptingWorld(t, 'listen');
    const server = await world.serve(options);
    const socket = dial(t, server, way === 'relay');
    assert.equal(String(await collect(socket)), 'mine is said');
    socket.end(Buffer.alloc(300_000));
    const gone = until(() => server.connectionCount === 0);
    await gone;
    assert.equal(world.handOff().open, 0);
    assert.equal(world.handOff()[way], 1);
  });

  netTest(`a client that does not read holds back the worker, and loses nothing, ${way}`, async (t) => {
    const world = await adoptingWorld(t);
    const server = await world.serve(options);
    const socket = dial(t, server, way === 'relay');
    await once(socket, way === 'relay' ? 'secureConnect' : 'connect');
    const sent = Buffer.alloc(6_000_000, 'back-pressure ');
    socket.pause();
    socket.end(sent);
    await until(() => world.handOff()[way] === 1);
    const back = await collect(socket);
    assert.ok(back.equals(sent), `${back.length} bytes`);
  });

  netTest(`a worker that dies takes its connections with it and no others, ${way}`, async (t) => {
    const world = await adoptingWorld(t);
    const server = await world.serve(options);
    const sockets = Array.from({ length: 20 }, () => dial(t, server, way === 'relay'));
    const echoed = sockets.map((socket) => once(socket, 'data'));
    for (const socket of sockets) socket.write('alive');
    await Promise.all(echoed);
    const halfClosed = endOfSome(sockets, 10);
    const exited = nextEvent('packet:worker.exited');
    process.kill(await world.web.pid(), 'SIGKILL');
    await exited;
    assert.equal(world.handOff().lost, 10);
    await halfClosed;
    const live = sockets.filter((socket) => !socket.destroyed);
    assert.equal(live.length, 10);
    for (const socket of live) {
      const answer = once(socket, 'data');
      socket.write('still');
      assert.equal(String((await answer)[0]), 'still');
    }
    assert.equal(server.connectionCount, 10);
    await exchange(t, server, 0, way === 'relay');
  });
}

/** Resolves when so many of them were ended or reset from the other side. */
function endOfSome(sockets: readonly Socket[], count: number): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    for (const socket of sockets) {
      const over = (): void => {
        socket.destroy();
        if (--left === 0) resolve();
      };
      socket.once('end', over).once('error', over);
    }
  });
}

netTest(
  'connections on their way to a worker that dies are closed, counted and never answered by another',
  async (t) => {
    const world = await adoptingWorld(t);
    const server = await world.serve();
    const failed: PacketEvents['packet:worker.adopt-failed'][] = [];
    t.cleanup(listen('packet:worker.adopt-failed', (event) => failed.push(event)));
    // Both instances are busy: what they are handed stays on its way.
    const spins = [world.web.spin(100_000), world.web.spin(100_000)].map((spin) => spin.catch(() => undefined));
    const sockets = Array.from({ length: 50 }, () => dial(t, server));
    for (const socket of sockets) socket.write('anybody there');
    await until(() => world.handOff().waiting === 50);
    const served = sockets.map((socket) => {
      return new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('end', () => resolve(false)).once('error', () => resolve(false));
      });
    });
    for (const pid of world.pids.slice()) process.kill(pid, 'SIGKILL');
    await Promise.all(spins);
    const outcomes = await Promise.all(served);
    // 16 were in flight to each, and 18 waited their turn.
    assert.equal(outcomes.filter((one) => one).length, 18);
    assert.equal(world.handOff().lost, 32);
    assert.equal(failed.length, 32);
    assert.equal(failed[0]?.error.code, 'ERR_PACKET_WORKER_LOST');
    await until(() => server.connectionCount === 18);
  },
);

netTest('the limits of the server hold until the worker says that a connection is gone', async (t) => {
  const world = await adoptingWorld(t);
  const server = await world.serve({ maxConnections: 2, maxConnectionsPerIp: 2 });
  const one = dial(t, server);
  const two = dial(t, server);
  for (const socket of [one, two]) {
    socket.write('x');
    await once(socket, 'data');
  }
  assert.equal(server.connectionCount, 2);
  const rejected = nextEvent('packet:listener.rejected');
  const three = dial(t, server);
  assert.equal((await rejected).reason, 'max-connections');
  assert.equal((await collect(three).catch(() => Buffer.alloc(0))).length, 0);
  one.end();
  await until(() => server.connectionCount === 1);
  await exchange(t, server, 1);
});

netTest('limits and timeouts given to the server go with the connection', async (t) => {
  const world = await adoptingWorld(t);
  const server = await world.serve({ firstByteTimeoutMs: 1 });
  const socket = dial(t, server);
  assert.equal((await collect(socket).catch(() => Buffer.alloc(0))).length, 0, 'closed for its silence');
});

netTest('the worker knows both addresses, and that it is the server', async (t) => {
  const world = await adoptingWorld(t, 'who');
  const server = await world.serve();
  const adopted = nextEvent('packet:worker.adopted');
  const heard = world.web.$proxy as unknown as { heard: unknown };
  const socket = dial(t, server);
  await once(socket, 'connect');
  const { way, remote, worker } = await adopted;
  assert.deepEqual({ way, worker }, { way: 'transfer', worker: 'web' });
  assert.deepEqual(remote, { family: 'IPv4', host: '127.0.0.1', port: socket.localPort });
  assert.equal(heard.heard, undefined);
});

for (const mode of ['throw', 'leave'] as const) {
  netTest(`a connection the worker does not take is closed and told of: ${mode}`, async (t) => {
    const world = await adoptingWorld(t, mode);
    const server = await world.serve();
    const failed = nextEvent('packet:worker.adopt-failed');
    const socket = dial(t, server);
    assert.equal((await collect(socket).catch(() => Buffer.alloc(0))).length, 0);
    const { error } = await failed;
    assert.equal(error.code, 'ERR_PACKET_WORKER_REMOTE');
    assert.match(
      error.message,
      mode === 'throw' ? /RangeError: not this one/ : /nobody reads the connection: attach it/,
    );
    assert.equal(world.handOff().refused, 1);
    await until(() => server.connectionCount === 0);
  });
}

/** A server of Node's own, and one connection of it. */
async function accepted(
  t: { cleanup(close: () => unknown): void },
  pauseOnConnect: boolean,
): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect });
  t.cleanup(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = dial(t, address);
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.cleanup(() => socket.destroy());
  return [client, socket];
}

netTest(
  '$adopt moves an unread socket, relays one that may have been read, and sends what was read first',
  async (t) => {
    const world = await adoptingWorld(t);
    const [fresh, unread] = await accepted(t, true);
    fresh.write('one ');
    const moved = await world.web.$adopt({ kind: 'socket', socket: unread });
    assert.equal(moved.way, 'transfer');
    fresh.end('two');
    assert.equal(String(await collect(fresh)), 'one two');
    await moved.closed;

    const [client, socket] = await accepted(t, false);
    client.write('sniffed ');
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    client.write('meanwhile ');
    const relayed = await world.web.$adopt({ stream: socket, head });
    assert.equal(relayed.way, 'relay');
    client.end('afterwards');
    assert.equal(String(await collect(client)), 'sniffed meanwhile afterwards');
    await relayed.closed;
  },
);

netTest('a connection that no worker can be given stays its caller’s, with a typed error', async (t) => {
  const world = await adoptingWorld(t);
  const [client, socket] = await accepted(t, true);
  const detached = { kind: 'socket', socket } as const;
  const { workers } = world.reactor;
  await assert.rejects(workers.$get('shy').$adopt(detached), { code: 'ERR_PACKET_WORKER_METHOD' });
  await assert.rejects(workers.$get('web').$with({ key: 'none' }).$adopt(detached), {
    code: 'ERR_PACKET_WORKER_UNKNOWN',
  });
  await assert.rejects(workers.$get('web').$adopt({} as never), { code: 'ERR_PACKET_OPTION' });
  await world.reactor.stopWorker('web');
  await assert.rejects(workers.$get('web').$adopt(detached), { code: 'ERR_PACKET_WORKER_UNKNOWN' });
  world.reactor.attach(detached, Echo);
  client.write('still here');
  assert.equal(String((await once(client, 'data'))[0]), 'still here');
});

netTest('what is wrong with a server that hands over is said at its start', async (t) => {
  const world = await adoptingWorld(t);
  const { reactor } = world;
  const at = { host: '127.0.0.1', port: 0 };
  await assert.rejects(reactor.startServer(at, adoptedBy('nobody')), { code: 'ERR_PACKET_WORKER_UNKNOWN' });
  await assert.rejects(reactor.startServer(at, adoptedBy('shy')), { code: 'ERR_PACKET_WORKER_METHOD' });
  assert.throws(() => adoptedBy(7 as never), { code: 'ERR_PACKET_OPTION' });
  const later = { ...at, tls: { ...TLS.tls, begin: 'on-demand' } } as never;
  await assert.rejects(reactor.startServer(later, adoptedBy('web')), { code: 'ERR_PACKET_OPTION' });
  await assert.rejects(new Reactor().startServer(at, adoptedBy('web')), { code: 'ERR_PACKET_STATE' });
});

netTest(
  'what waits beyond handlesWaiting is refused, and what waits is its server’s when the worker is stopped',
  async (t) => {
    const world = await adoptingWorld(t, 'echo', 'adopts-few');
    const server = await world.serve();
    // One on its way to an instance that is busy, one waiting.
    const spin = world.web.spin(100_000).catch(() => undefined);
    const rejected: PacketEvents['packet:listener.rejected'][] = [];
    t.cleanup(listen('packet:listener.rejected', (event) => rejected.push(event)));
    for (const _ of [1, 2, 3]) dial(t, server).write('hello');
    await until(() => rejected.length === 1);
    assert.equal(rejected[0]?.reason, 'worker');
    assert.equal(rejected[0]?.error?.code, 'ERR_PACKET_OVERLOADED');
    assert.equal(world.handOff().waiting, 2);
    const stopped = world.reactor.stopWorker('web');
    await until(() => rejected.length === 2);
    assert.equal(rejected[1]?.error?.code, 'ERR_PACKET_STOPPED');
    for (const pid of world.pids) process.kill(pid, 'SIGKILL');
    await Promise.all([stopped, spin]);
    await until(() => server.connectionCount === 0);
  },
);

for (const [way, options] of [
  ['transfer', {}],
  ['relay', TLS],
] as const) {
  netTest(
    `a server that stops waits for what it handed over, then has it cut; the worker goes on, ${way}`,
    async (t) => {
      const world = await adoptingWorld(t);
      const server = await world.serve(options);
      const [quick, slow] = [dial(t, server, way === 'relay'), dial(t, server, way === 'relay')];
      for (const socket of [quick, slow]) {
        socket.write('x');
        await once(socket, 'data');
      }
      const stopping = server.stop({ drainMs: 60_000 });
      quick.resume().end();
      await until(() => server.connectionCount === 1);
      const cut = once(slow, 'close');
      slow.once('end', () => slow.destroy());
      slow.resume();
      await server.stop({ drainMs: 0 });
      assert.deepEqual(await stopping, { finished: 1, cut: 1 });
      await cut;
      await until(() => world.handOff().open === 0);
      assert.equal(typeof (await world.web.pid()), 'number');
    },
  );
}

netTest(
  'a server that is told to stop at once while it drains has cut what waits and what is on its way',
  async (t) => {
    const world = await adoptingWorld(t, 'echo', 'adopts-few');
    const server = await world.serve();
    const spin = world.web.spin(100_000).catch(() => undefined);
    for (const _ of [1, 2]) dial(t, server).write('hello');
    await until(() => world.handOff().waiting === 2);
    const stopping = server.stop({ drainMs: 60_000 });
    await server.stop({ drainMs: 0 });
    assert.deepEqual(await stopping, { finished: 0, cut: 2 });
    for (const pid of world.pids) process.kill(pid, 'SIGKILL');
    await spin;
  },
);

netTest('a reactor that stops lets its workers drain what they were handed', async (t) => {
  const world = await adoptingWorld(t);
  const server = await world.serve();
  const socket = dial(t, server);
  socket.write('x');
  await once(socket, 'data');
  const ended = once(socket, 'end');
  socket.resume();
  const stopped = world.reactor.stop({ drainMs: 20_000 });
  await ended;
  socket.end();
  await stopped;
  assert.deepEqual(world.errors, []);
});
