import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { createMemoryEngine } from '../../src/reactor/index.ts';
import { Recorder } from './recorder.ts';
import { World } from './world.ts';

netTest(
  'a reactor with one idle server has no connections; stats count what came, moved and was turned away',
  async (t) => {
    const world = new World(createMemoryEngine());
    t.cleanup(() => world.close());
    const listener = await world.serve(Recorder, undefined, { maxConnections: 1 });
    assert.equal(world.reactor.connectionCount, 0);
    const empty = { accepted: 0, rejected: 0, rejectedBy: {}, bytesIn: 0, bytesOut: 0 };
    assert.deepEqual(listener.stats(), { open: 0, ...empty });
    assert.deepEqual(world.reactor.stats(), {
      connections: 0,
      listeners: 1,
      timers: 0,
      uptimeMs: 0,
      ...empty,
      workers: undefined,
    });

    const client = world.reactor.connect({ port: listener.port }, Recorder);
    assert.equal(world.reactor.connectionCount, 1, 'one that is being opened counts');
    client.sendData('12345');
    const server = await world.accepted();
    await server.journal.when(() => server.journal.bytes === 5);
    server.sendData('123');
    await client.journal.when(() => client.journal.bytes === 3);
    const refused = world.reactor.connect({ port: listener.port }, Recorder);
    await refused.journal.saw('unbind');
    const one = { accepted: 1, rejected: 1, rejectedBy: { 'max-connections': 1 } };
    assert.deepEqual(listener.stats(), { open: 1, ...one, bytesIn: 5, bytesOut: 3 });

    client.closeConnection();
    await server.journal.saw('unbind');
    assert.deepEqual(listener.stats(), { open: 0, ...one, bytesIn: 5, bytesOut: 3 }, 'what is gone still counts');
    world.reactor.addTimer(1000, () => undefined);
    world.clock.advance(250);
    await listener.stop();
    const { timers, uptimeMs, listeners, bytesIn, bytesOut, accepted, rejected } = world.reactor.stats();
    assert.deepEqual(
      { timers, uptimeMs, listeners, accepted, rejected },
      {
        timers: 1,
        uptimeMs: 250,
        listeners: 0,
        accepted: 1,
        rejected: 1,
      },
    );
    assert.deepEqual([bytesIn, bytesOut], [8, 8], 'both ends were in this reactor');
  },
);
