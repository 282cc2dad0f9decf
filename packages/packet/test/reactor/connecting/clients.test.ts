import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { netTest, turn } from '@packet/testing';
import type { PacketError } from '../../../src/errors.ts';
import type { NameResolver } from '../../../src/reactor/connecting/name-resolver.ts';
import { createResolver } from '../../../src/reactor/index.ts';
import { createMemoryEngine, createPortableEngine } from '../../../src/transport/index.ts';
import { Recorder } from '../recorder.ts';
import { assertEnded, pattern, World } from '../world.ts';
import { NameServer, NO_ADDRESS, NO_SUCH_NAME } from './name-server.ts';

const LOOK_UPS = 50;

/** A resolver that knows one host. */
function knows(host: string, address: string): NameResolver {
  return {
    lookup: (asked) =>
      asked === host
        ? Promise.resolve([{ address, family: 4 }])
        : Promise.reject(Object.assign(new Error('who?'), { code: 'ENOTFOUND' })),
  };
}

netTest(
  'with a name server that never answers, everything else goes on and each look-up has its own deadline',
  async (t) => {
    const dns = await NameServer.open(t, () => 'silence');
    const resolver = createResolver({
      servers: [dns.address],
      hostsFile: false,
      resolvConf: false,
      timeoutMs: 600_000,
    });
    const world = new World(createPortableEngine(), { resolver });
    t.cleanup(() => world.close());
    const listener = await world.serve();
    const ended: number[] = [];
    const lost = Array.from({ length: LOOK_UPS }, (_, i) => {
      const client = world.reactor.connect(
        { host: `host${i}.example`, port: 80, dnsTimeoutMs: 1000 + i, connectTimeoutMs: 0, args: [] },
        Recorder,
      );
      void client.journal.saw('unbind').then(() => ended.push(i));
      return client;
    });
    await dns.asked(2 * LOOK_UPS);
    // More reads and random numbers than the pool has threads, a TLS handshake, and a connection by address and by name.
    const files = await Promise.all(Array.from({ length: 16 }, () => readFile(new URL(import.meta.url))));
    assert.ok(files.every((file) => file.length > 0));
    await tlsRoundTrip();
    for (const host of ['127.0.0.1', 'localhost']) {
      const client = world.reactor.connect({ host, port: listener.port, args: [] }, Recorder);
      await client.journal.saw('connectionCompleted');
    }
    assert.deepEqual(ended, []);
    for (let i = 0; i < LOOK_UPS; i++) {
      world.clock.advance(i === 0 ? 999 : 0);
      await turn();
      assert.equal(ended.length, i, 'none ends before its deadline');
      world.clock.advance(1);
      await lost[i]?.journal.saw('unbind');
      await turn();
      assert.equal(ended.length, i + 1, 'each ends at its own');
    }
    for (const client of lost) {
      assertEnded(client.journal, 'error', 'ERR_PACKET_DNS');
      assert.equal(client.journal.reason?.error?.details.errno, 'ETIMEOUT');
    }
  },
);

