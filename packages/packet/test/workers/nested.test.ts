import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PacketError } from '../../src/errors.ts';
import type { Back } from './fixtures/nested/back.ts';
import type { Front } from './fixtures/nested/front.ts';
import type { Ping } from './fixtures/nested/ping.ts';
import type { Stairs } from './fixtures/nested/stairs.ts';
import { LANES } from './lanes.ts';
import { nextEvent, outcomeOf, startWorkers, TestOrigin, type TestService } from './test-service.ts';

/** The error a worker's method failed with because its own call of another failed so. */
function inner(error: PacketError | undefined): PacketError {
  assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
  return error.cause as PacketError;
}

function unsettled(service: TestService, worker: string): number | undefined {
  return service.workers.stats().pools.find((pool) => pool.worker === worker)?.unsettled;
}

/** Waits until the worker `back` has begun a call that hangs. */
async function hangs(service: TestService): Promise<void> {
  while ((await service.proxy<Back>('back').hanging()) === 0);
}

for (const transport of LANES) {
  describe(`workers that call workers, ${transport} lane`, () => {
    test('a method is called by the same proxy, with real objects, and its answer comes back', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'nested', { transport });
      const front = proxy<Front>('front');
      assert.deepEqual(await Promise.all([1, 2, 3].map((n) => front.sum(n, 10))), [11, 12, 13]);
      const value = new Map([['k', { n: 1n, bytes: Buffer.alloc(100_000, 7) }]]);
      assert.deepEqual(await front.back(value), value);
      assert.deepEqual(await front.asks({ q: 1 }), { got: { q: 1 } });
      assert.equal(workers.stats().unsettled, 0);
    });

    test('the deadline of the call it is made for is the most it can have, also after an await among other calls', async (t) => {
      const { proxy } = await startWorkers(t, 'nested', { transport });
      const front = proxy<Front>('front');
      const calls = [5_000, 10_000, 0].map((deadlineMs) => front.$with({ deadlineMs }).left(60_000));
      const [short, long, none] = await Promise.all(calls);
      for (const left of short ?? []) assert.ok(left > 0 && left <= 5_000, `${left}`);
      for (const left of long ?? []) assert.ok(left > 5_000 && left <= 10_000, `${left}`);
      for (const left of none ?? []) assert.ok(left > 10_000 && left <= 60_000, `${left}`);
      // Else its own, of its class or of the call.
      const [own] = await front.$with({ deadlineMs: 0 }).left();
      assert.ok(own > 10_000 && own <= 30_000);
      const [less] = await front.$with({ deadlineMs: 5_000 }).left(1_000);
      assert.ok(less > 0 && less <= 1_000);
    });

    for (const method of ['hang', 'hangLater'] as const) {
      test(`what the caller gives up is given up all the way down (${method})`, async (t) => {
        const service = await startWorkers(t, 'nested', { transport });
        const front = service.proxy<Front>('front');
        const giveUp = new AbortController();
        const call = outcomeOf(front.$with({ signal: giveUp.signal })[method]());
        await hangs(service);
        giveUp.abort();
        assert.equal((await call).error?.code, 'ERR_PACKET_CANCELLED');
        assert.equal(unsettled(service, 'back'), 0);
        assert.equal(await service.proxy<Back>('back').aborted(), 1);
      });
    }

    test('a connection that is gone takes along what workers do for it', async (t) => {
      const service = await startWorkers(t, 'nested', { transport });
      const origin = new TestOrigin(service.workers);
      const call = outcomeOf(service.proxy<Front>('front', origin).hang());
      await hangs(service);
      service.workers.originClosed(origin);
      assert.equal((await call).error?.code, 'ERR_PACKET_CANCELLED');
      assert.equal(await service.proxy<Back>('back').aborted(), 1);
    });

    test('a call goes on when the method that made it has answered', async (t) => {
      const service = await startWorkers(t, 'nested', { transport });
      const front = service.proxy<Front>('front');
      await front.leaves();
      await hangs(service);
      assert.equal(unsettled(service, 'back'), 1);
      await service.workers.stop('back');
      await assert.doesNotReject(async () => {
        while ((await front.said()).length === 0);
      });
    });

    test('a worker gives up its own call by a signal', async (t) => {
      const service = await startWorkers(t, 'nested', { transport });
      assert.equal(await service.proxy<Front>('front').givesUp(), 'ERR_PACKET_CANCELLED');
      assert.equal(unsettled(service, 'back'), 0);
    });

    test('errors keep code and cause on the way back', async (t) => {
      const { proxy } = await startWorkers(t, 'nested', { transport });
      const front = proxy<Front>('front');
      assert.deepEqual(await front.tells('fail'), {
        code: 'ERR_PACKET_WORKER_REMOTE',
        signal: undefined,
        exitCode: undefined,
        cause: 'RangeError: the back fails',
      });
    });

    test('unknown workers and methods, and what cannot travel, are refused where they are called', async (t) => {
      const { proxy } = await startWorkers(t, 'nested', { transport });
      const front = proxy<Front>('front');
      const nobody = inner((await outcomeOf(front.nobody())).error);
      assert.equal(nobody.code, 'ERR_PACKET_WORKER_UNKNOWN');
      assert.match(nobody.message, /known are back, front, ping, pong, stairs/);
      assert.equal(((await front.tells('nothing')) as { code: string }).code, 'ERR_PACKET_WORKER_METHOD');
      const cannot = inner((await outcomeOf(front.cannot())).error);
      assert.equal(cannot.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(cannot.details.path, '$[0].bad');
      assert.match(cannot.message, /^\$\[0\]\.bad cannot travel/);
      assert.equal(inner((await outcomeOf(front.proxyOfBack())).error).code, 'ERR_PACKET_UNSUPPORTED');
    });

    test('a call to a worker that is stopped says so', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'nested', { transport });
      await workers.stop('back');
      const { error } = await outcomeOf(proxy<Front>('front').sum(1, 2));
      assert.equal(inner(error).code, 'ERR_PACKET_WORKER_UNKNOWN');
    });

    test('functions and signals are lent on, and of its own', async (t) => {
      const service = await startWorkers(t, 'nested', { transport });
      const front = service.proxy<Front>('front');
      assert.equal(await front.passesOn((n) => n * 10), 30);
      assert.deepEqual(await front.ownFunction(), [300, [1, 2]]);
      const controller = new AbortController();
      const call = front.passesSignal(controller.signal);
      controller.abort(new Error('from the top'));
      assert.equal(await call, 'from the top');
      await front.ownKept();
      assert.deepEqual(await service.proxy<Back>('back').useKept(1), ['front', 1]);
      assert.equal(service.workers.stats().pools.find((pool) => pool.worker === 'back')?.leased, 1);
      assert.equal(service.workers.stats().pools.find((pool) => pool.worker === 'front')?.leased, 0);
    });

    test('a call that could only wait for itself is refused at once, with the chain', async (t) => {
      const { proxy } = await startWorkers(t, 'nested', { transport });
      const ping = proxy<Ping>('ping');
      assert.equal(await ping.to(1), 1);
      const self = inner((await outcomeOf(ping.self())).error);
      assert.equal(self.code, 'ERR_PACKET_CALL_CYCLE');
      assert.deepEqual([self.details.chain, self.details.reason], ['ping.self → ping.to', 'deadlock']);
      const round = inner(inner((await outcomeOf(ping.to(2))).error));
      assert.equal(round.code, 'ERR_PACKET_CALL_CYCLE');
      assert.equal(round.details.chain, 'ping.to → pong.to → ping.to');
      assert.equal(await ping.to(0), 0);
    });

    test('a worker with room for it may call itself, but not without end', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'nested', { transport });
      const stairs = proxy<Stairs>('stairs');
      assert.equal(await stairs.down(20), 20);
      const { error } = await outcomeOf(stairs.down(60));
      assert.match(String(error?.message), /stairs\.down was refused: no more than 32 calls may wait for one another/);
      assert.equal(workers.stats().unsettled, 0);
    });
  });
}

describe('losses between workers', () => {
  test('the worker that is called dies: the caller hears how', async (t) => {
    const { proxy } = await startWorkers(t, 'nested');
    assert.deepEqual(await proxy<Front>('front').tells('exit'), {
      code: 'ERR_PACKET_WORKER_LOST',
      signal: undefined,
      exitCode: 6,
      cause: undefined,
    });
    assert.equal(await proxy<Front>('front').sum(1, 2), 3);
  });

  test('the worker that calls dies: what it had others do is cancelled', async (t) => {
    const service = await startWorkers(t, 'nested');
    const gone = nextEvent('packet:worker.exited', ({ worker }) => worker === 'front');
    await service.proxy<Front>('front').exit();
    await gone;
    assert.equal(unsettled(service, 'back'), 0);
    assert.equal(await service.proxy<Back>('back').aborted(), 1);
  });
});
