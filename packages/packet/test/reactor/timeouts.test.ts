import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { authority, certificate, netTest } from '@packet/testing';
import { Reactor } from '../../src/reactor/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { overThread } from '../transport/relay-over-thread.ts';
import type { EngineUnderTest } from '../transport/stage.ts';
import { onEveryEngine } from './engines.ts';
import { Recorder } from './recorder.ts';
import { assertEnded, pattern, resolvers, World } from './world.ts';

function timeoutOf(connection: Recorder): unknown {
  return connection.journal.reason?.error?.details.timeout;
}

onEveryEngine(
  'a peer that does not read is cut after the write timeout, with little of ours in memory',
  async (world) => {
    const { server, client } = await world.pair({ writeTimeoutMs: 1000, firstByteTimeoutMs: 0 });
    client.pause();
    // The system takes some megabytes for a peer that does not read, and not all at once.
    while (server.journal.unbinds === 0) {
      for (let more = 0; more < 4 && server.sendData(pattern(60_000)); more++) await world.settle();
      assert.ok(server.pendingBytes < 1_000_000);
      await world.settle();
      world.clock.advance(900);
    }
    assertEnded(server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(timeoutOf(server), 'write');
  },
);

onEveryEngine('the write timeout and the cap hold for answers given inside receiveData too', async (world) => {
  class Answers extends Recorder {
    override receiveData(data: Buffer): void {
      void super.receiveData(data);
      for (let more = 0; more < 3; more++) this.sendData(pattern(20_000));
    }
  }
  for (const [options, by, code] of [
    [{ writeTimeoutMs: 1000 }, 'timeout', 'ERR_PACKET_TIMEOUT'],
    [{ writeTimeoutMs: 0, maxOutboundBytes: 65_536 }, 'limit', 'ERR_PACKET_OUTBOUND_FULL'],
  ] as const) {
    const listener = await world.serve(Answers, undefined, options);
    const client = world.reactor.connect({ port: listener.port, host: '127.0.0.1', args: [] }, Recorder);
    const server = await world.accepted();
    await server.journal.saw('connectionCompleted');
    await client.journal.saw('connectionCompleted');
    client.pause();
    // Small questions, so that it is only what the answers find no room for that waits.
    while (server.pendingBytes === 0 && server.journal.unbinds === 0) {
      const { bytes } = server.journal;
      client.sendData('?');
      await world.until(() => server.journal.bytes > bytes || server.journal.unbinds > 0);
      await world.settle();
    }
    if (by === 'limit') {
      while (server.journal.unbinds === 0) {
        client.sendData('?');
        await world.settle();
      }
    }
    assert.ok(server.pendingBytes < 1_000_000);
    world.clock.advance(1050);
    await server.journal.saw('unbind');
    assertEnded(server.journal, by, code);
    client.closeConnection();
    await listener.stop();
  }
});

onEveryEngine('a peer that reads slowly is not cut by the write timeout', async (world) => {
  const { server, client } = await world.pair({ writeTimeoutMs: 1000, firstByteTimeoutMs: 0 });
  client.pause();
  let sent = 0;
  do sent += 60_000;
  while (server.sendData(pattern(60_000)) || server.pendingBytes < 3_000_000);
  while (client.journal.bytes < sent && server.journal.unbinds === 0) {
    const before = server.bytesOut;
    client.resume();
    await world.until(() => server.bytesOut > before || client.journal.bytes === sent || server.journal.unbinds > 0);
    client.pause();
    world.clock.advance(900);
  }
  assert.equal(server.journal.unbinds, 0);
  // All of it has left: nothing is watched any more.
  world.clock.advance(10_000);
  await world.settle();
  assert.equal(server.journal.unbinds, 0);
});

onEveryEngine(
  'a peer that sends nothing is cut after the read timeout, but not while it is we who do not read',
  async (world) => {
    const { server, client } = await world.pair({ readTimeoutMs: 1000 });
    client.sendData('x');
    await server.journal.when(() => server.journal.bytes === 1);
    server.sendData('output does not count');
    server.pause();
    world.clock.advance(5000);
    server.resume();
    await world.settle();
    world.clock.advance(999);
    await world.settle();
    assert.equal(server.journal.unbinds, 0);
    world.clock.advance(1);
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(timeoutOf(server), 'read');
  },
);

onEveryEngine('neither a pending promise nor the end of the peer counts against the read timeout', async (world) => {
  const gate = resolvers();
  class Slow extends Recorder {
    override async receiveData(data: Buffer): Promise<void> {
      void super.receiveData(data);
      await gate.promise;
    }
    override peerEnded(): void {
      this.journal.note('peerEnded');
    }
  }
  const listener = await world.serve(Slow, undefined, { readTimeoutMs: 1000 });
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  client.sendData('x');
  client.endWriting();
  const server = await world.accepted();
  await server.journal.when(() => server.journal.bytes === 1);
  world.clock.advance(5000);
  gate.resolve();
  await server.journal.saw('peerEnded');
  world.clock.advance(5000);
  await world.settle();
  assert.equal(server.journal.unbinds, 0);
});

onEveryEngine('connectedAt is the time of the opening, and undefined before', async (world) => {
  const listener = await world.serve();
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  assert.equal(client.connectedAt, undefined);
  const before = Date.now();
  await client.journal.saw('connectionCompleted');
  const at = client.connectedAt ?? 0;
  assert.ok(at >= before && at <= Date.now());
  client.closeConnection();
  await client.journal.saw('unbind');
  assert.ok((client.connectedAt ?? 0) >= before);
});

/** Whether the system waits to send something on the socket with this local port, by its table of sockets. */
function hasTimer(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const row = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((fields) => fields[1]?.endsWith(`:${hex}`) === true && fields[3] === '01');
  assert.ok(row, 'an open socket with that port');
  return row[5]?.startsWith('02') === true;
}

netTest(
  'keep-alive is on by default on both sides of a TCP connection, and off with 0',
  async (t) => {
    for (const [options, expected] of [
      [{}, true],
      [{ keepAliveMs: 0 }, false],
    ] as const) {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      const listener = await world.serve(Recorder, undefined, options);
      const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, ...options }, Recorder);
      const server = await world.accepted();
      await client.journal.saw('connectionCompleted');
      await server.journal.saw('connectionCompleted');
      const { remoteAddress } = server;
      assert.ok(remoteAddress !== undefined && remoteAddress.family !== 'unix');
      assert.equal(hasTimer(remoteAddress.port), expected, 'the client');
      assert.equal(hasTimer(listener.port), expected, 'the server');
    }
  },
  { skip: existsSync('/proc/net/tcp') ? false : 'the system has no /proc/net/tcp' },
);