async function tlsRoundTrip(): Promise<void> {
  // Anonymous ciphers: a handshake without a certificate to carry around.
  const options = { ciphers: 'aNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;
  const server = createTlsServer(options, (socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connectTls({ ...options, port, host: '127.0.0.1', rejectUnauthorized: false });
  client.on('error', () => undefined);
  await once(client, 'secureConnect');
  client.write('secret');
  assert.equal(String((await once(client, 'data'))[0]), 'secret');
  client.end();
  server.close();
  await once(server, 'close');
}

for (const [name, makeEngine] of [
  ['portable', createPortableEngine],
  ['memory', createMemoryEngine],
] as const) {
  netTest(`${name}: a client connects by name through its own resolver or the reactor's`, async (t) => {
    const world = new World(makeEngine(), { resolver: knows('db.example', '127.0.0.1') });
    t.cleanup(() => world.close());
    const { port } = await world.serve();
    const client = world.reactor.connect({ host: 'db.example', port, args: [] }, Recorder);
    client.sendData('one');
    await client.journal.saw('connectionCompleted');
    assert.deepEqual(client.remoteAddress, { family: 'IPv4', host: '127.0.0.1', port });
    client.sendData(' two');
    const server = await world.accepted();
    await server.journal.when(() => server.journal.text === 'one two');
    assert.equal(client.bytesOut, 7);
    const other = world.reactor.connect(
      { host: 'cache.example', port, resolver: knows('cache.example', '127.0.0.1'), args: [] },
      Recorder,
    );
    await other.journal.saw('connectionCompleted');
  });

  netTest(`${name}: drained follows once what was held for the connection is out`, async (t) => {
    const world = new World(makeEngine(), { resolver: knows('db.example', '127.0.0.1') });
    t.cleanup(() => world.close());
    const { port } = await world.serve();
    const sent = pattern(100_000);
    const client = world.reactor.connect({ host: 'db.example', port, args: [] }, Recorder);
    assert.equal(client.sendData(sent), false);
    assert.equal(client.pendingBytes, sent.length);
    await client.journal.saw('drained');
    assert.ok(client.journal.entries.indexOf('drained') > client.journal.entries.indexOf('connectionCompleted'));
    const server = await world.accepted();
    await server.journal.when(() => server.journal.bytes === sent.length);
  });
}

netTest('bytes are moved and files sent to a connection that is still being looked up', async (t) => {
  const dns = await NameServer.open(t, ({ type }) => (type === 'A' ? { addresses: ['127.0.0.1'] } : NO_ADDRESS));
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false });
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  const { port } = await world.serve();
  const source = world.reactor.connect({ host: '127.0.0.1', port, args: [] }, Recorder);
  const feeding = await world.accepted();
  await source.journal.saw('connectionCompleted');
  const target = world.reactor.connect({ host: 'target.example', port, args: [] }, Recorder);
  const file = new URL(import.meta.url);
  const sending = target.sendFile(fileURLToPath(file));
  source.proxyIncomingTo(target, { bufferBytes: 1000 });
  const sent = pattern(300_000);
  feeding.sendData(sent);
  const reached = await world.accepted();
  const whole = Buffer.concat([await readFile(file), sent]);
  await reached.journal.when(() => reached.journal.bytes === whole.length);
  assert.ok(Buffer.concat(reached.journal.received).equals(whole));
  await sending;
});

netTest('a failed look-up is an unbind, never a throw, after postInit and exactly once', async (t) => {
  const dns = await NameServer.open(t, () => NO_SUCH_NAME);
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false, tries: 1 });
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  for (const [host, errno] of [
    ['missing.example', 'ENOTFOUND'],
    ['with\0nul', 'EBADNAME'],
    ['two..dots', 'EBADNAME'],
    ['x'.repeat(300), 'EBADNAME'],
  ] as const) {
    const client = world.reactor.connect({ host, port: 80, args: [] }, Recorder);
    client.sendData('nobody gets this');
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit']);
    await client.journal.saw('unbind');
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'unbind']);
    assertEnded(client.journal, 'error', 'ERR_PACKET_DNS');
    assert.equal(client.journal.reason?.error?.details.errno, errno);
  }
  assert.deepEqual(world.errors, []);
});

netTest('a failure to bind, a network without a route and a wrong address are unbinds too', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const port = await world.freePort();
  for (const to of [
    { host: '127.0.0.1', port, localAddress: '192.0.2.77' },
    { host: 'localhost', port, localAddress: '192.0.2.77' },
    { host: 'localhost', port },
    { host: '::ffff:127.0.0.1', port },
  ]) {
    const client = world.reactor.connect({ ...to, args: [] }, Recorder);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'error', 'ERR_PACKET_CONNECT');
    assert.ok(typeof client.journal.reason?.error?.details.errno === 'string', JSON.stringify(to));
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'unbind']);
  }
});

