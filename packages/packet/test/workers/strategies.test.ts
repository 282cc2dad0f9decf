import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import type { Store } from './fixtures/kin/store.ts';
import type { Once } from './fixtures/pools/once.ts';
import type { Together } from './fixtures/pools/together.ts';
import { listen, nextEvent, outcomeOf, startWorkers, type TestService } from './test-service.ts';

/** Names of workers, or places of instances, as they come up. */
function arrivals(t: TestContext): {
  readonly names: string[];
  readonly places: number[];
  count(n: number): Promise<void>;
} {
  const names: string[] = [];
  const places: number[] = [];
  const waiting: { n: number; resolve: () => void }[] = [];
  t.after(
    listen('packet:worker.started', ({ worker, index }) => {
      names.push(worker);
      places.push(index);
      for (const { n, resolve } of waiting) if (names.length >= n) resolve();
    }),
  );
  return {
    names,
    places,
    count: (n) => new Promise((resolve) => (names.length >= n ? resolve() : waiting.push({ n, resolve }))),
  };
}

async function pidsOf(service: TestService, names: readonly string[]): Promise<readonly number[]> {
  return await Promise.all(names.map((name) => service.proxy<Store>(name).pid()));
}

/** Places of what differs. */
function changed(before: readonly unknown[], after: readonly unknown[]): readonly number[] {
  return [...before.keys()].filter((place) => before[place] !== after[place]);
}

async function pidsOfPool(service: TestService, name: string): Promise<readonly unknown[]> {
  const results = await service.proxy<Together>(name).$broadcast.pid();
  return results.map((one) => one.status === 'fulfilled' && one.value);
}

describe('who is restarted with an instance that dies, in a pool', () => {
  test('one-for-one: nobody; all: everyone; rest-for-one: those in later places', async (t) => {
    const service = await startWorkers(t, 'pools');
    for (const [name, dies, expected] of [
      ['turns', 1, [1]],
      ['together', 1, [0, 1, 2]],
      ['following', 1, [1, 2]],
      ['following', 2, [2]],
    ] as const) {
      if (service.workers.stats().pools.every(({ worker }) => worker !== name)) await service.workers.start(name, {});
      const before = await pidsOfPool(service, name);
      const seen = arrivals(t);
      process.kill(Number(before[dies]), 'SIGKILL');
      await seen.count(expected.length);
      assert.deepEqual(changed(before, await pidsOfPool(service, name)), expected, `${name}, ${dies} dies`);
      assert.equal(seen.names.length, expected.length);
    }
  });

  test('those that go with it finish their calls first, and nothing starts before all have ended', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('together', {});
    const together = service.proxy<Together>('together');
    const before = await pidsOfPool(service, 'together');
    const controller = new AbortController();
    const held = outcomeOf(together.$with({ signal: controller.signal }).hold());
    const seen = arrivals(t);
    let exits = 0;
    const restarts: unknown[] = [];
    t.after(
      listen('packet:worker.exited', ({ restartInMs }) => {
        exits++;
        restarts.push(restartInMs);
      }),
    );
    process.kill(Number(before[2]), 'SIGKILL');
    while (exits < 2) await nextEvent('packet:worker.exited');
    const waiting = together.pid();
    assert.deepEqual(seen.names, [], 'the one with a call is still there');
    controller.abort();
    await held;
    await seen.count(3);
    assert.equal(before.includes(await waiting), false, 'what came meanwhile has waited');
    assert.equal(exits, 3);
    assert.deepEqual(restarts, [0, 0, 0]);
  });
});

