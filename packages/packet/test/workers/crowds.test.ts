import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import type { Hot } from './fixtures/crowd/hot.ts';
import type { Narrow } from './fixtures/crowd/narrow.ts';
import type { Serving } from './fixtures/crowd/serving.ts';
import type { Unending } from './fixtures/crowd/unending.ts';
import {
  listen,
  nextEvent,
  type Outcome,
  outcomeOf,
  startWorkers,
  TestOrigin,
  type TestService,
} from './test-service.ts';

/** A call that holds its instance until it is let go. */
function hold(service: TestService, name: string, pickKey?: string): { letGo(): Promise<Outcome> } {
  const controller = new AbortController();
  const options = { signal: controller.signal, deadlineMs: 0, ...(pickKey === undefined ? {} : { pickKey }) };
  const held = outcomeOf(service.proxy<Hot>(name).$with(options).hold());
  return {
    letGo: () => {
      controller.abort();
      return held;
    },
  };
}

function poolOf({ workers }: TestService) {
  const [pool] = workers.stats().pools;
  assert.ok(pool !== undefined);
  return pool;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('the size of a pool', () => {
  test('does not follow a hot key while other instances are free', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline', clock: new ManualClock() });
    await service.workers.start('hot', {});
    const held = hold(service, 'hot', 'a');
    const hot = service.proxy<Hot>('hot').$with({ pickKey: 'a', deadlineMs: 0 });
    const waiting = [hot.index(), hot.index()];
    assert.deepEqual([poolOf(service).queued, poolOf(service).booting], [2, 0]);
    await held.letGo();
    await Promise.all(waiting);
  });

  test('follows calls with many keys: those that wait and belong to a new instance go to it, in their order', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline', clock: new ManualClock() });
    await service.workers.start('growing', {});
    const held = hold(service, 'growing', 'key 0');
    let ups = 0;
    const grown = new Promise<void>((resolve) => {
      t.after(listen('packet:worker.started', () => ++ups === 2 && resolve()));
    });
    const done: { readonly place: number; readonly n: number }[] = [];
    const calls = Array.from({ length: 30 }, async (_, n) => {
      const pickKey = `key ${n % 15}`;
      const place = await service.proxy<Hot>('growing').$with({ pickKey, deadlineMs: 0 }).index();
      done.push({ place, n });
    });
    await grown;
    // All that the new ones have to do happens in this process.
    for (let turns = 0; turns < 1000; turns++) await turn();
    const served = done.length;
    assert.ok(served > 0, 'the first is still held');
    assert.equal(poolOf(service).queued, 30 - served);
    await held.letGo();
    await Promise.all(calls);
    assert.deepEqual([...new Set(done.slice(0, served).map(({ place }) => place))].sort(), [1, 2]);
    assert.deepEqual([...new Set(done.slice(served).map(({ place }) => place))], [0]);
    for (const home of [0, 1, 2]) {
      const order = done.filter(({ place }) => place === home).map(({ n }) => n);
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
    }
  });

  test('does not follow a broadcast: nobody else could take its calls', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline', clock: new ManualClock() });
    await service.workers.start('hot', {});
    const held = [hold(service, 'hot'), hold(service, 'hot')];
    const all = service.proxy<Hot>('hot').$with({ deadlineMs: 0 }).$broadcast.index();
    assert.deepEqual([poolOf(service).queued, poolOf(service).booting], [2, 0]);
    for (const one of held) await one.letGo();
    assert.equal((await all).length, 2);
  });

  test('shrinks though somebody looks at it all the time', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'crowd', { transport: 'inline', clock });
    await service.workers.start('hot', {});
    const held = [hold(service, 'hot'), hold(service, 'hot')];
    const up = nextEvent('packet:worker.started');
    const third = service.proxy<Hot>('hot').$with({ deadlineMs: 0 }).index();
    await up;
    assert.equal(await third, 2);
    for (const one of held) await one.letGo();
    let gone = false;
    const exit = nextEvent('packet:worker.exited').then(() => {
      gone = true;
    });
    for (let look = 0; look < 20 && !gone; look++) {
      clock.advance(500);
      await service.workers.inspect();
      await turn();
    }
    assert.equal(gone, true);
    await exit;
  });
});

describe('turns', () => {
  test('an ask made while an answer is heard does not overtake those that wait for the same instance', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline' });
    await service.workers.start('keyed', {});
    const order: unknown[] = [];
    const done: Promise<unknown>[] = [];
    const pickKey = 'a';
    const eager = new (class extends TestOrigin {
      override answered(...[value, ask, last]: Parameters<TestOrigin['answered']>): void {
        order.push(value);
        if (order.length === 1) done.push(this.ask('keyed', 'again', { pickKey }));
        super.answered(value, ask, last);
      }
    })(service.workers);
    done.push(eager.ask('keyed', 'first', { pickKey }), eager.ask('keyed', 'second', { pickKey }));
    await Promise.all(done);
    await Promise.all(done);
    assert.deepEqual(order, ['first', 'second', 'again']);
  });

  test('calls without a key get theirs beside a key that always has calls waiting', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline' });
    await service.workers.start('keyed', {});
    const keyed = service.proxy<Hot>('keyed');
    let served = false;
    let calls = 0;
    const busy = async (): Promise<void> => {
      for (; !served && calls < 200; calls++) await keyed.$with({ pickKey: 'a' }).echo(1);
    };
    const all = [busy(), busy(), busy()];
    await keyed.echo('without a key');
    served = true;
    assert.ok(calls < 20, `${calls} calls went first`);
    await Promise.all(all);
  });

  test('a broadcast that waits for an instance goes on to its replacement when it is recycled', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline' });
    await service.workers.start('worn', {});
    const worn = service.proxy<Hot>('worn');
    await worn.index();
    await worn.index();
    const held = hold(service, 'worn');
    const all = worn.$broadcast.index();
    const recycled = nextEvent('packet:worker.recycled');
    await recycled;
    assert.deepEqual(await all, [{ status: 'fulfilled', value: 0 }]);
    await held.letGo();
  });
});

