import assert from 'node:assert/strict';
import { authority, certificate, type NetTest, netTest } from '@packet/testing';
import { createPortableEngine, type TlsInfo } from '../../src/reactor/index.ts';
import { Recorder } from '../reactor/recorder.ts';
import { pattern, World } from '../reactor/world.ts';

const SERVER = certificate('localhost');
const CLIENT = { ca: authority };
const FIVE_MB = 5_000_000;

function makeWorld(t: NetTest): World {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

netTest('what is sent before the handshake, and closed after, arrives whole and encrypted', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve(Recorder, undefined, { tls: SERVER });
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, tls: CLIENT }, Recorder);
  client.sendData(pattern(FIVE_MB));
  assert.equal(client.pendingBytes, FIVE_MB, 'what waits for the handshake is counted');
  client.closeConnectionAfterWriting();
  const server = await world.accepted();
  await server.journal.saw('unbind');
  assert.ok(Buffer.concat(server.journal.received).equals(pattern(FIVE_MB)));
  assert.deepEqual([server.journal.reason?.by, server.journal.reason?.clean], ['peer', true]);
  await client.journal.saw('unbind');
});

netTest('the cap on unsent output holds before the handshake too', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve(Recorder, undefined, { tls: SERVER });
  const client = world.reactor.connect(
    { host: '127.0.0.1', port: listener.port, tls: CLIENT, maxOutboundBytes: 100_000, highWaterBytes: 1000 },
    Recorder,
  );
  assert.equal(client.sendData(pattern(60_000)), false);
  assert.equal(client.sendData(pattern(60_000)), false);
  await client.journal.saw('unbind');
  assert.deepEqual(
    [client.journal.reason?.by, client.journal.reason?.error?.code],
    ['limit', 'ERR_PACKET_OUTBOUND_FULL'],
  );
});

netTest('decrypted input comes in chunks of a record, not in crumbs', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve(Recorder, undefined, { tls: SERVER });
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, tls: CLIENT }, Recorder);
  client.sendData(pattern(FIVE_MB));
  const server = await world.accepted();
  await server.journal.when(() => server.journal.bytes === FIVE_MB);
  assert.ok(server.journal.received.length < FIVE_MB / 8000, `${server.journal.received.length} chunks`);
});

netTest('a failed handshake is one unbind of each side, and harms no other connection', async (t) => {
  const world = makeWorld(t);
  class Secure extends Recorder {
    override tlsCompleted(_info: TlsInfo): void {
      this.journal.note('tlsCompleted');
    }
  }
  const listener = await world.serve(Secure, undefined, { tls: SERVER });
  const at = { host: '127.0.0.1', port: listener.port };
  const good = world.reactor.connect({ ...at, tls: CLIENT }, Secure);
  const bad = world.reactor.connect({ ...at, tls: true }, Secure);
  const plain = world.reactor.connect(at, Recorder);
  plain.sendData('hello, in the clear\r\n');
  for (const { journal } of [bad, plain]) {
    await journal.saw('unbind');
    assert.equal(journal.unbinds, 1);
  }
  await good.journal.saw('tlsCompleted');
  await world.until(() => listener.connectionCount === 1);
  good.sendData('alive');
  await world.until(() => world.servers.some((server) => server.bytesIn === 5 && !server.closed));
  assert.deepEqual(world.errors, []);
});
