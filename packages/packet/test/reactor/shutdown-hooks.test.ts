import assert from 'node:assert/strict';
import { type NetTest, netTest, turn } from '@packet/testing';
import { createMemoryEngine } from '../../src/reactor/index.ts';
import { Recorder } from './recorder.ts';
import { resolvers, World } from './world.ts';

function makeWorld(t: NetTest): World {
  const world = new World(createMemoryEngine());
  t.cleanup(() => world.close());
  return world;
}

netTest('shutdown hooks run last-added first, each awaited, while connections still live', async (t) => {
  const world = makeWorld(t);
  const other = new World(world.engine);
  t.cleanup(() => other.close());
  const listener = await world.serve(Recorder, undefined, { drainGraceMs: 0 });
  const client = other.reactor.connect({ port: listener.port }, Recorder);
  const server = await world.accepted();
  const order: string[] = [];
  const gate = resolvers();
  world.reactor.onShutdown(() => {
    order.push('first added');
    server.sendData('goodbye');
  });
  world.reactor.onShutdown(async () => {
    order.push('second added begins');
    await gate.promise;
    order.push('second added ends');
  });
  const removed = world.reactor.onShutdown(() => order.push('removed'));
  removed();
  removed();
  await client.journal.saw('connectionCompleted');
  const stopped = world.reactor.stop();
  await world.settle();
  assert.deepEqual(order, ['second added begins']);
  assert.ok(!server.closed);
  gate.resolve();
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
  await client.journal.saw('unbind');
  assert.deepEqual(order, ['second added begins', 'second added ends', 'first added']);
  assert.equal(client.journal.text, 'goodbye');
  assert.deepEqual(world.errors, []);
});

netTest('a hook runs once, however often the reactor is stopped, and none is taken while it stops', async (t) => {
  const world = makeWorld(t);
  let runs = 0;
  world.reactor.onShutdown(() => runs++);
  await Promise.all([world.reactor.stop(), world.reactor.stop({ drainMs: 0 })]);
  await world.reactor.stop();
  assert.equal(runs, 1);
  assert.throws(() => world.reactor.onShutdown(() => undefined), { code: 'ERR_PACKET_STOPPED' });
});

netTest('the listening socket is closed before hooks run', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve();
  const { port } = listener;
  const client = new Promise<Recorder>((resolve) => {
    const other = new World(world.engine);
    t.cleanup(() => other.close());
    world.reactor.onShutdown(async () => {
      const refused = other.reactor.connect({ port }, Recorder);
      await refused.journal.saw('unbind');
      resolve(refused);
    });
  });
  await world.reactor.stop();
  assert.equal((await client).journal.reason?.error?.code, 'ERR_PACKET_CONNECT');
});

netTest('what a hook throws or rejects with is reported, and the others still run', async (t) => {
  const world = makeWorld(t);
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
  let ran = false;
  world.reactor.onShutdown(() => {
    ran = true;
  });
  world.reactor.onShutdown(() => {
    throw thrown;
  });
  world.reactor.onShutdown(() => Promise.reject(rejected));
  await world.reactor.stop();
  assert.deepEqual(world.errors, [
    { error: rejected, where: 'onShutdown' },
    { error: thrown, where: 'onShutdown' },
  ]);
  assert.ok(ran);
});

netTest('hooks and connections share the drain time; a hook still at work then is left, and reported', async (t) => {
  const world = makeWorld(t);
  const { server } = await world.pair();
  let calledLate = false;
  world.reactor.onShutdown(() => {
    calledLate = true;
    return new Promise(() => undefined);
  });
  world.reactor.onShutdown(() => new Promise(() => undefined));
  const stopped = world.reactor.stop({ drainMs: 1000 });
  await world.settle();
  world.clock.advance(999);
  await world.settle();
  assert.equal(server.journal.unbinds, 0);
  assert.equal(calledLate, false);
  world.clock.advance(1);
  assert.deepEqual(await stopped, { finished: 0, cut: 2 });
  assert.ok(calledLate, 'a hook that had no turn is called all the same');
  assert.deepEqual(
    world.errors.map(({ error, where }) => [(error as { code: string }).code, where]),
    [['ERR_PACKET_TIMEOUT', 'onShutdown']],
  );
  assert.equal(world.clock.pending, 0);
});

netTest('a second stop that cuts does not wait for hooks either', async (t) => {
  const world = makeWorld(t);
  await world.pair();
  world.reactor.onShutdown(() => new Promise(() => undefined));
  const stopped = world.reactor.stop();
  await turn();
  void world.reactor.stop({ drainMs: 0 });
  assert.deepEqual(await stopped, { finished: 0, cut: 2 });
  assert.equal(world.clock.pending, 0);
});
