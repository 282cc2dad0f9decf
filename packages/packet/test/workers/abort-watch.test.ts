import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { whenAborted } from '../../src/workers/abort-watch.ts';
import type { Borrow } from './fixtures/lending/borrow.ts';
import { LANES } from './lanes.ts';
import { outcomeOf, startWorkers } from './test-service.ts';

const MANY = 30;

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

test('all who wait for a signal share one listener, which is gone when nobody waits', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const called: string[] = [];
  const same = (): void => void called.push('same');
  const stops = [whenAborted(signal, same), whenAborted(signal, same)];
  assert.equal(listenersOf(signal), 1);
  for (const stop of stops) stop();
  assert.equal(listenersOf(signal), 0);

  whenAborted(signal, () => {
    called.push('first');
    stopLast();
  });
  const stopLast = whenAborted(signal, () => void called.push('last'));
  for (const stop of stops) stop();
  assert.equal(listenersOf(signal), 1);
  controller.abort();
  assert.deepEqual(called, ['first']);
  assert.equal(listenersOf(signal), 0);
  whenAborted(signal, same)();
  assert.deepEqual([called, listenersOf(signal)], [['first'], 0]);
});

for (const transport of LANES) {
  describe(`one signal for many calls, ${transport} lane`, () => {
    test('of which it has one listener, and none when they have settled', async (t) => {
      const warnings: Error[] = [];
      const warned = (warning: Error): void => void warnings.push(warning);
      process.on('warning', warned);
      t.after(() => process.off('warning', warned));
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const { signal } = new AbortController();
      const calls = Array.from({ length: MANY }, () => borrow.$with({ signal }).map([1], (item) => item));
      assert.equal(listenersOf(signal), 1);
      await Promise.all(calls);
      assert.equal(listenersOf(signal), 0);
      await Promise.all(Array.from({ length: MANY }, () => borrow.$with({ signal }).$room()));
      assert.equal(listenersOf(signal), 0);
      // Warnings are told of in a turn of their own.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(warnings, []);
    });

    test('all of which it cancels', async (t) => {
      const service = await startWorkers(t, 'lending', { transport });
      const borrow = service.proxy<Borrow>('borrow');
      const controller = new AbortController();
      const { signal } = controller;
      const calls = Array.from({ length: MANY }, () => outcomeOf(borrow.$with({ signal }).untilAborted(signal)));
      assert.equal(listenersOf(signal), 1);
      controller.abort();
      for (const { error } of await Promise.all(calls)) assert.equal(error?.code, 'ERR_PACKET_CANCELLED');
      assert.equal(listenersOf(signal), 0);
    });
  });
}
