import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type NetTest, netTest, turn } from '@packet/testing';
import type { PacketEvents } from '../../src/events.ts';
import { createMemoryEngine, ManualClock, Reactor } from '../../src/reactor/index.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { World } from './world.ts';

type Blocked = PacketEvents['packet:reactor.blocked'];

function blockedEvents(t: NetTest): Blocked[] {
  const events: Blocked[] = [];
  const hear = (event: unknown): void => void events.push(event as Blocked);
  subscribe('packet:reactor.blocked', hear);
  t.cleanup(() => unsubscribe('packet:reactor.blocked', hear));
  return events;
}

function makeWorld(t: NetTest, blockedWarnMs?: number): World {
  const world = new World(createMemoryEngine(), { blockedWarnMs });
  t.cleanup(() => world.close());
  return world;
}

/** Counts how often it is read. */
class CountedClock extends ManualClock {
  reads = 0;
  override now(): number {
    this.reads++;
    return super.now();
  }
}

netTest('a callback that holds the loop longer than blockedWarnMs is told of, with whose it was', async (t) => {
  const world = makeWorld(t);
  const events = blockedEvents(t);
  class Busy extends Recorder {
    override receiveData(data: Buffer): void {
      world.clock.advance(Number(data.toString()));
      void super.receiveData(data);
    }
  }
  const listener = await world.serve(Busy);
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  const server = await world.accepted();
  client.sendData('100');
  await server.journal.when(() => server.journal.text === '100');
  assert.deepEqual(events, [], '100 ms is the limit, not over it');
  client.sendData('250');
  await server.journal.when(() => server.journal.text === '100250');
  const { id, side, remoteAddress: remote } = server;
  const connection = { id, side, handler: 'Busy', remote };
  assert.deepEqual(events, [{ where: 'receiveData', heldMs: 250, connection }]);
});

netTest('each kind of callback is watched, and one that throws too', async (t) => {
  const world = makeWorld(t, 10);
  const events = blockedEvents(t);
  const hold = (): void => world.clock.advance(11);
  class Slow extends LineRecorder {
    constructor() {
      super();
      hold();
    }
    override postInit(): void {
      hold();
    }
    override connectionCompleted(): void {
      hold();
    }
    override receiveMessage(): void {
      hold();
    }
    override peerEnded(): void {
      hold();
      throw new Error('slow, and broken too');
    }
    override unbind(): void {
      hold();
    }
  }
  const listener = await world.serve(Slow, hold);
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  client.sendData('a\n');
  client.endWriting();
  await client.journal.saw('unbind');
  world.reactor.addTimer(1, hold);
  world.clock.advance(1);
  world.reactor.nextTick(hold);
  await turn();
  world.reactor.onShutdown(hold);
  await world.reactor.stop();
  assert.deepEqual(
    events.map(({ where }) => where),
    [
      'constructor',
      'postInit',
      'init',
      'connectionCompleted',
      'receiveMessage',
      'peerEnded',
      'unbind',
      'timer',
      'nextTick',
      'onShutdown',
    ],
  );
});

netTest('the time of a callback within another is told once, as that of the inner one', async (t) => {
  const world = makeWorld(t, 10);
  const events = blockedEvents(t);
  const listener = await world.serve();
  class Inner extends Recorder {
    override postInit(): void {
      world.clock.advance(50);
    }
  }
  world.reactor.addTimer(1, () => {
    world.clock.advance(5);
    world.reactor.connect({ port: listener.port }, Inner);
  });
  world.clock.advance(1);
  assert.deepEqual(
    events.map(({ where, heldMs }) => `${where} ${heldMs}`),
    ['postInit 50'],
  );
});

netTest('without a subscriber, or with blockedWarnMs 0, callbacks do not read the clock', async (t) => {
  for (const blockedWarnMs of [100, 0]) {
    const clock = new CountedClock();
    const reactor = new Reactor({ clock, blockedWarnMs, engine: createMemoryEngine() });
    t.cleanup(() => reactor.stop());
    const events = blockedWarnMs === 0 ? blockedEvents(t) : [];
    const before = clock.reads;
    const ticked = new Promise<number>((resolve) => {
      reactor.nextTick(() => {
        resolve(clock.reads);
        clock.advance(500);
      });
    });
    assert.equal(await ticked, before);
    assert.equal(clock.reads, before);
    assert.deepEqual(events, []);
  }
});
