import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { createPortableEngine } from '../../src/transport/index.ts';
import { Recorder } from './recorder.ts';
import { World } from './world.ts';

/** Answers what it gets. */
class Echo extends Recorder {
  override receiveData(data: Buffer): void {
    void super.receiveData(data);
    this.sendData(data);
  }
}

/** A reactor that serves, one that connects to it, and a connection between them that has carried nothing. */
async function worlds(t: { cleanup(close: () => unknown): void }, options: object = {}) {
  const [server, clients] = [new World(createPortableEngine()), new World(createPortableEngine())];
  t.cleanup(() => server.close());
  t.cleanup(() => clients.close());
  const listener = await server.serve(Echo, undefined, options);
  const client = clients.reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
  const served = await server.accepted();
  await client.journal.saw('connectionCompleted');
  return { server, listener, client, served };
}

netTest('a drain serves the first bytes of a connection that was just made', async (t) => {
  const { server, client, served } = await worlds(t);
  const stopped = server.reactor.stop();
  await server.settle();
  assert.equal(served.journal.unbinds, 0);
  client.sendData('late');
  await client.journal.when(() => client.journal.text === 'late');
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
  assert.equal(server.clock.pending, 0);
});

netTest('a connection that stays silent is ended by a drain when drainGraceMs have passed since it came', async (t) => {
  const { server, served } = await worlds(t, { drainGraceMs: 500 });
  server.clock.advance(200);
  const stopped = server.reactor.stop();
  await server.settle();
  server.clock.advance(299);
  await server.settle();
  assert.equal(served.journal.unbinds, 0);
  server.clock.advance(1);
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
  assert.deepEqual(served.journal.reason, { by: 'shutdown', clean: true });
});

netTest('a connection accepted and not opened yet when a drain begins is served', async (t) => {
  const server = new World(createPortableEngine());
  const clients = new World(createPortableEngine());
  t.cleanup(() => server.close());
  t.cleanup(() => clients.close());
  let stopped: Promise<unknown> | undefined;
  // Told between the accept and `opened`.
  const listener = await server.serve(Echo, () => {
    stopped = listener.stop();
  });
  const client = clients.reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
  client.sendData('early');
  await client.journal.when(() => client.journal.text === 'early');
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
});

netTest('a client that ends while a drain waits for its first bytes is not waited for', async (t) => {
  const { server, client, served } = await worlds(t);
  served.peerEnded = (): void => served.journal.note('peerEnded');
  const stopped = server.reactor.stop();
  await server.settle();
  client.endWriting();
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
  assert.ok(served.journal.entries.includes('peerEnded'));
});