describe('who is restarted with a worker that dies, in a folder', () => {
  test('workers start in the order that `after` says', async (t) => {
    const seen = arrivals(t);
    await startWorkers(t, 'kin');
    assert.deepEqual(
      seen.names.filter((name) => name !== 'lone'),
      ['store', 'cache', 'answers'],
    );
  });

  test('rest-for-one: those that come after it, in order, when it is ready; the others notice nothing', async (t) => {
    const service = await startWorkers(t, 'kin');
    const names = ['answers', 'cache', 'lone', 'store'];
    const before = await pidsOf(service, names);
    const seen = arrivals(t);
    assert.equal((await outcomeOf(service.proxy<Store>('store').exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
    const after = await pidsOf(service, names);
    assert.deepEqual(changed(before, after), [0, 1, 3]);
    assert.deepEqual(seen.names, ['store', 'cache', 'answers']);
    seen.names.length = 0;
    assert.equal((await outcomeOf(service.proxy<Store>('cache').exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
    assert.deepEqual(changed(after, await pidsOf(service, names)), [0, 1]);
    assert.deepEqual(seen.names, ['cache', 'answers']);
  });

  test('all: everyone joined with it, also those before it', async (t) => {
    const service = await startWorkers(t, 'kin-all');
    const before = await pidsOf(service, ['left', 'right']);
    const seen = arrivals(t);
    assert.equal((await outcomeOf(service.proxy<Store>('right').exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
    assert.deepEqual(changed(before, await pidsOf(service, ['left', 'right'])), [0, 1]);
    assert.deepEqual(seen.names, ['left', 'right']);
  });

  test('a worker that is stopped holds nobody back', async (t) => {
    const service = await startWorkers(t, 'kin');
    await service.workers.stop('cache');
    const again = nextEvent('packet:worker.started', ({ worker }) => worker === 'answers');
    assert.equal((await outcomeOf(service.proxy<Store>('store').exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
    await again;
  });

  test('a start learns that a worker before it is parked', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'kin', { clock });
    let code: string | undefined;
    void outcomeOf(service.workers.start('late', {})).then(({ error }) => {
      code = error?.code;
    });
    const exitOf = (name: string) => nextEvent('packet:worker.exited', ({ worker }) => worker === name);
    const died = exitOf('store');
    const ended = Promise.all([exitOf('cache'), exitOf('answers'), exitOf('late')]);
    process.kill(await service.proxy<Store>('store').pid(), 'SIGKILL');
    await died;
    // One that does not come up does not end in order either; the store waits until all are gone.
    clock.advance(1);
    await ended;
    const { pools } = await service.workers.inspect();
    const [booting] = pools.find(({ worker }) => worker === 'store')?.instances ?? [];
    assert.equal(booting?.state, 'booting');
    const parked = nextEvent('packet:worker.parked', ({ worker }) => worker === 'late');
    process.kill(Number(booting.pid), 'SIGKILL');
    await parked;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(code, 'ERR_PACKET_WORKER_PARKED');
  });

  test('workers that come after one another, or after nobody, are refused at the start', async (t) => {
    await assert.rejects(startWorkers(t, 'kin-wrong'), {
      code: 'ERR_PACKET_WORKER_DEFINITION',
      message: /come after one another: egg after hen after egg/,
    });
  });
});

describe('restart', () => {
  test('never: its calls learn that it has ended, and a start begins anew', async (t) => {
    const service = await startWorkers(t, 'pools');
    await service.workers.start('once', {});
    const once = service.proxy<Once>('once');
    const parked = nextEvent('packet:worker.parked');
    assert.equal((await outcomeOf(once.exit(0))).error?.code, 'ERR_PACKET_WORKER_LOST');
    assert.match((await parked).error.message, /is not started again \(restart: never\): it exited with code 0/);
    assert.equal((await outcomeOf(once.pid())).error?.code, 'ERR_PACKET_WORKER_PARKED');
    await service.workers.start('once', {});
    assert.equal(typeof (await once.pid()), 'number');
  });

  test('on-failure: one that exits in order stays away, one that fails comes back', async (t) => {
    const service = await startWorkers(t, 'pools');
    await service.workers.start('dutiful', {});
    const dutiful = service.proxy<Once>('dutiful');
    const again = nextEvent('packet:worker.started');
    await outcomeOf(dutiful.exit(0));
    await again;
    const parked = nextEvent('packet:worker.parked');
    await dutiful.exitLater(0);
    await parked;
    assert.deepEqual(service.errors, [], 'nothing went wrong');
    assert.equal((await outcomeOf(dutiful.pid())).error?.code, 'ERR_PACKET_WORKER_PARKED');
  });
});
