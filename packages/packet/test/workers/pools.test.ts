import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import type { ChosenProxy } from './fixtures/pools/chosen.proxy.ts';
import type { Chosen } from './fixtures/pools/chosen.ts';
import type { Dropping } from './fixtures/pools/dropping.ts';
import type { Elastic } from './fixtures/pools/elastic.ts';
import type { Keys } from './fixtures/pools/keys.ts';
import type { Patient } from './fixtures/pools/patient.ts';
import type { Turns } from './fixtures/pools/turns.ts';
import { listen, nextEvent, outcomeOf, startWorkers, TestOrigin, type TestService } from './test-service.ts';

/** Calls that hold their instance until they are let go. */
function holder(service: TestService, name: string): { hold(): Promise<unknown>; letGo(which: number): void } {
  const calls: AbortController[] = [];
  return {
    hold() {
      const controller = new AbortController();
      calls.push(controller);
      return outcomeOf(service.proxy<Elastic>(name).$with({ signal: controller.signal, deadlineMs: 0 }).hold());
    },
    letGo: (which) => calls[which]?.abort(),
  };
}

function poolOf({ workers }: TestService) {
  const [pool] = workers.stats().pools;
  assert.ok(pool !== undefined);
  return pool;
}

for (const transport of ['process', 'inline'] as const) {
  describe(`the size of a pool, ${transport} lane`, () => {
    test('grows by one at a time while calls wait, up to its most, and shrinks to its least when it was idle', async (t) => {
      const clock = new ManualClock();
      const service = await startWorkers(t, 'pools', { transport, clock });
      await service.workers.start('elastic', {});
      assert.equal(poolOf(service).ready, 1, 'the start waits for the least, no more');
      const { hold, letGo } = holder(service, 'elastic');
      const held = [hold()];
      assert.equal(poolOf(service).booting, 0, 'no call waits yet');
      let up = nextEvent('packet:worker.started');
      held.push(hold(), hold(), hold());
      assert.deepEqual([poolOf(service).ready, poolOf(service).booting, poolOf(service).queued], [1, 1, 3]);
      assert.equal((await up).index, 1);
      up = nextEvent('packet:worker.started');
      assert.deepEqual([poolOf(service).ready, poolOf(service).booting, poolOf(service).queued], [2, 1, 2]);
      assert.equal((await up).index, 2);
      assert.deepEqual([poolOf(service).ready, poolOf(service).booting, poolOf(service).queued], [3, 0, 1]);
      // Of the three, the one in place 2 keeps its call; the waiting one takes the first place that gets free.
      letGo(3);
      letGo(0);
      letGo(1);
      await Promise.all([held[0], held[1], held[3]]);
      await released(service, 1);
      const gone: number[] = [];
      t.after(listen('packet:worker.exited', ({ index, lost }) => gone.push(index, lost)));
      clock.advance(999);
      const exits = [0, 1].map((place) => nextEvent('packet:worker.exited', ({ index }) => index === place));
      clock.advance(1);
      await Promise.all(exits);
      assert.deepEqual([...gone].sort(), [0, 0, 0, 1], 'places 0 and 1 ended, nothing was lost');
      assert.equal(poolOf(service).ready, 1, 'the one with work stays');
      letGo(2);
      await held[2];
      assert.equal(await service.proxy<Elastic>('elastic').index(), 2);
      clock.advance(1_000_000);
      assert.deepEqual([poolOf(service).ready, clock.pending], [1, 0], 'the least stays, and waits for nothing');
    });
  });

  describe(`pickers, ${transport} lane`, () => {
    test('in turn: each instance after the other, those that are busy passed over', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('turns', {});
      const turns = service.proxy<Turns>('turns');
      const order: number[] = [];
      for (let n = 0; n < 4; n++) order.push(await turns.index());
      assert.deepEqual(order, [0, 1, 2, 0]);
      const { hold, letGo } = holder(service, 'turns');
      const held = hold();
      assert.deepEqual([await turns.index(), await turns.index(), await turns.index()], [2, 0, 2]);
      letGo(0);
      await held;
    });

    test('by key: the same key goes to the same instance and waits for it, other calls pass', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('keys', {});
      const keys = service.proxy<Keys>('keys');
      const homes = new Map<string, number>();
      for (let n = 0; n < 30; n++) homes.set(`key ${n}`, await keys.$with({ pickKey: `key ${n}` }).index());
      assert.deepEqual([...new Set(homes.values())].sort(), [0, 1, 2]);
      for (const [pickKey, home] of homes) assert.equal(await keys.$with({ pickKey }).index(), home);
      const controller = new AbortController();
      const busy = outcomeOf(keys.$with({ pickKey: 'key 0', signal: controller.signal }).hold());
      const home = homes.get('key 0');
      const waiting = keys.$with({ pickKey: 'key 0' }).index();
      const later = keys.$with({ pickKey: 'key 0' }).index();
      const passing = [await keys.index(), await keys.index()];
      assert.equal(passing.includes(Number(home)), false);
      assert.equal(poolOf(service).queued, 2);
      controller.abort();
      await busy;
      assert.deepEqual(await Promise.all([waiting, later]), [home, home]);
    });

    test('the proxy chooses, of those that are free', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('chosen', {});
      const chosen = service.proxy<Chosen>('chosen');
      assert.equal(await chosen.$with({ pickKey: '2' }).index(), 2);
      assert.equal(await chosen.$with({ pickKey: '1' }).index(), 1);
      assert.equal(await chosen.index(), 0, 'undefined leaves it to the one with the fewest');
      for (const [pickKey, reason] of [
        ['throw', /the pick hook broke/],
        ['foreign', /it returned none of the instances/],
      ] as const) {
        const { error } = await outcomeOf(chosen.$with({ pickKey }).index());
        assert.equal(error?.code, 'ERR_PACKET_CALLBACK');
        assert.match(String(error.cause), reason);
      }
      const { seen } = chosen.$proxy as ChosenProxy;
      assert.deepEqual(seen[0], { request: { method: 'index', args: [], pickKey: '2' }, loads: [0, 0, 0] });
    });

    test('a key for a picker that uses none is refused', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('turns', {});
      const { error } = await outcomeOf(service.proxy<Turns>('turns').$with({ pickKey: 'k' }).index());
      assert.equal(error?.code, 'ERR_PACKET_OPTION');
      assert.throws(() => service.proxy<Turns>('turns').$with({ pickKey: 1 as never }), { code: 'ERR_PACKET_OPTION' });
    });
  });

  describe(`$broadcast, ${transport} lane`, () => {
    test('runs on every instance, busy ones included, and gives the results in the order of their places', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('turns', {});
      const turns = service.proxy<Turns>('turns');
      const { hold, letGo } = holder(service, 'turns');
      const held = hold();
      const told = { n: 1 };
      const all = turns.$broadcast.note(told);
      told.n = 2;
      assert.equal(poolOf(service).queued, 1, 'the busy one gets it afterwards');
      letGo(0);
      await held;
      assert.deepEqual(
        (await all).map((one) => one.status === 'fulfilled' && one.value),
        [0, 1, 2],
      );
      const notes = await turns.$broadcast.notes();
      for (const one of notes) assert.deepEqual(one, { status: 'fulfilled', value: [{ n: 1 }] });
      const [, refused, fine] = await turns.$broadcast.note(1);
      assert.equal(refused?.status === 'rejected' && refused.reason.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.equal(fine?.status, 'fulfilled');
      const late = await turns.$with({ deadlineMs: 20 }).$broadcast.hold();
      assert.deepEqual(
        late.map((one) => one.status === 'rejected' && one.reason.code),
        ['ERR_PACKET_DEADLINE', 'ERR_PACKET_DEADLINE', 'ERR_PACKET_DEADLINE'],
      );
    });

    test('to a worker that does not run, is stopped, or lacks the method fails as any call', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      const turns = service.proxy<Turns>('turns');
      await assert.rejects(turns.$broadcast.notes(), { code: 'ERR_PACKET_WORKER_UNKNOWN' });
      await service.workers.start('turns', {});
      const broadcast = turns.$broadcast as unknown as Record<string, () => Promise<unknown>>;
      await assert.rejects(async () => await broadcast.nothing?.(), { code: 'ERR_PACKET_WORKER_METHOD' });
      await service.workers.close(1000);
      await assert.rejects(turns.$broadcast.notes(), { code: 'ERR_PACKET_STOPPED' });
    });
  });

  describe(`full mailboxes, ${transport} lane`, () => {
    test('drop-oldest fails the call that waited longest, by count and by bytes', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('dropping', {});
      const dropping = service.proxy<Dropping>('dropping');
      assert.equal(poolOf(service).pressure, 0);
      const { hold, letGo } = holder(service, 'dropping');
      const held = hold();
      assert.equal(poolOf(service).pressure, 0.5);
      const calls = [1, 2, 3].map((n) => outcomeOf(dropping.echo(n)));
      const dropped = (await calls[0])?.error;
      assert.equal(dropped?.code, 'ERR_PACKET_OVERLOADED');
      assert.match(dropped.message, /waited longest and made room for a newer call: 2 calls waited, the most is 2$/);
      assert.deepEqual([poolOf(service).queued, poolOf(service).pressure], [2, 1]);
      calls.push(outcomeOf(dropping.echo('x'.repeat(2000))));
      assert.equal((await calls[1])?.error?.code, 'ERR_PACKET_OVERLOADED');
      calls.push(outcomeOf(dropping.echo('last')));
      assert.equal((await calls[3])?.error?.details.limit, 'bytes');
      letGo(0);
      await held;
      assert.deepEqual((await calls[2])?.error?.code, 'ERR_PACKET_OVERLOADED');
      assert.deepEqual((await calls[4])?.answers, ['last']);
    });

    test('wait: one call of each connection waits above the bound, the rest fail', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('patient', {});
      const { hold, letGo } = holder(service, 'patient');
      const held = hold();
      const patient = service.proxy<Patient>('patient');
      const within = [patient.echo(1), patient.echo(2)];
      assert.equal((await outcomeOf(patient.echo(3))).error?.code, 'ERR_PACKET_OVERLOADED');
      const [one, other] = [new TestOrigin(service.workers), new TestOrigin(service.workers)];
      const above = [one.ask('patient', 'one'), other.ask('patient', 'other')];
      assert.equal((await one.ask('patient', 'two')).error?.code, 'ERR_PACKET_OVERLOADED');
      assert.deepEqual([poolOf(service).queued, poolOf(service).pressure], [4, 1]);
      letGo(0);
      await held;
      assert.deepEqual(await Promise.all(within), [1, 2]);
      assert.deepEqual(
        (await Promise.all(above)).map(({ answers }) => answers),
        [['one'], ['other']],
      );
      const again = hold();
      for (let n = 0; n < 2; n++) void outcomeOf(patient.echo(n));
      const waits = one.ask('patient', 'three');
      letGo(1);
      await again;
      assert.deepEqual((await waits).answers, ['three'], 'it may again when its last one does not wait any more');
    });

    test('who awaits $room() first is let in by turn, and never refused', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('patient', {});
      const patient = service.proxy<Patient>('patient');
      const { hold, letGo } = holder(service, 'patient');
      const held = hold();
      const order: number[] = [];
      const polite = async (n: number): Promise<unknown> => {
        await patient.$room();
        order.push(n);
        return await patient.echo(n);
      };
      const calls = Array.from({ length: 20 }, (_, n) => polite(n));
      const controller = new AbortController();
      const gaveUp = outcomeOf(patient.$with({ signal: controller.signal }).$room());
      controller.abort();
      assert.equal((await gaveUp).error?.code, 'ERR_PACKET_CANCELLED');
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(order, [0, 1]);
      assert.equal((await outcomeOf(patient.echo('rude'))).error?.code, 'ERR_PACKET_OVERLOADED');
      letGo(0);
      await held;
      assert.deepEqual(
        await Promise.all(calls),
        Array.from({ length: 20 }, (_, n) => n),
      );
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
      await patient.$room();
      await patient.$room();
    });

    test('those who wait for room hear of the end', async (t) => {
      const service = await startWorkers(t, 'pools', { transport });
      await service.workers.start('patient', {});
      const patient = service.proxy<Patient>('patient');
      const { hold } = holder(service, 'patient');
      const lost = [hold(), outcomeOf(patient.echo(1)), outcomeOf(patient.echo(2))];
      const waiting = outcomeOf(patient.$room());
      await service.workers.close(0);
      assert.equal((await waiting).error?.code, 'ERR_PACKET_STOPPED');
      await Promise.all(lost);
      assert.equal((await outcomeOf(patient.$room())).error?.code, 'ERR_PACKET_STOPPED');
    });
  });
}

