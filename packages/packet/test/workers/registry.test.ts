import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BroadcastProxy, TypedProxy, WorkerProxies } from '@packet/core';
import type { Evaluate } from './fixtures/calls/evaluate.ts';
import type { Gate } from './fixtures/calls/gate.ts';
import { startWorkers } from './test-service.ts';

declare module '@packet/core' {
  interface WorkerRegistry {
    evaluate: Evaluate;
  }
}

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<T extends true>(holds: T): T {
  return holds;
}

test('a program declares its workers in @packet/core, and their methods are typed and async', async (t) => {
  const { workers } = await startWorkers(t, 'calls', { transport: 'inline' });
  const proxies = workers.proxies() as WorkerProxies;
  same<Same<WorkerProxies['evaluate'], TypedProxy<Evaluate>>>(true);
  same<Same<ReturnType<WorkerProxies['evaluate']['run']>, Promise<number>>>(true);
  same<Same<Parameters<WorkerProxies['evaluate']['run']>, [source: string]>>(true);
  assert.equal(await proxies.evaluate.run('1+1'), 2);
  assert.equal(await proxies.evaluate.$with({ deadlineMs: 5000 }).run('2+2'), 4);
  assert.equal(await proxies.$get<Gate>('gate').waits(), false);
});

test('a broadcast has the same methods, and a settled result of each instance', async (t) => {
  const { workers } = await startWorkers(t, 'calls', { transport: 'inline' });
  const { evaluate } = workers.proxies() as WorkerProxies;
  type Broadcast = (typeof evaluate)['$broadcast'];
  same<Same<Broadcast, BroadcastProxy<Evaluate>>>(true);
  same<Same<ReturnType<Broadcast['run']>, Promise<PromiseSettledResult<number>[]>>>(true);
  same<Same<Parameters<Broadcast['run']>, [source: string]>>(true);
  same<Same<ReturnType<(typeof evaluate)['$room']>, Promise<void>>>(true);
  assert.deepEqual(await evaluate.$with({ deadlineMs: 5000 }).$broadcast.run('1+1'), [
    { status: 'fulfilled', value: 2 },
    { status: 'fulfilled', value: 2 },
  ]);
  const refused = [
    // @ts-expect-error hooks are not methods
    () => evaluate.$broadcast.workerInit({}),
    // @ts-expect-error its argument is a string
    () => evaluate.$broadcast.run(1),
    // @ts-expect-error a broadcast has no options of its own
    () => evaluate.$broadcast.$with({}),
  ];
  for (const call of refused) await Promise.allSettled([(async () => await call())()]);
});

test('what a worker does not offer does not compile', async (t) => {
  const { workers } = await startWorkers(t, 'calls', { transport: 'inline' });
  const proxies = workers.proxies() as WorkerProxies;
  const refused = [
    // @ts-expect-error hooks are not methods
    () => proxies.evaluate.workerInit({}),
    // @ts-expect-error nor is what begins with an underscore
    () => proxies.evaluate._hidden(),
    // @ts-expect-error nor is there such a method
    () => proxies.evaluate.nothing(),
    // @ts-expect-error its argument is a string
    async () => assert.equal(await proxies.evaluate.run(1), 0),
  ];
  for (const call of refused) {
    await assert.rejects(
      async () => await call(),
      (error: Error & { code?: string }) => {
        return ['ERR_PACKET_WORKER_METHOD', 'ERR_PACKET_WORKER_REMOTE'].includes(String(error.code));
      },
    );
  }
});
