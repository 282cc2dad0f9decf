import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { authority, certificate, type NetTest, netTest } from '@packet/testing';
import { Connection, Reactor } from '../../src/reactor/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { Recorder } from './recorder.ts';
import { pattern, World } from './world.ts';

const SERVER = certificate('localhost');
const CLIENT = { ca: authority, servername: 'localhost' };

async function open(t: NetTest): Promise<World> {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

function dial(t: NetTest, port: number): Socket {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
  t.cleanup(() => socket.destroy());
  return socket;
}

describe('TLS together with', () => {
  netTest('the PROXY protocol: the header comes first, in the clear, then the handshake', async (t) => {
    const world = await open(t);
    const listener = await world.serve(Recorder, undefined, {
      tls: SERVER,
      proxyProtocol: 'v1',
      trustedProxies: ['127.0.0.1'],
    });
    const socket = dial(t, listener.port);
    await once(socket, 'connect');
    socket.write('PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n');
    const secure = connectTls({ socket, ...CLIENT });
    t.cleanup(() => secure.destroy());
    secure.write('inside');
    const server = (await world.accepted()) as Recorder;
    await server.journal.when(() => server.journal.text === 'inside');
    assert.deepEqual(server.remoteAddress, { family: 'IPv4', host: '192.0.2.7', port: 4711 });
    assert.equal(server.tls?.servername, 'localhost');
    assert.equal(server.bytesIn, 6);
  });

  netTest('sendFile: a file arrives whole, in order with other output', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'packet-tls-'));
    t.cleanup(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    const content = pattern(3_000_000);
    writeFileSync(path, content);
    const world = await open(t);
    class Sender extends Recorder {
      override tlsCompleted(): void {
        this.sendData('<');
        void this.sendFile(path).then((sent) => this.journal.note(`sent ${sent}`));
        this.sendData('>');
        this.closeConnectionAfterWriting();
      }
    }
    const listener = await world.serve(Sender, undefined, { tls: SERVER });
    const to = { host: '127.0.0.1', port: listener.port, args: [], tls: CLIENT } as const;
    const client = world.reactor.connect(to, Recorder);
    await client.journal.saw('unbind');
    assert(Buffer.concat(client.journal.received).equals(Buffer.concat([Buffer.from('<'), content, Buffer.from('>')])));
    assert.deepEqual([client.journal.reason?.by, client.journal.reason?.clean], ['peer', true]);
  });

  netTest('proxyIncomingTo: a TLS front before a plain server', async (t) => {
    const world = await open(t);
    class Upper extends Recorder {
      override receiveData(data: Buffer): void {
        this.sendData(data.toString().toUpperCase());
      }
    }
    const behind = await world.serve(Upper);
    class Front extends Recorder {
      override connectionCompleted(): void {
        const to = { host: '127.0.0.1', port: behind.port, args: [] as [] };
        const onward = this.#reactor.connect(to, Recorder);
        this.proxyIncomingTo(onward);
        onward.proxyIncomingTo(this);
      }
      get #reactor(): Reactor {
        return world.reactor;
      }
    }
    const front = await world.serve(Front, undefined, { tls: SERVER });
    const secure = connectTls({ port: front.port, host: '127.0.0.1', ...CLIENT });
    t.cleanup(() => secure.destroy());
    secure.write('quiet');
    assert.equal(String(((await once(secure, 'data')) as [Buffer])[0]), 'QUIET');
  });

  netTest('a reset at any step of the handshake: one unbind, never open, nothing left', async (t) => {
    // What a client really says, up to its last flight.
    const world = await open(t);
    const reactor = new Reactor();
    t.cleanup(() => reactor.stop({ drainMs: 0 }));
    const said: Buffer[] = [];
    class Tap extends Connection {
      override receiveData(data: Buffer): void {
        said.push(data);
      }
    }
    const tap = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Tap);
    const speaker = connectTls({ port: tap.port, host: '127.0.0.1', ...CLIENT }).on('error', () => undefined);
    t.cleanup(() => speaker.destroy());
    while (said.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const hello = Buffer.concat(said);
    const listener = await world.serve(Recorder, undefined, { tls: SERVER });
    for (const [index, cut] of [0, 1, 5, 6, hello.length - 1, hello.length].entries()) {
      const socket = dial(t, listener.port);
      await once(socket, 'connect');
      if (cut > 0) socket.write(hello.subarray(0, cut));
      const server = (await world.accepted()) as Recorder;
      if (cut === hello.length) await once(socket, 'data');
      else await world.settle();
      socket.resetAndDestroy();
      await server.journal.saw('unbind');
      assert.deepEqual(server.journal.entries, ['constructor', 'postInit', 'unbind'], `step ${index}`);
      assert.equal(server.journal.reason?.error?.code, 'ERR_PACKET_SOCKET');
    }
    assert.equal(world.reactor.connectionCount, 0);
  });

  netTest('a stop: it waits for no handshake longer than its deadline, and leaves nothing', async (t) => {
    const world = await open(t);
    const listener = await world.serve(Recorder, undefined, { tls: SERVER });
    const silent = dial(t, listener.port);
    await once(silent, 'connect');
    const server = (await world.accepted()) as Recorder;
    await world.settle();
    const stopped = listener.stop({ drainMs: 1000 });
    await world.settle();
    world.clock.advance(1000);
    await stopped;
    assert.equal(server.journal.reason?.by, 'shutdown');
    assert.deepEqual(server.journal.entries, ['constructor', 'postInit', 'unbind']);
  });
});