test('a broadcast misses who dies: its result says so, and who boots later does not get it', async (t) => {
  const service = await startWorkers(t, 'pools');
  await service.workers.start('turns', {});
  const turns = service.proxy<Turns>('turns');
  const again = nextEvent('packet:worker.started');
  const results = await turns.$broadcast.exitAt(1);
  assert.deepEqual(
    results.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code)),
    [0, 'ERR_PACKET_WORKER_LOST', 2],
  );
  await again;
  assert.equal((await turns.$broadcast.index()).length, 3);
});

test('by key: the keys of an instance that dies go to others, and nobody else moves', async (t) => {
  const service = await startWorkers(t, 'pools', {});
  await service.workers.start('keys', {});
  const keys = service.proxy<Keys>('keys');
  const names = Array.from({ length: 12 }, (_, n) => `key ${n}`);
  const pids = await Promise.all(names.map((pickKey) => keys.$with({ pickKey }).pid()));
  const [victim = 0] = pids;
  const again = nextEvent('packet:worker.started');
  const held = outcomeOf(keys.$with({ pickKey: 'key 0' }).hold());
  const waiting = keys.$with({ pickKey: 'key 0' }).pid();
  process.kill(victim, 'SIGKILL');
  assert.equal((await held).error?.code, 'ERR_PACKET_WORKER_LOST');
  assert.notEqual(await waiting, victim);
  await again;
  for (const [n, pickKey] of names.entries()) {
    if (pids[n] !== victim) assert.equal(await keys.$with({ pickKey }).pid(), pids[n]);
  }
});

/** Until that many instances have calls; one whose call was cancelled keeps it until the worker let go of it. */
async function released({ workers }: TestService, left: number): Promise<void> {
  for (;;) {
    const [pool] = (await workers.inspect()).pools;
    const busy = pool?.instances.filter(({ running }) => running > 0) ?? [];
    if (busy.length <= left) return;
  }
}
