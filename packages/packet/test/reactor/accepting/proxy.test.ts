import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { promisify } from 'node:util';
import { authorityFile, certificate, type NetTest, needsProgram, netTest } from '@packet/testing';
import { type Listener, Reactor } from '../../../src/reactor/index.ts';
import { createMemoryEngine, createPortableEngine, type Engine } from '../../../src/transport/index.ts';
import { Recorder } from '../recorder.ts';
import { assertEnded, resolvers, World } from '../world.ts';
import { checksummed, ipv4Pair, ipv6Pair, tlv, v2 } from './proxy-bytes.ts';
import { Rejections, Wire } from './wire.ts';

const LINE = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n';
const CLIENT = { family: 'IPv4', host: '192.0.2.7', port: 4711 } as const;
const TRUST = { proxyProtocol: 'any', trustedProxies: ['127.0.0.1'] } as const;

/** Echoes, so that a client knows what was read. */
class Echo extends Recorder {
  override receiveData(data: Buffer): void {
    void super.receiveData(data);
    this.sendData(data);
  }
}

interface Stage {
  readonly world: World;
  readonly listener: Listener;
  readonly rejections: Rejections;
  dial(from?: string): Promise<Wire>;
  echo(): Promise<Echo>;
}

async function stage(t: NetTest, options: object = {}, engine: Engine = createPortableEngine()): Promise<Stage> {
  const world = new World(engine);
  t.cleanup(() => world.close());
  const rejections = new Rejections(t);
  const listener = await world.serve(Echo, undefined, { ...TRUST, ...options });
  return {
    world,
    listener,
    rejections,
    dial: (from) => Wire.dial(t, listener.port, from),
    echo: async () => (await world.accepted()) as Echo,
  };
}