describe('$room()', () => {
  test('beside callers who do not wait for room, those who do are let in, and never refused', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline' });
    await service.workers.start('narrow', {});
    const narrow = service.proxy<Narrow>('narrow');
    let done = false;
    let refused = 0;
    const rude = async (): Promise<void> => {
      while (!done) {
        const { error } = await outcomeOf(narrow.echo('rude'));
        if (error === undefined) continue;
        assert.equal(error.code, 'ERR_PACKET_OVERLOADED');
        refused++;
        await turn();
      }
    };
    const crowd = Array.from({ length: 6 }, () => rude());
    const polite = async (n: number): Promise<Outcome> => {
      await narrow.$room();
      return await outcomeOf(narrow.echo(n));
    };
    for (let round = 0; round < 20; round++) {
      const numbers = [0, 1, 2, 3, 4];
      const outcomes = await Promise.all(numbers.map((n) => polite(n)));
      assert.deepEqual(
        outcomes.map(({ answers }) => answers[0]),
        numbers,
      );
    }
    done = true;
    await Promise.all(crowd);
    assert.ok(refused > 0, 'there was more than there was room for');
  });

  test('comes when calls are lost with the instance they waited for', async (t) => {
    const service = await startWorkers(t, 'crowd', {});
    await service.workers.start('narrow', {});
    const narrow = service.proxy<Narrow>('narrow');
    const held = hold(service, 'narrow');
    const exit = outcomeOf(narrow.exit());
    const all = narrow.$with({ deadlineMs: 0 }).$broadcast.index();
    const room = narrow.$room();
    assert.equal(poolOf(service).queued, 2);
    await exit;
    await room;
    await held.letGo();
    assert.deepEqual(
      (await all).map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
  });

  test('is not waited for by a connection that is gone', async (t) => {
    const service = await startWorkers(t, 'crowd', { transport: 'inline' });
    await service.workers.start('narrow', {});
    const held = [hold(service, 'narrow'), hold(service, 'narrow'), hold(service, 'narrow'), hold(service, 'narrow')];
    const origin = new TestOrigin(service.workers);
    const own = service.proxy<Narrow>('narrow', origin);
    const codes: (string | undefined)[] = [];
    const wait = async (room: Promise<void>): Promise<void> => void codes.push((await outcomeOf(room)).error?.code);
    const controller = new AbortController();
    void wait(own.$room());
    void wait(own.$with({ signal: controller.signal }).$room());
    void wait(own.$with({ signal: controller.signal }).$room());
    service.workers.originClosed(origin);
    await turn();
    assert.deepEqual(codes, Array(3).fill('ERR_PACKET_CANCELLED'));
    void wait(own.$room());
    await turn();
    assert.equal(codes.length, 4);
    await Promise.all(held.map((one) => one.letGo()));
  });
});

describe('those that end with another', () => {
  test('are gone after drainMs, whether they spend it on their calls or on their end', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'crowd', { transport: 'inline', clock });
    await service.workers.start('unending', {});
    const held = hold(service, 'unending');
    const controller = new AbortController();
    const blamed = service.proxy<Unending>('unending').$with({ signal: controller.signal, deadlineMs: 0 }).never();
    const failed = outcomeOf(blamed);
    await turn();
    controller.abort();
    await failed;
    // The worker hears of the cancel before it is blamed.
    for (let n = 0; n < 4; n++) await turn();
    clock.advance(10);
    assert.equal(poolOf(service).ready, 0);
    clock.advance(600);
    await held.letGo();
    for (let n = 0; n < 4; n++) await turn();
    clock.advance(400);
    for (let n = 0; n < 10; n++) await turn();
    assert.equal(poolOf(service).ready, 2);
  });
});

test('the memory of an instance that has connections and no calls is looked at too', async (t) => {
  const clock = new ManualClock();
  const service = await startWorkers(t, 'crowd', { clock });
  await service.workers.start('serving', {});
  const handed = await service.proxy<Serving>('serving').$adopt({ stream: new PassThrough() });
  assert.equal(clock.pending, 1);
  const recycled = nextEvent('packet:worker.recycled');
  clock.advance(1000);
  assert.equal((await recycled).reason, 'memory');
  const gone = nextEvent('packet:worker.exited');
  handed.cut();
  await handed.closed;
  await gone;
});

test('a call that is with its proxy when the worker is stopped is finished, all its parts', async (t) => {
  const service = await startWorkers(t, 'crowd', { transport: 'inline', clock: new ManualClock() });
  await service.workers.start('halves', {});
  const call = outcomeOf(service.proxy<Hot>('halves').echo('whole'));
  const stopped = service.workers.stop('halves');
  assert.deepEqual(await call, { answers: [['first', 'second']] });
  await stopped;
});
