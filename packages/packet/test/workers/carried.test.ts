import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, describe, test } from 'node:test';
import { PacketError } from '../../src/errors.ts';
import { carry, currentTraceparent, withTraceparent } from '../../src/workers/index.ts';
import { stopCarrying, tenant } from './fixtures/carried/tracing.ts';
import type { Context } from './fixtures/carried/workers/context.ts';
import { nextEvent, outcomeOf, startWorkers, TestOrigin } from './test-service.ts';

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const setup = new URL('./fixtures/carried/tracing.js', import.meta.url);
after(stopCarrying);

for (const transport of ['process', 'inline'] as const) {
  describe(`what calls carry, ${transport} lane`, () => {
    test('a method runs in the trace and the storages of its caller, before and after it awaits', async (t) => {
      const { proxy } = await startWorkers(t, 'carried/workers', { transport, setup });
      const context = proxy<Context>('context');
      const object = { name: 'acme', since: new Date(0) };
      const carried = withTraceparent(TRACE, () =>
        tenant.run(object, () => Promise.all([context.seen(), context.seenLater()])),
      );
      // Made at the same time, outside.
      assert.deepEqual(await context.seenLater(), [undefined, undefined]);
      assert.deepEqual(await carried, [
        [TRACE, object],
        [TRACE, object],
      ]);
    });

    test('an ask carries too, and its answer is heard in what it was asked in', async (t) => {
      const { workers } = await startWorkers(t, 'carried/workers', { transport, setup });
      const heardIn: unknown[] = [];
      class Listening extends TestOrigin {
        override answered(...answer: Parameters<TestOrigin['answered']>): void {
          heardIn.push(currentTraceparent(), tenant.getStore());
          super.answered(...answer);
        }
      }
      const origin = new Listening(workers);
      const store = { name: 'acme' };
      const { answers } = await withTraceparent(TRACE, () => tenant.run(store, () => origin.ask('context', 1)));
      assert.deepEqual(answers, [[TRACE, store]]);
      assert.deepEqual(heardIn, [TRACE, store]);
      assert.equal(heardIn[1], store, 'the very object, not the copy that travelled');
    });

    test('a function lent to the call runs in what its owner ran in, and a worker passes on what it runs in', async (t) => {
      const { proxy } = await startWorkers(t, 'carried/workers', { transport, setup });
      const store = { name: 'acme' };
      const seenHere = (): unknown => [currentTraceparent(), tenant.getStore() === store];
      const other = TRACE.replace('-01', '-00');
      const passed = withTraceparent(TRACE, () =>
        tenant.run(store, () => proxy<Context>('context').pass(seenHere, other)),
      );
      assert.deepEqual(await passed, [
        [TRACE, true],
        [TRACE, store],
        [other, store],
      ]);
    });

    test('the worker gets what was there at the call, whatever becomes of it', async (t) => {
      const { proxy } = await startWorkers(t, 'carried/workers', { transport, setup });
      const store = { name: 'before' };
      const seen = tenant.run(store, () => proxy<Context>('context').seen());
      store.name = 'after';
      assert.deepEqual(await seen, [undefined, { name: 'before' }]);
    });
  });
}

test('the events of a call name its trace', async (t) => {
  const { proxy } = await startWorkers(t, 'carried/workers', { transport: 'inline', setup });
  const [started, settled] = [nextEvent('packet:call.started'), nextEvent('packet:call.settled')];
  await withTraceparent(TRACE, () => proxy<Context>('context').seen());
  assert.deepEqual([(await started).traceparent, (await settled).traceparent], [TRACE, TRACE]);
});

test('what cannot travel fails the call it would go with, and says where it is', async (t) => {
  const { proxy } = await startWorkers(t, 'carried/workers', { transport: 'inline', setup });
  const { error } = await tenant.run({ secret: () => 1 }, () => outcomeOf(proxy<Context>('context').seen()));
  assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
  assert.equal(error?.details.path, '$.tenant.secret');
  assert.deepEqual(await proxy<Context>('context').seen(), [undefined, undefined]);
});

test('what is no traceparent, no storage, or a name that is taken, is refused', () => {
  const code = (expected: string) => (error: unknown) => error instanceof PacketError && error.code === expected;
  for (const wrong of [
    '',
    '00-0-0-00',
    TRACE.toUpperCase(),
    TRACE.replace(/4bf9\w+/, '0'.repeat(32)),
    `ff${TRACE.slice(2)}`,
  ]) {
    assert.throws(() => withTraceparent(wrong, () => 1), code('ERR_PACKET_OPTION'), wrong);
  }
  assert.throws(() => carry('', tenant), code('ERR_PACKET_OPTION'));
  assert.throws(() => carry('x', {} as unknown as typeof tenant), code('ERR_PACKET_OPTION'));
  assert.throws(() => carry('tenant', new AsyncLocalStorage()), code('ERR_PACKET_STATE'));
  carry('tenant', tenant);
  assert.equal(withTraceparent(TRACE, currentTraceparent), TRACE);
  assert.equal(currentTraceparent(), undefined);
});