describe('PROXY protocol, from a trusted proxy', () => {
  netTest('the addresses are those of the header, and what follows it in the same packet is read', async (t) => {
    const { dial, echo } = await stage(t);
    const wire = await dial();
    await wire.send(`${LINE}hello`);
    assert.equal(await wire.got(5), 'hello');
    const server = await echo();
    assert.deepEqual(server.remoteAddress, CLIENT);
    assert.deepEqual(server.localAddress, { family: 'IPv4', host: '198.51.100.1', port: 443 });
    assert.equal(server.proxy?.version, 1);
    assert.equal(server.proxy?.peer.family === 'IPv4' && server.proxy.peer.host, '127.0.0.1');
    assert.deepEqual(server.journal.entries, ['constructor', 'postInit', 'connectionCompleted', 'receiveData']);
    await wire.send(' again');
    assert.equal(await wire.got(11), 'hello again');
    assert.equal(server.bytesIn, 11, 'the header is not the client’s');
  });

  netTest('a header of single bytes is read, and no handler is made before it is whole', async (t) => {
    const { world, dial, echo, listener } = await stage(t);
    const wire = await dial();
    const header = checksummed(v2(0x21, 0x21, ipv6Pair, tlv(0x02, 'example.org'), tlv(0x03, Buffer.alloc(4))));
    for (const byte of header.subarray(0, -1)) await wire.send(Buffer.of(byte));
    // Another client is served meanwhile, so the server has read on.
    const other = await dial();
    await other.send(`${LINE}x`);
    await other.got(1);
    assert.equal(world.servers.length, 1);
    assert.equal(listener.connectionCount, 1);
    await echo();
    await wire.send(Buffer.concat([header.subarray(-1), Buffer.from('hello')]));
    assert.equal(await wire.got(5), 'hello');
    const server = await echo();
    assert.deepEqual(server.remoteAddress, { family: 'IPv6', host: '2001:db8::7', port: 4711 });
    assert.equal(server.proxy?.authority, 'example.org');
  });

  netTest('LOCAL and UNKNOWN connections have the addresses of the socket', async (t) => {
    const { dial, echo } = await stage(t);
    for (const [header, command] of [
      [v2(0x20, 0), 'local'],
      [Buffer.from('PROXY UNKNOWN\r\n'), 'proxy'],
    ] as const) {
      const wire = await dial();
      await wire.send(Buffer.concat([header, Buffer.from('hi')]));
      await wire.got(2);
      const server = await echo();
      assert.equal(server.proxy?.command, command);
      assert.equal(server.remoteAddress?.family === 'IPv4' && server.remoteAddress.port, wire.socket.localPort);
    }
  });

  netTest('a handler that pauses while it is made gets what came with the header when it resumes', async (t) => {
    const world = new World(createPortableEngine());
    t.cleanup(() => world.close());
    const gate = resolvers();
    class Slow extends Echo {
      override connectionCompleted(): Promise<void> {
        void super.connectionCompleted();
        return gate.promise;
      }
    }
    const listener = await world.serve(Slow, undefined, TRUST);
    const wire = await Wire.dial(t, listener.port);
    await wire.send(`${LINE}first `);
    const server = (await world.accepted()) as Slow;
    await server.journal.saw('connectionCompleted');
    await wire.send('second');
    await world.settle();
    assert.equal(server.journal.text, '');
    gate.resolve();
    assert.equal(await wire.got(12), 'first second');
  });

  netTest('a client that ends right behind its header is heard and answered', async (t) => {
    const { dial, echo } = await stage(t);
    const wire = await dial();
    wire.socket.end(`${LINE}last`);
    assert.equal(await wire.closed(), 'last');
    const server = await echo();
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'peer');
    assert.ok(server.journal.entries.includes('peerEnded'));
  });

  netTest('a reset right behind the header ends the connection once', async (t) => {
    const { dial, echo } = await stage(t);
    const wire = await dial();
    await wire.send(LINE);
    const server = await echo();
    await server.journal.saw('connectionCompleted');
    wire.socket.resetAndDestroy();
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'peer', 'ERR_PACKET_SOCKET');
  });

  netTest('a handler that closes in postInit hears nothing of what came with the header', async (t) => {
    const world = new World(createPortableEngine());
    t.cleanup(() => world.close());
    class Shy extends Echo {
      override postInit(): void {
        void super.postInit();
        world.register(this);
        this.closeConnection();
      }
    }
    const listener = await world.serve(Shy, undefined, TRUST);
    const wire = await Wire.dial(t, listener.port);
    await wire.send(`${LINE}hello`);
    assert.equal(await wire.closed(), '');
    const server = await world.accepted();
    await server.journal.saw('unbind');
    assert.deepEqual(server.journal.entries, ['constructor', 'postInit', 'unbind']);
  });

  netTest('output written before the connection is told to be open arrives in order', async (t) => {
    const world = new World(createPortableEngine());
    t.cleanup(() => world.close());
    const size = 8_000_000;
    class Greeter extends Echo {
      override postInit(): void {
        void super.postInit();
        this.sendData(Buffer.alloc(size, 'g'));
      }
    }
    const listener = await world.serve(Greeter, undefined, TRUST);
    const wire = await Wire.dial(t, listener.port);
    await wire.send(`${LINE}!`);
    assert.equal((await wire.got(size + 1)).at(-1), '!');
    const server = await world.accepted();
    await server.journal.saw('drained');
  });

  netTest('it works over the engine in memory as well', async (t) => {
    const engine = createMemoryEngine();
    const world = new World(engine);
    t.cleanup(() => world.close());
    const rejections = new Rejections(t);
    const listener = await world.serve(Echo, undefined, TRUST);
    const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
    client.sendData(`${LINE}hello`);
    await client.journal.when(() => client.journal.text === 'hello');
    assert.deepEqual((await world.accepted()).remoteAddress, CLIENT);
    assert.deepEqual(rejections.all, []);
  });

  netTest('a proxy on a UNIX socket is trusted by the word unix', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'packet-'));
    t.cleanup(() => rmSync(folder, { recursive: true }));
    const reactor = new Reactor();
    t.cleanup(() => reactor.stop({ drainMs: 0 }));
    const path = join(folder, 'socket');
    const made = new Promise<Echo>((resolve) => {
      void reactor.startServer({ path, proxyProtocol: 'v1', trustedProxies: ['unix'] }, Echo, resolve).then(() => {
        const socket = connect(path);
        t.cleanup(() => socket.destroy());
        socket.write(LINE);
      });
    });
    const server = await made;
    await server.journal.saw('connectionCompleted');
    assert.deepEqual(server.remoteAddress, CLIENT);
  });

  netTest(
    'curl --haproxy-protocol is understood',
    async (t) => {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      class Http extends Recorder {
        override receiveData(data: Buffer): void {
          void super.receiveData(data);
          const { remoteAddress: remote, proxy } = this;
          const body = `${remote?.family === 'IPv4' ? remote.port : 'none'} version ${proxy?.version}\n`;
          this.sendData(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
          this.closeConnectionAfterWriting();
        }
      }
      const listener = await world.serve(Http, undefined, TRUST);
      const url = `http://127.0.0.1:${listener.port}/`;
      const { stdout } = await promisify(execFile)('curl', [
        '--silent',
        '--haproxy-protocol',
        '--write-out',
        '%{local_port}',
        url,
      ]);
      assert.match(stdout, /^(\d+) version 1\n\1$/);
      assert.match((await world.accepted()).journal.text, /^GET \/ HTTP/);
    },
    { skip: needsProgram('curl') },
  );
});

