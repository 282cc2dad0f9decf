import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PacketError } from '../../src/errors.ts';
import { move } from '../../src/workers/index.ts';
import type { Borrow } from './fixtures/lending/borrow.ts';
import { LANES } from './lanes.ts';
import { nextEvent, outcomeOf, startWorkers, TestOrigin, type TestService } from './test-service.ts';

function leased(service: TestService): number {
  return service.workers.stats().pools.reduce((sum, pool) => sum + pool.leased, 0);
}

function gate(): { readonly promise: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}

for (const transport of LANES) {
  describe(`functions as arguments, ${transport} lane`, () => {
    test('a function is called here, with arguments and results as in any call, and is given back with the answer', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const seen: number[] = [];
      const mapped = await borrow.map([1, 2, 3], (item) => {
        seen.push(item);
        assert.equal(leased(service), 1);
        return item * 10;
      });
      assert.deepEqual(
        [seen, mapped],
        [
          [1, 2, 3],
          [10, 20, 30],
        ],
      );
      assert.equal(leased(service), 0);
      assert.deepEqual(await borrow.map([4], async (item) => item + 1), [5]);
    });

    test('functions lie anywhere in the arguments; the same one arrives as one', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const same = (): string => 'called';
      const on = new Map([['x', (value: unknown) => value]]);
      const call = service.proxy<Borrow>('borrow').deep({ on, list: [{ fn: same }], same });
      assert.equal(leased(service), 2);
      assert.deepEqual(await call, { same: true, list: 'called', on: { n: 1n } });
      assert.equal(leased(service), 0);
    });

    test('an ask lends functions too', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const origin = new TestOrigin(service.workers);
      assert.deepEqual(await origin.ask('borrow', { fn: (n: number) => n + 1 }), { answers: [21] });
    });

    test('a call that waits its turn lends its functions when it is sent', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const { promise, open } = gate();
      const waiting = Array.from({ length: 8 }, () => borrow.waits(() => promise));
      const late = borrow.map([1], (n) => n + 1);
      assert.equal(leased(service), 8);
      open();
      assert.deepEqual(await late, [2]);
      await Promise.all(waiting);
      assert.equal(leased(service), 0);
    });

    test('calls nobody awaits come in order, before the answer', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const seen: number[] = [];
      await service.proxy<Borrow>('borrow').tell(100, (n) => seen.push(n));
      assert.deepEqual(
        seen,
        Array.from({ length: 100 }, (_, n) => n + 1),
      );
    });

    test('what a function throws reaches the worker with its code and both stacks, and the caller if nobody minds', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const thrower = (): never => {
        throw Object.assign(new RangeError('no good'), { code: 'E_OWN' });
      };
      const told = await borrow.failing(thrower);
      assert.equal(told.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.equal(told.cause, 'RangeError: no good true');
      assert.equal((await borrow.failing(async () => thrower())).cause, 'RangeError: no good true');
      const { error } = await outcomeOf(borrow.failed(thrower));
      assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
      const inWorker = error.cause as PacketError;
      assert.equal(inWorker.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.match(String(inWorker.stack), /borrow|lease|lending/);
      const cause = inWorker.cause as RangeError & { code: string };
      assert.deepEqual([cause instanceof RangeError, cause.message, cause.code], [true, 'no good', 'E_OWN']);
      assert.match(String(cause.stack), /lending\.test/);
    });

    test('what cannot travel fails the one call of the function, there or back', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const back = await borrow.failing(() => ({ inner: new WeakMap() }));
      assert.equal(back.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.match(back.message, /\$\.inner/);
      const there = await borrow.givesBad(() => 1);
      assert.equal(there.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.match(there.message, /^\$\[1\]\.bad\[0\] cannot travel/);
    });

    test('a function is not there for calls after its call has settled', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      let calls = 0;
      await borrow.store(() => calls++);
      assert.deepEqual(await borrow.useStored(1), {
        code: 'ERR_PACKET_LEASE_ENDED',
        reason: 'settled',
        message:
          'a function lent between worker "borrow" and its master cannot be called: the call it was given to has settled, and it was not kept',
      });
      assert.equal((await outcomeOf(borrow.keepStored())).error?.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.equal(calls, 0);
    });

    test('keep() extends the lease until release(), and stats count it', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const given: unknown[] = [];
      await borrow.keep((value) => given.push(value));
      assert.equal(leased(service), 1);
      assert.equal(await borrow.useStored('a'), 1);
      assert.equal(await borrow.useStored('b'), 2);
      await borrow.letGo();
      assert.equal(leased(service), 0);
      const told = (await borrow.useStored('c')) as { code: string; reason: string };
      assert.deepEqual([told.code, told.reason], ['ERR_PACKET_LEASE_ENDED', 'released']);
      assert.deepEqual(given, ['a', 'b']);
      await borrow.letGo();
    });

    test('what is lent is bounded: the call beyond is refused, and nothing of it is lent', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const many = (count: number): unknown[] => Array.from({ length: count }, () => () => 1);
      const { error } = await outcomeOf(borrow.back(many(9)));
      assert.equal(error?.code, 'ERR_PACKET_OVERLOADED');
      assert.deepEqual([error.details.limit, error.details.most], ['leases', 8]);
      assert.equal(leased(service), 0);
      const kept = new Uint8Array(8);
      await outcomeOf(borrow.back([move(kept), ...many(9)]));
      assert.equal(kept.length, 8);
      // The worker cannot give them back, and all the same they end with their call.
      assert.equal((await outcomeOf(borrow.back(many(8)))).error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(leased(service), 0);
    });

    test('a call that is cancelled takes its functions back, and the worker hears of it', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const giveUp = new AbortController();
      const { promise, open } = gate();
      const call = outcomeOf(
        borrow.$with({ signal: giveUp.signal }).waits(() => {
          giveUp.abort();
          return promise;
        }),
      );
      assert.equal((await call).error?.code, 'ERR_PACKET_CANCELLED');
      assert.equal(leased(service), 0);
      const late = nextEvent('packet:worker.late');
      await late;
      assert.deepEqual(
        (await borrow.errors()).map(({ code }) => code),
        ['ERR_PACKET_CANCELLED'],
      );
      open();
      assert.equal(await borrow.back(1), 1);
    });

    test('a deadline reaches the function calls of its call', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const late = nextEvent('packet:worker.late');
      const call = outcomeOf(borrow.$with({ deadlineMs: 30 }).waits(() => new Promise(() => undefined)));
      assert.equal((await call).error?.code, 'ERR_PACKET_DEADLINE');
      await late;
      assert.match(String((await borrow.errors())[0]?.code), /ERR_PACKET_(DEADLINE|CANCELLED)/);
      assert.equal(leased(service), 0);
    });

    test('a connection that is gone takes back what it lent', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const origin = new TestOrigin(service.workers);
      const { promise, open } = gate();
      const call = outcomeOf(
        service.proxy<Borrow>('borrow', origin).waits(() => {
          service.workers.originClosed(origin);
          return promise;
        }),
      );
      assert.equal((await call).error?.code, 'ERR_PACKET_CANCELLED');
      assert.equal(leased(service), 0);
      open();
    });

    test('a function call that is open when its call settles fails in the worker', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      await borrow.leaves(() => new Promise(() => undefined));
      assert.deepEqual(
        (await borrow.errors()).map(({ code, reason }) => [code, reason]),
        [['ERR_PACKET_LEASE_ENDED', 'settled']],
      );
    });

    test('a worker lends a function with its call of a function', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      let kept: ((n: number) => unknown) | undefined;
      const sum = await borrow.lendsBack(async (own) => {
        kept = own as (n: number) => unknown;
        return ((await kept(1)) as number) + ((await kept(10)) as number);
      });
      assert.equal(sum, 13);
      await assert.rejects(async () => await kept?.(1), { code: 'ERR_PACKET_LEASE_ENDED' });
    });

    test('a call that is refused for shared memory beside a function has moved nothing', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const given = [() => 1, new SharedArrayBuffer(8)];
      const picture = new Uint8Array(8);
      const { error } = await outcomeOf(service.proxy<Borrow>('borrow').back([move(picture), ...given]));
      assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(leased(service), 0);
      if (transport === 'thread') return;
      assert.equal(error.details.path, '$[0][2]');
      assert.equal(picture.length, 8);
    });

    test('where none can travel it is refused at the call, with its path', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const fn = (): number => 1;
      const bad: [unknown, string, RegExp][] = [
        [new Map([[fn, 1]]), '$[0].<entry 0>', /a function, as a key or member/],
        [{ set: new Set([fn]) }, '$[0].set.<member 0>', /a function, as a key or member/],
        [[fn, Symbol('s')], '$[0][1]', /a symbol/],
      ];
      for (const [value, path, reason] of bad) {
        const { error } = await outcomeOf(borrow.back(value));
        assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
        assert.equal(error.details.path, path);
        assert.match(error.message, reason);
        assert.equal(leased(service), 0);
      }
      // @ts-expect-error a result holds no function
      const { error } = await outcomeOf(borrow.result_());
      assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      await assert.rejects(service.workers.start('borrow', { key: 'k', options: { fn } }), {
        code: 'ERR_PACKET_NOT_ENCODABLE',
        message: /\$\.fn/,
      });
    });
  });

  describe(`signals as arguments, ${transport} lane`, () => {
    test('a signal is a live one in the worker, and its reason comes along', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const controller = new AbortController();
      const call = borrow.untilAborted(controller.signal, () => controller.abort(new RangeError('enough')));
      assert.equal(leased(service), 2);
      assert.equal(await call, 'true RangeError: enough');
      assert.equal(leased(service), 0);
    });

    test('one that fires before the call is sent, and one that has fired already, arrive fired', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      assert.equal(await borrow.untilAborted(AbortSignal.abort(new Error('before'))), 'true Error: before');
      const controller = new AbortController();
      const call = borrow.untilAborted(controller.signal);
      controller.abort();
      assert.equal(await call, 'true AbortError: This operation was aborted');
    });

    test('one that never fires keeps no listener when its call has settled', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const { signal } = new AbortController();
      let listening = 0;
      const { addEventListener, removeEventListener } = signal;
      signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listening++;
        addEventListener.apply(signal, args);
      };
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listening--;
        removeEventListener.apply(signal, args);
      };
      await outcomeOf(service.proxy<Borrow>('borrow').back([signal]));
      assert.equal(listening, 0);
      assert.equal(leased(service), 0);
    });
  });
}

test('an instance that dies gives back all it was lent, kept or not', async (t) => {
  const service = await startWorkers(t, 'lending');
  const borrow = service.proxy<Borrow>('borrow');
  await borrow.keep(() => 1);
  const call = outcomeOf(borrow.dies(() => assert.equal(leased(service), 2)));
  assert.equal((await call).error?.code, 'ERR_PACKET_WORKER_LOST');
  assert.equal(leased(service), 0);
});
