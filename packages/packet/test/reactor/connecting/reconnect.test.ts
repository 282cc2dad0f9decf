import assert from 'node:assert/strict';
import { netTest, turn } from '@packet/testing';
import type { PacketError } from '../../../src/errors.ts';
import { LineFramer } from '../../../src/framing/index.ts';
import { createResolver } from '../../../src/reactor/connecting/resolver.ts';
import { FramedConnection, type FramerLimits } from '../../../src/reactor/index.ts';
import { type CloseReason, createMemoryEngine, createPortableEngine } from '../../../src/transport/index.ts';
import { Journal, Recorder } from '../recorder.ts';
import { pattern, World } from '../world.ts';
import { NameServer, NO_SUCH_NAME } from './name-server.ts';

const isState = (error: PacketError): boolean => error.code === 'ERR_PACKET_STATE';

/** A recorder that connects again as often as it is told, from its `unbind`. */
class Again extends Recorder {
  left = 1;
  readonly reasons: CloseReason[] = [];

  override unbind(reason: CloseReason): void {
    super.unbind(reason);
    this.reasons.push(reason);
    if (this.left-- > 0) assert.equal(this.reconnect(), true);
  }
}

for (const [name, makeEngine] of [
  ['portable', createPortableEngine],
  ['memory', createMemoryEngine],
] as const) {
  const world = (): World => new World(makeEngine());

  netTest(`${name}: reconnect inside unbind works, runs no postInit, and connectionCompleted again`, async (t) => {
    const scene = world();
    t.cleanup(() => scene.close());
    const { port } = await scene.serve();
    const client = scene.reactor.connect({ port, args: [] }, Again, (made) => made.journal.note('init'));
    const first = await scene.accepted();
    const { id } = client;
    client.sendData('one');
    await first.journal.when(() => first.journal.text === 'one');
    first.closeConnection();
    const second = await scene.accepted();
    client.sendData('two');
    await second.journal.when(() => second.journal.text === 'two');
    await client.journal.when(() => client.journal.entries.filter((e) => e === 'connectionCompleted').length === 2);
    assert.notEqual(client.id, id);
    assert.equal(client.closed, false);
    const told = client.journal.entries.filter((entry) => entry !== 'peerEnded');
    assert.deepEqual(told, ['constructor', 'postInit', 'init', 'connectionCompleted', 'unbind', 'connectionCompleted']);
    client.closeConnection();
    await client.journal.when(() => client.journal.unbinds === 2);
    await scene.settle();
    assert.equal(client.journal.unbinds, 2);
  });

  netTest(`${name}: nothing unsent of the connection before is sent on the new one`, async (t) => {
    const scene = world();
    t.cleanup(() => scene.close());
    const { port } = await scene.serve();
    const client = scene.reactor.connect({ port, args: [] }, Again);
    const first = await scene.accepted();
    await client.journal.saw('connectionCompleted');
    first.pause();
    // How much the system takes for a peer that does not read is its own affair.
    while (client.pendingBytes === 0) client.sendData(pattern(1_000_000));
    client.closeConnection();
    const second = await scene.accepted();
    assert.equal(client.pendingBytes, 0);
    assert.equal(client.sendData('clean'), true);
    await second.journal.when(() => second.journal.bytes >= 5);
    assert.equal(second.journal.text, 'clean');
  });
}

netTest('reconnect from a timer works, to another place with the same options', async (t) => {
  const scene = new World(createPortableEngine());
  t.cleanup(() => scene.close());
  const { port } = await scene.serve();
  const other = await scene.serve();
  const client = scene.reactor.connect({ host: '127.0.0.1', port, idleTimeoutMs: 500, args: [] }, Recorder);
  await client.journal.saw('connectionCompleted');
  client.closeConnection();
  await client.journal.saw('unbind');
  scene.reactor.addTimer(10, () => assert.equal(client.reconnect({ port: other.port }), true));
  scene.clock.advance(10);
  await client.journal.when(() => client.journal.entries.filter((e) => e === 'connectionCompleted').length === 2);
  assert.deepEqual((client.remoteAddress as { port: number }).port, other.port);
  scene.clock.advance(501);
  await client.journal.when(() => client.journal.unbinds === 2);
  assert.equal(client.journal.reason?.error?.details.timeout, 'idle');
  assert.deepEqual(scene.errors, []);
});

