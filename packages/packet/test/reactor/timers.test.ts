import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netTest, turn } from '@packet/testing';
import { createMemoryEngine, ManualClock, Reactor, type Timer } from '../../src/reactor/index.ts';
import { Recorder } from './recorder.ts';
import { resolvers, World } from './world.ts';

function manual(): { readonly clock: ManualClock; readonly reactor: Reactor; readonly errors: string[] } {
  const clock = new ManualClock();
  const errors: string[] = [];
  const reactor = new Reactor({ clock, onError: (_error, { where }) => void errors.push(where) });
  return { clock, reactor, errors };
}

test('a cancelled timer is freed at once: none of 100 is left', () => {
  const { clock, reactor } = manual();
  const timers = Array.from({ length: 100 }, () => reactor.addTimer(60_000, () => undefined));
  assert.equal(reactor.stats().timers, 100);
  for (const timer of timers) timer.cancel();
  assert.equal(reactor.stats().timers, 0);
  assert.equal(clock.pending, 0);
});

netTest('so it is on the machine clock: nothing is left that could wake the loop', () => {
  const reactor = new Reactor();
  for (let i = 0; i < 100; i++) reactor.addTimer(60_000, () => undefined).cancel();
  reactor.addPeriodicTimer(60_000, () => undefined).cancel();
  assert.equal(process.getActiveResourcesInfo().includes('Timeout'), false);
});

test('a timer that a due timer cancels does not fire, though it was due in the same pass', () => {
  const { clock, reactor } = manual();
  const fired: string[] = [];
  let second: Timer | undefined;
  reactor.addTimer(10, () => {
    fired.push('first');
    second?.cancel();
  });
  second = reactor.addTimer(10, () => void fired.push('second'));
  clock.advance(10);
  assert.deepEqual(fired, ['first']);
});

netTest('nor does it on the machine clock', async () => {
  const reactor = new Reactor();
  const fired: string[] = [];
  let second: Timer | undefined;
  await new Promise<void>((resolve) => {
    reactor.addTimer(5, () => {
      fired.push('first');
      second?.cancel();
    });
    second = reactor.addTimer(5, () => void fired.push('second'));
    reactor.addTimer(10, resolve);
  });
  assert.deepEqual(fired, ['first']);
  await reactor.stop();
});

test('a periodic timer keeps its beat whatever its callback takes, and leaves out turns that are over', () => {
  const { clock, reactor } = manual();
  const times: number[] = [];
  reactor.addPeriodicTimer(10, () => {
    times.push(clock.now());
    if (times.length === 2) clock.advance(25);
    else clock.advance(3);
  });
  clock.advance(100);
  assert.deepEqual(times, [10, 20, 50, 60, 70, 80, 90, 100]);
});

test('a periodic timer of a fraction of a millisecond more or less does not drift', () => {
  const { clock, reactor } = manual();
  let last = 0;
  let count = 0;
  reactor.addPeriodicTimer(16.7, () => {
    last = clock.now();
    count++;
  });
  clock.advance(16.7 * 10_000 + 1);
  assert.equal(count, 10_000);
  assert.ok(Math.abs(last - 167_000) < 0.001);
});

test('a periodic timer may be cancelled from its callback', () => {
  const { clock, reactor } = manual();
  let count = 0;
  const timer = reactor.addPeriodicTimer(10, () => {
    if (++count === 3) timer.cancel();
  });
  clock.advance(1000);
  assert.equal(count, 3);
  assert.equal(timer.active, false);
  assert.equal(clock.pending, 0);
});

test('a callback that throws or rejects is reported and ends no series', async () => {
  const { clock, reactor, errors } = manual();
  reactor.addPeriodicTimer(10, () => {
    throw new Error('thrown');
  });
  reactor.addPeriodicTimer(10, () => Promise.reject(new Error('rejected')));
  clock.advance(30);
  await turn();
  assert.deepEqual(errors, Array(6).fill('timer'));
  await reactor.stop();
  assert.equal(clock.pending, 0);
});

test('a one-shot timer is gone when its callback runs, which may set the next', () => {
  const { clock, reactor } = manual();
  const counts: number[] = [];
  const again = (): void => {
    counts.push(reactor.stats().timers);
    if (counts.length < 3) reactor.addTimer(10, again);
  };
  reactor.addTimer(10, again);
  clock.advance(30);
  assert.deepEqual(counts, [0, 0, 0]);
});

test('wrong times and callbacks are refused by name', () => {
  const { reactor } = manual();
  const wrong: unknown = 'later';
  const callback = wrong as () => void;
  assert.throws(() => reactor.addTimer(Number.NaN, () => undefined), { message: /addTimer: delayMs .*got NaN/ });
  assert.throws(() => reactor.addPeriodicTimer(0, () => undefined), {
    message: /addPeriodicTimer: intervalMs .*got 0/,
  });
  assert.throws(() => reactor.addTimer(1, callback), { message: /addTimer: callback must be a function/ });
  assert.throws(() => reactor.nextTick(callback), { message: /nextTick: callback must be a function/ });
  assert.throws(() => reactor.onShutdown(callback), { message: /onShutdown: hook must be a function/ });
  assert.equal(reactor.stats().timers, 0);
});

netTest('nextTick runs each callback once, in order; one added by another waits for the turn after', async () => {
  const { reactor, errors } = manual();
  const seen: string[] = [];
  const done = resolvers();
  reactor.nextTick(() => {
    seen.push('one');
    reactor.nextTick(() => {
      seen.push('added by one');
      done.resolve();
    });
  });
  reactor.nextTick(() => {
    seen.push('two');
    throw new Error('in two');
  });
  reactor.nextTick(() => void seen.push('three'));
  assert.deepEqual(seen, []);
  await done.promise;
  for (let i = 0; i < 20; i++) await turn();
  assert.deepEqual(seen, ['one', 'two', 'three', 'added by one']);
  assert.deepEqual(errors, ['nextTick']);
});

netTest('while a reactor drains, work under way may still wait; afterwards timers and ticks are over', async (t) => {
  const world = new World(createMemoryEngine());
  t.cleanup(() => world.close());
  class Later extends Recorder {
    override receiveData(data: Buffer): Promise<void> {
      void super.receiveData(data);
      return new Promise((resolve) => {
        world.reactor.nextTick(() => {
          world.reactor.addTimer(50, () => {
            this.sendData('done');
            resolve();
          });
        });
      });
    }
  }
  const listener = await world.serve(Later);
  const other = new World(world.engine);
  t.cleanup(() => other.close());
  const client = other.reactor.connect({ port: listener.port }, Recorder);
  client.sendData('x');
  const server = await world.accepted();
  await server.journal.when(() => server.journal.bytes === 1);
  const stopped = world.reactor.stop();
  await world.settle();
  world.clock.advance(50);
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
  await client.journal.saw('unbind');
  assert.equal(client.journal.text, 'done');
  let ticked = false;
  world.reactor.nextTick(() => {
    ticked = true;
  });
  await world.settle();
  assert.equal(ticked, false);
  assert.throws(() => world.reactor.addTimer(1, () => undefined), { code: 'ERR_PACKET_STOPPED' });
  assert.equal(world.clock.pending, 0);
});
