import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PartsProxy } from './fixtures/parts/parts.proxy.ts';
import type { Parts } from './fixtures/parts/parts.ts';
import { nextEvent, outcomeOf, startWorkers } from './test-service.ts';

for (const transport of ['process', 'thread', 'inline'] as const) {
  describe(`what a proxy does with a call, ${transport} lane`, () => {
    test('a key it lets a call go on with decides the instance', async (t) => {
      const { proxy } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      const homes = new Map<string, unknown>();
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
        const [index] = (await parts.who('key', name)) as unknown[];
        homes.set(name, index);
        assert.deepEqual(await parts.$with({ pickKey: name }).who(), [index], 'the same as the caller’s own key');
      }
      assert.deepEqual([...new Set(homes.values())].sort(), [0, 1]);
      const { error } = await outcomeOf(parts.who('key', 7));
      assert.equal(error?.code, 'ERR_PACKET_OPTION');
    });

    test('parts go to the instances of their keys, are not shown to it again, and their answers are its own', async (t) => {
      const { proxy } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      const told = (await parts.who('parts', ...names)) as [index: number, name: string][];
      assert.deepEqual(
        told.map(([, name]) => name),
        names,
      );
      assert.deepEqual([...new Set(told.map(([index]) => index))].sort(), [0, 1]);
      const { seen, replies } = parts.$proxy as PartsProxy;
      assert.deepEqual([seen.length, replies], [1, []]);
      await assert.rejects(async () => await seen[0]?.part([]), { code: 'ERR_PACKET_STATE' });
    });

    test('a part that fails gives its caller the error, and ends the other parts with the call', async (t) => {
      const { proxy, workers, errors } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      const { error } = await outcomeOf(
        parts.fail.call(undefined, ...(['unheeded', 'one', 'two'] as unknown as [string])),
      );
      assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.equal((error.cause as Error).message, 'one');
      await parts.who('after the second');
      assert.equal(workers.stats().unsettled, 0);
      assert.deepEqual(errors, []);
    });

    test('an answer by the first part cancels those still under way', async (t) => {
      const { proxy } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      assert.equal(await (parts.first as (how: unknown) => Promise<unknown>)('race'), 'won');
      for (;;) {
        const counts = await parts.$broadcast.cancelled();
        if (counts.some((count) => count.status === 'fulfilled' && count.value === 1)) break;
      }
    });

    test('parts end at the deadline of their call', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      const late = parts.$with({ deadlineMs: 20 }).first as (...given: unknown[]) => Promise<unknown>;
      const { error } = await outcomeOf(late('parts', false, false));
      assert.equal(error?.code, 'ERR_PACKET_OPTION', 'a key is text');
      const { error: due } = await outcomeOf(late('parts', '', ''));
      assert.equal(due?.code, 'ERR_PACKET_DEADLINE');
      assert.equal(workers.stats().unsettled, 0);
    });

    test('a call with its proxy keeps no place that its parts could wait for', async (t) => {
      const { proxy } = await startWorkers(t, 'parts', { transport });
      const deep = proxy<Parts>('parts').deep as (...given: unknown[]) => Promise<unknown>;
      const [answer] = (await deep('parts', 'yes')) as unknown[][];
      assert.equal(answer?.[1], 'deep');
    });

    test('it hears of every failure of a call it was shown, and which call it was', async (t) => {
      const { proxy } = await startWorkers(t, 'parts', { transport });
      const parts = proxy<Parts>('parts');
      const { seen, failures } = parts.$proxy as PartsProxy;
      await outcomeOf(parts.fail('of the method'));
      await outcomeOf(parts.$with({ deadlineMs: 10 }).first(false));
      await outcomeOf(parts.$with({ signal: AbortSignal.timeout(10) }).first(false));
      await parts.who();
      assert.deepEqual(
        failures.map(([code, request]) => [code, seen.indexOf(request)]),
        [
          ['ERR_PACKET_WORKER_REMOTE', 0],
          ['ERR_PACKET_DEADLINE', 1],
          ['ERR_PACKET_CANCELLED', 2],
        ],
      );
    });
  });
}

test('parts lost with their instance fail with the loss', async (t) => {
  const { proxy } = await startWorkers(t, 'parts');
  const exit = proxy<Parts>('parts').exit as (...given: unknown[]) => Promise<unknown>;
  const again = nextEvent('packet:worker.started');
  const { error } = await outcomeOf(exit('parts', 'a'));
  assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
  await again;
});

test('a key for a worker whose instances are not chosen by key fails the call', async (t) => {
  const { proxy } = await startWorkers(t, 'parts-unkeyed');
  const { error } = await outcomeOf(proxy<Parts>('parts').who('key', 'a'));
  assert.equal(error?.code, 'ERR_PACKET_OPTION');
});
