import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatestCell } from '../../src/workers/worker-cells.ts';
import type { ScanProxy } from './fixtures/cells/scan.proxy.ts';
import type { Scan } from './fixtures/cells/scan.ts';
import { LANES } from './lanes.ts';
import { nextEvent, outcomeOf, startWorkers } from './test-service.ts';

for (const transport of LANES) {
  describe(`status and result, ${transport} lane`, () => {
    test('who has the answer has the cells that were set before it; of many values the last one travelled', async (t) => {
      const { proxy, errors } = await startWorkers(t, 'cells', { transport });
      const scan = proxy<Scan>('scan');
      assert.equal(scan.$status.latest, undefined);
      assert.equal(await scan.run(1000), 1000);
      assert.deepEqual(scan.$status.latest, { done: 1000 });
      assert.deepEqual(scan.$status.values, new Map([[0, { done: 1000 }]]));
      assert.deepEqual(scan.$result.latest, ['a', 'b']);
      const { heard } = scan.$proxy as ScanProxy;
      assert.deepEqual(heard.slice(-2), [
        ['status', { done: 1000 }],
        ['result', ['a', 'b']],
      ]);
      // A machine that takes its time over the loop is told in between.
      assert.ok(heard.length < 100, `${heard.length} of 1000`);
      assert.deepEqual(
        errors.map(({ where }) => where),
        ['proxy of worker scan, result'],
      );
    });

    test('a cell holds what was set, not what became of it, and what cannot travel is refused where it is set', async (t) => {
      const { proxy } = await startWorkers(t, 'cells', { transport });
      const scan = proxy<Scan>('scan');
      await scan.changes();
      assert.deepEqual(scan.$status.latest, { done: 1 });
      const { error } = await outcomeOf(scan.cannot());
      assert.match(String(error?.message), /this\.status: \$\.done cannot travel: a symbol/);
      assert.deepEqual(scan.$status.latest, { done: 1 });
    });

    test('a value that only the lane would refuse is refused where it is set as well, and harms nobody', async (t) => {
      const { proxy, pids } = await startWorkers(t, 'cells', { transport });
      const scan = proxy<Scan>('scan');
      const started = pids.length;
      await scan.set(1);
      // 256 levels are the most of a frame, and the cell's own is one of them.
      await scan.setNested(254);
      const { error } = await outcomeOf(scan.setNested(255));
      assert.match(String(error?.message), /\$\.done\[0\].*nested deeper/);
      const shared = await outcomeOf(scan.setShared());
      if (transport === 'thread') assert.equal(shared.error, undefined);
      else assert.match(String(shared.error?.message), /\$\.done cannot travel: a SharedArrayBuffer/);
      await scan.set(2);
      assert.deepEqual(scan.$status.latest, { done: 2 });
      assert.equal(pids.length, started);
    });

    test('whoever watches sees the latest, and the end of the worker', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'cells', { transport });
      const scan = proxy<Scan>('scan');
      await scan.set(1);
      const watching = scan.$status.watch();
      assert.deepEqual(await watching.next(), { done: false, value: { done: 1 } });
      const next = watching.next();
      await scan.set(2);
      assert.deepEqual(await next, { done: false, value: { done: 2 } });
      await scan.set(3);
      await scan.set(4);
      const seen: number[] = [];
      const all = (async () => {
        for await (const { done } of watching) seen.push(done);
      })();
      await workers.stop('scan');
      await all;
      assert.deepEqual(seen, [4]);
    });
  });
}

test('a worker that computes without a pause is heard all the same', async (t) => {
  const { proxy } = await startWorkers(t, 'cells');
  const scan = proxy<Scan>('scan');
  const call = scan.computes(400);
  const first = await scan.$status.watch().next();
  const seenWhileRunning = first.value?.done ?? 0;
  const all = await call;
  assert.ok(seenWhileRunning > 0 && seenWhileRunning < all, `${seenWhileRunning} of ${all}`);
});

test('an instance that is gone has no value any more, and the latest stays', async (t) => {
  const { proxy } = await startWorkers(t, 'cells');
  const scan = proxy<Scan>('scan');
  await scan.set(5);
  const gone = nextEvent('packet:worker.exited');
  await outcomeOf(scan.exit());
  await gone;
  assert.equal(scan.$status.values.size, 0);
  assert.deepEqual(scan.$status.latest, { done: 5 });
});

test('a watcher that stops is forgotten, also while it waits', async () => {
  const cell = new LatestCell();
  const watching = cell.watch();
  const next = watching.next();
  assert.deepEqual(await watching.return?.(), { done: true, value: undefined });
  assert.deepEqual(await next, { done: true, value: undefined });
  cell.set(0, 'late');
  assert.deepEqual(await watching.next(), { done: true, value: undefined });
});