for (const [name, makeEngine] of [
  ['portable', (): EngineUnderTest => ({ engine: createPortableEngine() })],
  ['relay', overThread],
] as const) {
  netTest(
    `${name}: keep-alive is changed while a connection is open, under TLS too`,
    async (t) => {
      const under = await makeEngine();
      t.cleanup(() => under.close?.());
      const world = new World(under.engine);
      t.cleanup(() => world.close());
      const listener = await world.serve(Recorder, undefined, { tls: certificate('localhost'), keepAliveMs: 0 });
      const tls = { ca: authority, servername: 'localhost' };
      const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, tls }, Recorder);
      const server = await world.accepted();
      await client.journal.saw('connectionCompleted');
      await server.journal.saw('connectionCompleted');
      await world.until(() => client.tls !== undefined && server.tls !== undefined);
      for (const [ms, expected] of [
        [60_000, true],
        [0, false],
      ] as const) {
        server.setKeepAlive(ms);
        server.setNoDelay(false);
        await world.until(() => hasTimer(listener.port) === expected);
      }
      assert.throws(() => server.setKeepAlive(5), { code: 'ERR_PACKET_OPTION' });
      assert.throws(() => server.setNoDelay('yes' as unknown as boolean), { code: 'ERR_PACKET_OPTION' });
      server.closeConnection();
      server.setKeepAlive(60_000);
      await server.journal.saw('unbind');
      server.setKeepAlive(60_000);
    },
    { skip: existsSync('/proc/net/tcp') ? false : 'the system has no /proc/net/tcp' },
  );
}

netTest(
  'an attached TCP socket gets noDelay and keepAliveMs, whatever it had',
  async (t) => {
    for (const [options, expected] of [
      [{ noDelay: false }, true],
      [{ keepAliveMs: 0 }, false],
    ] as const) {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      const listener = await world.serve(Recorder, undefined, { keepAliveMs: 0 });
      const socket = connect({
        port: listener.port,
        host: '127.0.0.1',
        keepAlive: !expected,
        keepAliveInitialDelay: 5000,
      });
      await once(socket, 'connect');
      const told: unknown[] = [];
      const { setNoDelay } = socket;
      socket.setNoDelay = (on): Socket => {
        told.push(on);
        return setNoDelay.call(socket, on);
      };
      const { localPort } = socket;
      const attached = world.reactor.attach({ stream: socket, ...options }, Recorder);
      await attached.journal.saw('connectionCompleted');
      await world.until(() => hasTimer(localPort ?? 0) === expected);
      assert.deepEqual(told, [!expected]);
    }
  },
  { skip: existsSync('/proc/net/tcp') ? false : 'the system has no /proc/net/tcp' },
);

netTest('timeouts out of bounds are refused at the call', async () => {
  const reactor = new Reactor();
  for (const options of [{ readTimeoutMs: -1 }, { writeTimeoutMs: 0.5 }, { keepAliveMs: 999 }]) {
    assert.throws(() => reactor.connect({ port: 1, ...options }, Recorder), { code: 'ERR_PACKET_OPTION' });
  }
});