netTest('reconnect is refused while connecting, while connected, and with wrong options', async (t) => {
  const scene = new World(createPortableEngine());
  t.cleanup(() => scene.close());
  const { port } = await scene.serve();
  const client = scene.reactor.connect({ port, args: [] }, Recorder);
  assert.throws(() => client.reconnect(), isState);
  await client.journal.saw('connectionCompleted');
  assert.throws(() => client.reconnect({ port }), isState);
  client.closeConnection();
  assert.throws(() => client.reconnect(), isState);
  await client.journal.saw('unbind');
  assert.throws(
    () => client.reconnect({ port: -1 }),
    (error: PacketError) => error.code === 'ERR_PACKET_OPTION' && /^reconnect/.test(error.message),
  );
  assert.equal(client.closed, true);
});

netTest('a connection that was accepted becomes a client when it is told where to', async (t) => {
  const scene = new World(createPortableEngine());
  t.cleanup(() => scene.close());
  const { port } = await scene.serve();
  const client = scene.reactor.connect({ port, args: [] }, Recorder);
  const server = await scene.accepted();
  await client.journal.saw('connectionCompleted');
  client.closeConnection();
  await server.journal.saw('unbind');
  assert.throws(() => server.reconnect(), isState);
  assert.equal(server.reconnect({ port }), true);
  await server.journal.when(() => server.journal.entries.filter((e) => e === 'connectionCompleted').length === 2);
  assert.equal(server.side, 'client');
});

netTest('a framed connection begins anew with a new framer', async (t) => {
  class Lines extends FramedConnection<string> {
    readonly journal = new Journal();
    readonly lines: string[] = [];
    framers = 0;
    protected override createFramer(limits: FramerLimits): LineFramer {
      this.framers++;
      return new LineFramer(limits);
    }
    override receiveMessage(line: string): void {
      this.lines.push(line);
      this.journal.wake();
    }
    override unbind(reason: CloseReason): void {
      this.journal.note('unbind');
      if (reason.by === 'peer' || reason.error !== undefined) this.reconnect();
    }
  }
  const scene = new World(createPortableEngine());
  t.cleanup(() => scene.close());
  const { port } = await scene.serve();
  const client = scene.reactor.connect({ port }, Lines);
  const first = await scene.accepted();
  first.sendData('whole\nhal');
  await client.journal.when(() => client.lines.length === 1);
  first.closeConnectionAfterWriting();
  const second = await scene.accepted();
  second.sendData('other\n');
  await client.journal.when(() => client.lines.includes('other'));
  assert.deepEqual(client.lines.slice(-1), ['other']);
  assert.equal(client.framers, 2);
});

netTest('a handler that reconnects on every refusal starves nothing', async (t) => {
  const dns = await NameServer.open(t, () => NO_SUCH_NAME);
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false, tries: 1 });
  const scene = new World(createPortableEngine(), { resolver });
  t.cleanup(() => scene.close());
  const places = [{ host: 'two..dots', port: 1 }, { host: '127.0.0.1', port: 1 }, { path: `/${'long'.repeat(100)}` }];
  const clients = places.map((place) => {
    const client = scene.reactor.connect({ ...place, args: [] }, Again);
    client.left = 20;
    return client;
  });
  await turn();
  await turn();
  assert.ok(
    clients.every((client) => client.left > 0),
    'the loop turns between two attempts',
  );
  for (const client of clients) {
    while (client.journal.unbinds < 21) await turn();
    assert.equal(client.closed, true);
  }
});

netTest('reconnect begins nothing when the reactor stops or the signal has fired', async (t) => {
  const scene = new World(createPortableEngine());
  t.cleanup(() => scene.close());
  const { port } = await scene.serve();
  const control = new AbortController();
  const signalled = scene.reactor.connect({ port, signal: control.signal, args: [] }, Recorder);
  const stopped = scene.reactor.connect({ port, args: [] }, Recorder);
  await Promise.all([signalled, stopped].map((client) => client.journal.saw('connectionCompleted')));
  control.abort();
  signalled.closeConnection();
  await signalled.journal.saw('unbind');
  assert.equal(signalled.reconnect(), false);
  await scene.reactor.stop({ drainMs: 0 });
  assert.equal(stopped.journal.unbinds, 1);
  assert.equal(stopped.reconnect(), false);
  assert.equal(stopped.closed, true);
});