netTest('connectTimeoutMs covers the look-up and all attempts', async (t) => {
  const dns = await NameServer.open(t, () => 'silence');
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false, timeoutMs: 600_000 });
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  const client = world.reactor.connect(
    { host: 'slow.example', port: 80, connectTimeoutMs: 100, dnsTimeoutMs: 0, args: [] },
    Recorder,
  );
  await dns.asked(2);
  world.clock.advance(100);
  await client.journal.saw('unbind');
  assertEnded(client.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
});

netTest('a signal gives the look-up up, and so do closing and stopping', async (t) => {
  const dns = await NameServer.open(t, () => 'silence');
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false, timeoutMs: 600_000 });
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  const control = new AbortController();
  const to = { host: 'slow.example', port: 80, args: [] } as const;
  const signalled = world.reactor.connect({ ...to, signal: control.signal }, Recorder);
  const closed = world.reactor.connect(to, Recorder);
  const stopped = world.reactor.connect(to, Recorder);
  await dns.asked(6);
  control.abort();
  await signalled.journal.saw('unbind');
  assertEnded(signalled.journal, 'local', 'ERR_PACKET_ABORTED');
  closed.closeConnection();
  await closed.journal.saw('unbind');
  assertEnded(closed.journal, 'local');
  await world.reactor.stop();
  assertEnded(stopped.journal, 'shutdown');
});

netTest('a name with one family only connects after the other said it has none', async (t) => {
  const dns = await NameServer.open(t, ({ type }) => (type === 'A' ? { addresses: ['127.0.0.1'] } : NO_ADDRESS));
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false });
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  const { port } = await world.serve();
  const client = world.reactor.connect({ host: 'v4.example', port, args: [] }, Recorder);
  await client.journal.saw('connectionCompleted');
});

netTest('a path and an IP address ask no resolver', async (t) => {
  const asked: string[] = [];
  const resolver: NameResolver = {
    lookup: (host) => {
      asked.push(host);
      return Promise.resolve([]);
    },
  };
  const world = new World(createPortableEngine(), { resolver });
  t.cleanup(() => world.close());
  const { port } = await world.serve();
  const client = world.reactor.connect({ host: '127.0.0.1', port, args: [] }, Recorder);
  await client.journal.saw('connectionCompleted');
  const gone = world.reactor.connect({ path: '/nonexistent/socket', args: [] }, Recorder);
  await gone.journal.saw('unbind');
  assertEnded(gone.journal, 'error', 'ERR_PACKET_CONNECT');
  assert.deepEqual(asked, []);
});

netTest('localhost reaches a server that listens on one loopback address only', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const server = createServer((socket: Socket) => socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = world.reactor.connect({ port, args: [] }, Recorder);
  await client.journal.when(() => client.journal.text === 'hello');
});

netTest('what cannot look names up is refused at the call', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const isRefused = (error: PacketError): boolean =>
    error.code === 'ERR_PACKET_OPTION' && error.details.option === 'resolver';
  const resolver = {} as NameResolver;
  assert.throws(() => world.reactor.connect({ port: 1, resolver, args: [] }, Recorder), isRefused);
  assert.throws(() => new World(createPortableEngine(), { resolver }), isRefused);
});

netTest('a server that resets whoever it accepts: one unbind, whichever side of the opening it falls on', async (t) => {
  const world = new World(createPortableEngine(), { resolver: knows('rude.example', '127.0.0.1') });
  t.cleanup(() => world.close());
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.resetAndDestroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (const host of ['rude.example', 'localhost', '127.0.0.1']) {
    const client = world.reactor.connect({ host, port, args: [] }, Recorder);
    client.sendData('hello?');
    await client.journal.saw('unbind');
    assert.equal(client.journal.unbinds, 1);
    assert.equal(client.journal.reason?.clean, false);
    assert.equal(client.journal.entries.at(-1), 'unbind');
  }
  assert.equal(world.reactor.connectionCount, 0);
});