describe('PROXY protocol, below TLS', () => {
  netTest(
    'curl --haproxy-protocol is understood with https, and garbage behind a header fails the handshake',
    async (t) => {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      class Https extends Recorder {
        override receiveData(data: Buffer): void {
          void super.receiveData(data);
          const { remoteAddress: remote } = this;
          const body = `${remote?.family === 'IPv4' ? remote.port : 'none'} version ${this.proxy?.version}\n`;
          this.sendData(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
          this.closeConnectionAfterWriting();
        }
      }
      const listener = await world.serve(Https, undefined, { ...TRUST, tls: certificate('localhost') });
      const { stdout } = await promisify(execFile)('curl', [
        '--silent',
        '--show-error',
        '--ipv4',
        '--cacert',
        authorityFile,
        '--haproxy-protocol',
        '--write-out',
        '%{local_port}',
        `https://localhost:${listener.port}/`,
      ]);
      assert.match(stdout, /^(\d+) version 1\n\1$/);
      assert.match((await world.accepted()).journal.text, /^GET \/ HTTP/);
      const wire = await Wire.dial(t, listener.port);
      await wire.send(`${LINE}GET / HTTP/1.1\r\n\r\n`);
      await wire.closed();
      const failed = await world.accepted();
      await failed.journal.saw('unbind');
      assert.ok(!failed.journal.entries.includes('receiveData'));
      assert.equal(failed.journal.reason?.error?.code.startsWith('ERR_PACKET_TLS'), true);
    },
    { skip: needsProgram('curl') },
  );
});

describe('PROXY protocol, headers that are none', () => {
  for (const [what, bytes] of [
    ['no header at all', 'GET / HTTP/1.1\r\n\r\n'],
    ['one byte of garbage', 'x'],
    ['a version 1 line that does not end', `PROXY TCP4 ${'1'.repeat(200)}`],
    ['a version 2 header over maxProxyHeaderBytes', v2(0x21, 0x11, ipv4Pair, Buffer.alloc(5000)).subarray(0, 16)],
    ['a TLS handshake', Buffer.from('160301020001', 'hex')],
    ['an end before the header', ''],
    ['an end within the header', LINE.slice(0, 10)],
  ] as const) {
    netTest(`${what} closes the connection before a handler is made`, async (t) => {
      const { world, dial, rejections, listener } = await stage(t);
      const wire = await dial();
      if (what.startsWith('an end')) wire.socket.end(bytes);
      else await wire.send(bytes);
      assert.equal(await wire.closed(), '');
      const { reason, remote, error } = await rejections.next();
      assert.equal(reason, 'proxy-header');
      assert.equal(error?.code, 'ERR_PACKET_PROXY_HEADER');
      assert.equal(remote.family === 'IPv4' && remote.host, '127.0.0.1');
      assert.equal(world.servers.length, 0);
      assert.deepEqual(listener.stats().rejectedBy, { 'proxy-header': 1 });
      assert.equal(listener.stats().accepted, 0);
    });
  }

  netTest('a reset within the header leaves nothing behind', async (t) => {
    const { world, dial, rejections } = await stage(t, { maxConnections: 1 });
    for (let again = 0; again < 3; again++) {
      const wire = await dial();
      await wire.send(LINE.slice(0, 7));
      wire.socket.resetAndDestroy();
      assert.equal((await rejections.next()).reason, 'proxy-header');
    }
    assert.equal(world.servers.length, 0);
  });

  netTest('a header that trickles in is cut at proxyHeaderTimeoutMs, however often a byte comes', async (t) => {
    const { world, dial, rejections } = await stage(t, { proxyHeaderTimeoutMs: 5000 });
    const wire = await dial();
    for (const byte of LINE.slice(0, 4)) {
      await wire.send(byte);
      await world.settle();
      world.clock.advance(1249);
      assert.deepEqual(rejections.all, []);
    }
    world.clock.advance(4);
    const { reason, error } = await rejections.next();
    assert.deepEqual([reason, error?.code], ['proxy-header', 'ERR_PACKET_TIMEOUT']);
    assert.deepEqual(error?.details, { timeout: 'proxy-header', ms: 5000 });
    await wire.closed();
  });

  netTest('after a whole header its deadline is gone', async (t) => {
    const { world, dial, rejections } = await stage(t, { firstByteTimeoutMs: 0 });
    const wire = await dial();
    await wire.send(`${LINE}a`);
    await wire.got(1);
    world.clock.advance(60_000);
    await wire.send('b');
    await wire.got(2);
    assert.deepEqual(rejections.all, []);
  });

  netTest('connections that wait for their header take places', async (t) => {
    const { dial, rejections, listener } = await stage(t, { maxConnections: 2 });
    const waiting = [await dial(), await dial()];
    const third = await dial();
    assert.equal(await third.closed(), '');
    const { reason, limit, open } = await rejections.next();
    assert.deepEqual([reason, limit, open], ['max-connections', 2, 2]);
    await listener.stop({ drainMs: 0 });
    for (const wire of waiting) assert.equal(await wire.closed(), '');
    assert.deepEqual(rejections.all, [], 'stopping is no rejection');
  });

  netTest(
    'a server that drains waits drainGraceMs for headers under way, serves those that come, and closes the rest',
    async (t) => {
      const { world, dial, rejections, listener } = await stage(t, { drainGraceMs: 1000 });
      const [late, never] = [await dial(), await dial()];
      await late.send(LINE.slice(0, 20));
      await never.send(LINE.slice(0, 20));
      await world.settle();
      const stopped = listener.stop({ drainMs: 5000 });
      await world.settle();
      await late.send(`${LINE.slice(20)}hello`);
      assert.equal(await late.got(5), 'hello');
      world.clock.advance(1001);
      assert.equal(await never.closed(), '');
      assert.equal(await late.closed(), 'hello');
      assert.deepEqual(await stopped, { finished: 1, cut: 0 });
      assert.deepEqual(rejections.all, [], 'stopping is no rejection');
      assert.equal(world.clock.pending, 0);
    },
  );

  for (const who of ['listener', 'reactor'] as const) {
    netTest(`a second stop of the ${who}, without time, closes those that wait for their header`, async (t) => {
      const { world, dial, listener } = await stage(t);
      const wire = await dial();
      await wire.send(LINE.slice(0, 20));
      await world.settle();
      const target = who === 'listener' ? listener : world.reactor;
      const stopped = target.stop({ drainMs: 5000 });
      await world.settle();
      void target.stop({ drainMs: 0 });
      assert.equal(await wire.closed(), '');
      await stopped;
    });
  }
});

describe('PROXY protocol, from anyone else', () => {
  netTest('a spoofed header from an untrusted peer is refused unread', async (t) => {
    const { world, dial, rejections } = await stage(t);
    const wire = await dial('127.0.0.2');
    await wire.send(`${LINE}hello`);
    assert.equal(await wire.closed(), '');
    const { reason, remote } = await rejections.next();
    assert.equal(reason, 'untrusted-proxy');
    assert.equal(remote.family === 'IPv4' && remote.host, '127.0.0.2');
    assert.equal(world.servers.length, 0);
  });

  netTest('with untrustedPeers serve it is a direct client, and a spoofed header its ordinary bytes', async (t) => {
    const { dial, echo } = await stage(t, { untrustedPeers: 'serve' });
    const wire = await dial('127.0.0.2');
    await wire.send(`${LINE}hello`);
    assert.equal(await wire.got(LINE.length + 5), `${LINE}hello`);
    const server = await echo();
    assert.equal(server.remoteAddress?.family === 'IPv4' && server.remoteAddress.host, '127.0.0.2');
    assert.equal(server.proxy, undefined);
  });

  netTest('a second header is the client’s own bytes', async (t) => {
    const { dial, echo } = await stage(t);
    const wire = await dial();
    const second = 'PROXY TCP4 203.0.113.1 203.0.113.2 1 2\r\n';
    await wire.send(LINE + second);
    assert.equal(await wire.got(second.length), second);
    assert.deepEqual((await echo()).remoteAddress, CLIENT);
  });

  netTest('without proxyProtocol a header is ordinary bytes', async (t) => {
    const world = new World(createPortableEngine());
    t.cleanup(() => world.close());
    const listener = await world.serve(Echo);
    const wire = await Wire.dial(t, listener.port);
    await wire.send(LINE);
    assert.equal(await wire.got(LINE.length), LINE);
    assert.equal((await world.accepted()).proxy, undefined);
  });
});

describe('PROXY protocol, with lists and limits', () => {
  netTest('allow and deny are about the client, not the proxy', async (t) => {
    const { dial, echo, rejections } = await stage(t, { allow: ['192.0.2.0/24'], deny: ['192.0.2.66'] });
    const served = await dial();
    await served.send(`${LINE}hi`);
    await served.got(2);
    assert.deepEqual((await echo()).remoteAddress, CLIENT);
    for (const source of ['192.0.2.66', '203.0.113.1', '127.0.0.1']) {
      const wire = await dial();
      await wire.send(`PROXY TCP4 ${source} 198.51.100.1 4711 443\r\nhi`);
      assert.equal(await wire.closed(), '');
      const { reason, remote } = await rejections.next();
      assert.deepEqual([reason, remote], ['denied', { family: 'IPv4', host: source, port: 4711 }]);
    }
    const check = await dial();
    await check.send(Buffer.concat([v2(0x20, 0), Buffer.from('ok')]));
    assert.equal(await check.got(2), 'ok', 'the proxy’s own health check has no client to be denied');
  });

  netTest('limits per address count the client, and its place is free again when it left', async (t) => {
    const { dial, echo, rejections } = await stage(t, { maxConnectionsPerIp: 1 });
    const first = await dial();
    await first.send(`${LINE}1`);
    await first.got(1);
    const server = await echo();
    const second = await dial();
    await second.send(`${LINE}2`);
    assert.equal(await second.closed(), '');
    const { reason, remote, limit } = await rejections.next();
    assert.deepEqual([reason, remote, limit], ['max-per-ip', CLIENT, 1]);
    await first.close();
    await server.journal.saw('unbind');
    const third = await dial();
    await third.send(`${LINE}3`);
    assert.equal(await third.got(1), '3');
  });
});
