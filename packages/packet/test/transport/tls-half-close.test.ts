import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { authority, certificate, netTest } from '@packet/testing';
import { systemClock } from '../../src/clock.ts';
import { createMemoryEngine, createPortableEngine, ServerTls, secure } from '../../src/transport/index.ts';
import type { Probe, Reactions } from './probe.ts';
import { overThread } from './relay-over-thread.ts';
import { type MakeEngine, pattern, Stage } from './stage.ts';

/** A TLS client of Node's own over a connection that it keeps open when TLS has ended on it. */
function foreign(raw: Probe): TLSSocket {
  const records = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      raw.write(chunk);
      done();
    },
    final: (done) => done(),
  });
  raw.on.bytes = (chunk) => void records.push(chunk);
  const socket = connect({ socket: records, ca: authority, servername: 'localhost' });
  socket.allowHalfOpen = true;
  return socket.resume();
}

const engines: readonly (readonly [string, MakeEngine])[] = [
  ['memory', () => ({ engine: createMemoryEngine() })],
  ['portable', () => ({ engine: createPortableEngine() })],
  ['relay', overThread],
];

interface Ends {
  readonly raw: Probe;
  readonly client: TLSSocket;
  readonly server: Probe;
}

for (const [name, make] of engines) {
  describe(`TLS over ${name}: both sides have ended and the peer keeps its socket open`, () => {
    const open = async (stage: Stage, reactions: (server: () => Probe) => Reactions): Promise<Ends> => {
      const desk = await stage.desk();
      const raw = stage.connect(desk.endpoint, 'raw');
      const incoming = await desk.next();
      const side = new ServerTls('server', certificate('localhost'));
      const server: Probe = stage
        .keep(
          stage.probe(
            'server',
            reactions(() => server),
          ),
        )
        .own((sink) => secure(incoming.open(sink), side, sink, { clock: systemClock }));
      await raw.saw('opened');
      const client = foreign(raw);
      await server.saw('opened');
      return { raw, client, server };
    };

    netTest('a connection closes when the peer ended first', async (t) => {
      const stage = await Stage.open(t, make);
      const { raw, client, server } = await open(stage, (self) => ({ ended: () => self().end() }));
      client.end('all there is');
      assert.deepEqual(await server.closedWith(), { by: 'peer', clean: true });
      assert.equal(server.data.toString(), 'all there is');
      assert.deepEqual(server.events, ['opened', 'bytes', 'ended', 'closed']);
      await raw.saw('ended');
    });

    netTest('a connection closes when it ended first', async (t) => {
      const stage = await Stage.open(t, make);
      const { raw, client, server } = await open(stage, () => ({}));
      client.once('end', () => client.end());
      server.end();
      assert.deepEqual(await server.closedWith(), { by: 'local', clean: true });
      assert.deepEqual(server.events, ['opened', 'ended', 'closed']);
      await raw.saw('ended');
    });

    netTest('output the peer is slow to read arrives whole before', async (t) => {
      const stage = await Stage.open(t, make);
      const { raw, client, server } = await open(stage, () => ({}));
      const sent = pattern(2_000_000);
      let received = 0;
      client.on('data', (chunk: Buffer) => (received += chunk.byteLength));
      const whole = new Promise<void>((resolve) => client.once('end', resolve));
      raw.pause();
      client.end();
      await server.saw('ended');
      server.write(sent);
      server.end();
      await stage.stuck(server);
      raw.resume();
      await whole;
      assert.equal(received, sent.byteLength);
      assert.deepEqual(await server.closedWith(), { by: 'peer', clean: true });
    });
  });
}
