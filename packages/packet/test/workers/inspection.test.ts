import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PacketEvents } from '../../src/events.ts';
import type { Watched } from './fixtures/watch/watched.ts';
import { listen, nextEvent, outcomeOf, startWorkers } from './test-service.ts';

test('an inspection tells pools, instances, their calls and figures, as data that JSON carries', async (t) => {
  const { workers, proxy, pids } = await startWorkers(t, 'watch');
  const watched = proxy<Watched>('watched');
  await watched.echo(1);
  const stop = new AbortController();
  const staying = outcomeOf(watched.$with({ signal: stop.signal, deadlineMs: 60_000 }).untilCancelled());
  const inspection = await workers.inspect();
  assert.equal(inspection.unsettled, 1);
  const [pool] = inspection.pools;
  assert.deepEqual(
    [pool?.worker, pool?.transport, pool?.ready, pool?.ends.answered, pool?.methods.length],
    ['watched', 'process', 2, 1, 0],
  );
  assert.deepEqual(pool?.instances.map(({ pid }) => pid).sort(), [...pids].sort());
  for (const [index, instance] of (pool?.instances ?? []).entries()) {
    assert.deepEqual(
      [instance.index, instance.state, instance.restarts, instance.responsive],
      [index, 'ready', 0, true],
    );
    assert.ok(Number(instance.uptimeMs) > 0);
    assert.ok(Number(instance.rssBytes) > Number(instance.heapBytes) && Number(instance.heapBytes) > 1_000_000);
    assert.ok(Number(instance.loopUtilization) >= 0 && Number(instance.loopUtilization) <= 1);
  }
  const busy = pool?.instances.filter(({ running }) => running > 0) ?? [];
  assert.equal(busy.length, 1);
  const [call] = busy[0]?.calls ?? [];
  assert.deepEqual([call?.method, call?.settled], ['untilCancelled', false]);
  assert.ok(Number(call?.ageMs) >= Number(call?.runMs) && Number(call?.runMs) >= 0);
  assert.ok(Number(call?.deadlineInMs) > 0 && Number(call?.deadlineInMs) <= 60_000);
  assert.deepEqual(JSON.parse(JSON.stringify(inspection)).pools[0].worker, 'watched');
  stop.abort();
  assert.equal((await staying).error?.code, 'ERR_PACKET_CANCELLED');
  assert.equal((await workers.inspect()).pools[0]?.ends.cancelled, 1);
});

test('an instance that is blocked is told as one that does not answer, and holds nobody up', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'watch');
  const printed = nextEvent('packet:worker.output');
  const spinning = proxy<Watched>('watched').spin(2000);
  const { index } = await printed;
  const { pools } = await workers.inspect();
  const responsive = pools[0]?.instances.map((instance) => instance.responsive);
  assert.deepEqual(responsive, index === 0 ? [false, true] : [true, false]);
  await spinning;
  const later = await workers.inspect();
  assert.deepEqual(
    later.pools[0]?.instances.map((instance) => instance.responsive),
    [true, true],
  );
});

test('a parked instance is shown with what it died of', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'watch');
  const parked = nextEvent('packet:worker.parked');
  await proxy<Watched>('watched').exitLater();
  const { index } = await parked;
  const instance = (await workers.inspect()).pools[0]?.instances[index];
  assert.equal(instance?.state, 'parked');
  assert.match(String(instance?.error), /exited with code 3/);
  assert.deepEqual([instance?.pid, instance?.uptimeMs, instance?.running], [undefined, undefined, 0]);
});

test('times are recorded by method from the moment somebody asks for them', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'watch');
  const watched = proxy<Watched>('watched');
  await watched.echo('not counted');
  workers.recordTimes();
  for (let n = 0; n < 5; n++) await watched.echo(n);
  await outcomeOf(watched.fail());
  const methods = (await workers.inspect()).pools[0]?.methods ?? [];
  assert.deepEqual(
    methods.map(({ method, queue, run, total }) => [method, queue.count, run.count, total.count]),
    [
      ['echo', 5, 5, 5],
      ['fail', 1, 1, 1],
    ],
  );
  const [echo] = methods;
  assert.ok(Number(echo?.run.p50Ms) > 0 && Number(echo?.total.maxMs) >= Number(echo?.run.maxMs));
});

test('each call is told when it starts and when it settles, with how, and with its times', async (t) => {
  const events: unknown[] = [];
  const settled: PacketEvents['packet:call.settled'][] = [];
  t.after(
    listen('packet:call.started', ({ call, method, queueMs }) => events.push(['started', call, method, queueMs >= 0])),
  );
  t.after(
    listen('packet:call.settled', (event) => {
      settled.push(event);
      events.push(['settled', event.call, event.method, event.end]);
    }),
  );
  const { proxy } = await startWorkers(t, 'watch');
  const watched = proxy<Watched>('watched');
  await watched.echo(1);
  await outcomeOf(watched.fail());
  await outcomeOf(watched.echo(Symbol('s')));
  await outcomeOf(watched.exit());
  await outcomeOf(watched.$with({ deadlineMs: 20 }).untilCancelled());
  assert.deepEqual(events, [
    ['started', 1, 'echo', true],
    ['settled', 1, 'echo', 'answered'],
    ['started', 2, 'fail', true],
    ['settled', 2, 'fail', 'failed'],
    ['settled', 3, 'echo', 'refused'],
    ['started', 4, 'exit', true],
    ['settled', 4, 'exit', 'lost'],
    ['started', 5, 'untilCancelled', true],
    ['settled', 5, 'untilCancelled', 'deadline'],
  ]);
  const [answered, failed, refused, lost, late] = settled;
  assert.equal(answered?.error, undefined);
  assert.ok(Number(answered?.runMs) > 0 && Number(late?.runMs) > 10);
  assert.equal(refused?.runMs, undefined);
  assert.equal(failed?.error?.code, 'ERR_PACKET_WORKER_REMOTE');
  assert.ok(Number(lost?.pid) > 0);
});
