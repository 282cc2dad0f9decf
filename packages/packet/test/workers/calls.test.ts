import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scaled } from '@packet/testing';
import { PacketError } from '../../src/errors.ts';
import type { Evaluate } from './fixtures/calls/evaluate.ts';
import type { Gate } from './fixtures/calls/gate.ts';
import type { Single } from './fixtures/calls/single.ts';
import { listen, nextEvent, outcomeOf, startWorkers, TestOrigin } from './test-service.ts';

for (const transport of ['process', 'thread', 'inline'] as const) {
  describe(`calls, ${transport} lane`, () => {
    test('of 200 connections that ask much at once each hears its own answers, in order', async (t) => {
      const { workers } = await startWorkers(t, 'calls', { transport });
      const each = scaled(500, 5);
      const origins = Array.from({ length: 200 }, () => new TestOrigin(workers));
      const asked: Promise<unknown>[] = [];
      for (let n = 0; n < each; n++) {
        for (const origin of origins) asked.push(origin.ask('evaluate', { source: `${origin.id}+${n}` }));
      }
      await Promise.all(asked);
      for (const origin of origins) {
        // Two instances answer, so the order among answers is the worker's; each answer belongs to its own ask.
        assert.equal(origin.heard.length, each);
        assert.deepEqual(
          origin.heard.map(({ value }) => Number(value) - origin.id).sort((a, b) => a - b),
          Array.from({ length: each }, (_, n) => n),
        );
        assert.deepEqual([origin.begun, origin.settled], [each, each]);
      }
    });

    test('one instance that takes one call at a time answers in the order of the calls', async (t) => {
      const { workers, proxy } = await startWorkers(t, 'calls', { transport });
      assert.equal(await proxy<Single>('one').note('first'), 'first');
      const order: unknown[] = [];
      await Promise.all([1, 2, 3].map(async (n) => order.push(await proxy<Single>('one').note(n))));
      assert.deepEqual(order, [1, 2, 3]);
      assert.equal(workers.stats().unsettled, 0);
    });

    test('an ask hears any number of replies and then the returned value', async (t) => {
      const { workers } = await startWorkers(t, 'calls', { transport });
      const origin = new TestOrigin(workers);
      const outcome = await origin.ask('evaluate', { source: '1+1', replies: ['a', new Map([[1n, 'b']])] });
      assert.deepEqual(outcome, { answers: ['a', new Map([[1n, 'b']]), 2] });
      assert.deepEqual(
        origin.heard.map(({ last }) => last),
        [false, false, true],
      );
    });

    test('a Map of Dates and BigInts with a cycle, and a long string, come back unharmed', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const value = new Map<unknown, unknown>([
        ['at', new Date(1_234_567_890_123)],
        ['big', 2n ** 70n],
        [{ an: 'object' }, new Set([1, 'two'])],
      ]);
      value.set('self', value);
      const back = (await proxy<Evaluate>('evaluate').back(value)) as typeof value;
      assert.deepEqual(back, value);
      assert.equal(back.get('self'), back);
      const text = 'ä€x'.repeat(scaled(50_000_000) / 3);
      assert.equal(await proxy<Evaluate>('evaluate').back(text), text);
    });

    test('what cannot travel fails its own call only, and says where it is', async (t) => {
      const { workers, proxy, errors } = await startWorkers(t, 'calls', { transport });
      const evaluate = proxy<Evaluate>('evaluate');
      const hostile = new Proxy({}, {});
      const bad: [unknown, string][] = [
        [new Map([[() => 1, 1]]), '$[0].<entry 0>'],
        [{ list: [1, Promise.resolve(1)] }, '$[0].list[1]'],
        [[hostile], '$[0][0]'],
        [Symbol('s'), '$[0]'],
      ];
      const origin = new TestOrigin(workers);
      const calls = bad.map(([value]) => outcomeOf(evaluate.back(value)));
      const neighbours = Promise.all([evaluate.run('1+2'), origin.ask('evaluate', { source: '3+4' })]);
      for (const [index, outcome] of (await Promise.all(calls)).entries()) {
        assert.equal(outcome.error?.code, 'ERR_PACKET_NOT_ENCODABLE');
        assert.equal(outcome.error.details.path, bad[index]?.[1]);
      }
      assert.equal((await origin.ask('evaluate', hostile)).error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.deepEqual(await neighbours, [3, { answers: [7] }]);
      assert.deepEqual(errors, []);
    });

    test('a result that cannot travel fails its own call only', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const evaluate = proxy<Evaluate>('evaluate');
      const [func, promise, fine] = await Promise.all([
        // @ts-expect-error its result is a function
        outcomeOf(evaluate.what()),
        // @ts-expect-error its result holds a promise
        outcomeOf(evaluate.promised()),
        evaluate.run('1+1'),
      ]);
      assert.equal(func.error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(promise.error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(promise.error.details.path, '$.inner');
      assert.equal(fine, 2);
    });

    test('what the caller changes after the call does not change what is sent, waiting calls included', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const one = proxy<Single>('one');
      const sent = { n: 1 };
      const waiting = { n: 1 };
      const calls = [one.note(sent), one.note(waiting)];
      sent.n = 2;
      waiting.n = 2;
      assert.deepEqual(await Promise.all(calls), [{ n: 1 }, { n: 1 }]);
    });

    test('answers for a connection that is gone are dropped and counted, and its calls are cancelled', async (t) => {
      const { workers, proxy } = await startWorkers(t, 'calls', { transport });
      const origin = new TestOrigin(workers);
      void origin.ask('gate', 'late');
      const bound = outcomeOf(proxy<Evaluate>('evaluate', origin).run('1+1'));
      const late = nextEvent('packet:worker.late');
      assert.equal(await proxy<Gate>('gate').waits(), true);
      await bound;
      const cancelled = outcomeOf(proxy<Gate>('gate', origin).through('never'));
      workers.originClosed(origin);
      assert.equal((await cancelled).error?.code, 'ERR_PACKET_CANCELLED');
      await proxy<Gate>('gate').open();
      assert.deepEqual(await late, { worker: 'gate', kind: 'origin-gone', count: 1 });
      assert.deepEqual(origin.heard, []);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      assert.deepEqual([origin.begun, origin.settled], [3, 3]);
      assert.equal(workers.stats().pools.find((pool) => pool.worker === 'gate')?.lateOriginGone, 1);
      const { error } = await outcomeOf(proxy<Evaluate>('evaluate', origin).run('1+1'));
      assert.equal(error?.code, 'ERR_PACKET_CANCELLED');
    });

    test('an answer after the deadline is dropped and counted as settled', async (t) => {
      const { workers, proxy } = await startWorkers(t, 'calls', { transport });
      const gate = proxy<Gate>('gate');
      const late = nextEvent('packet:worker.late');
      const call = outcomeOf(gate.$with({ deadlineMs: 200 }).through('x'));
      assert.equal(await gate.waits(), true);
      assert.equal((await call).error?.code, 'ERR_PACKET_DEADLINE');
      await gate.open();
      assert.deepEqual(await late, { worker: 'gate', kind: 'settled', count: 1 });
      assert.equal(workers.stats().pools.find((pool) => pool.worker === 'gate')?.lateSettled, 1);
    });

    test('each call goes to the instance with the fewest', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const evaluate = proxy<Evaluate>('evaluate');
      const indexes = await Promise.all([1, 2, 3, 4].map(() => evaluate.index()));
      assert.deepEqual(indexes.sort(), [0, 0, 1, 1]);
    });

    test('callSettled comes after the code that awaited the promise', async (t) => {
      const { workers, proxy } = await startWorkers(t, 'calls', { transport });
      const origin = new TestOrigin(workers);
      const work = async (): Promise<number> => {
        const value = await proxy<Evaluate>('evaluate', origin).run('2+2');
        await null;
        assert.equal(origin.settled, 0);
        return value;
      };
      assert.equal(await work(), 4);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      assert.equal(origin.settled, 1);
    });

    test('the deadline travels: the method sees what is left of it', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const evaluate = proxy<Evaluate>('evaluate');
      const left = await evaluate.$with({ deadlineMs: 60_000 }).left();
      assert.ok(left > 0 && left <= 60_000);
      assert.equal(await evaluate.$with({ deadlineMs: 0 }).left(), Number.POSITIVE_INFINITY);
    });

    test('currentCall is refused once the method has awaited', async (t) => {
      const { proxy } = await startWorkers(t, 'calls', { transport });
      const { error } = await outcomeOf(proxy<Evaluate>('evaluate').lateCall());
      assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.equal((error.cause as PacketError).code, 'ERR_PACKET_STATE');
    });
  });
}

describe('mailbox and cancel', () => {
  test('a call that waits is cancelled without the worker ever seeing it', async (t) => {
    const { proxy, workers } = await startWorkers(t, 'calls');
    const one = proxy<Single>('one');
    const first = outcomeOf(one.$with({ deadlineMs: 300 }).slow('first'));
    const giveUp = new AbortController();
    const second = outcomeOf(one.$with({ signal: giveUp.signal }).slow('second'));
    const origin = new TestOrigin(workers);
    const third = origin.ask('one', 'third');
    giveUp.abort(new Error('no more'));
    third.ask.cancel();
    third.ask.cancel();
    const { error } = await second;
    assert.equal(error?.code, 'ERR_PACKET_CANCELLED');
    assert.equal(error.details.started, false);
    assert.equal((error.cause as Error).message, 'no more');
    assert.equal((await third).error?.code, 'ERR_PACKET_CANCELLED');
    assert.equal((await first).error?.code, 'ERR_PACKET_DEADLINE');
    assert.deepEqual(await one.log(), ['first']);
  });

  test('a call that runs is cancelled through its signal, and its worker stays', async (t) => {
    const { proxy } = await startWorkers(t, 'calls');
    const one = proxy<Single>('one');
    const pid = await one.pid();
    const giveUp = new AbortController();
    const call = outcomeOf(one.$with({ signal: giveUp.signal }).slow('running'));
    giveUp.abort();
    assert.equal((await call).error?.code, 'ERR_PACKET_CANCELLED');
    assert.equal(await one.pid(), pid);
  });

  test('a signal that is aborted already lets no call begin', async (t) => {
    const { proxy } = await startWorkers(t, 'calls');
    const one = proxy<Single>('one').$with({ signal: AbortSignal.abort() });
    assert.equal((await outcomeOf(one.slow('never'))).error?.code, 'ERR_PACKET_CANCELLED');
    assert.deepEqual(await proxy<Single>('one').log(), []);
  });

  test('a full mailbox refuses by count, and by bytes but for one call of any size', async (t) => {
    const { proxy, workers } = await startWorkers(t, 'calls');
    const one = proxy<Single>('one');
    const shortly = one.$with({ deadlineMs: 300 });
    const running = outcomeOf(shortly.slow('running'));
    const waiting = [one.note(1), one.note(2)];
    const refused = await outcomeOf(one.note(3));
    assert.equal(refused.error?.code, 'ERR_PACKET_OVERLOADED');
    assert.deepEqual([refused.error.details.limit, refused.error.details.most], ['calls', 2]);
    assert.equal(workers.stats().pools.find((pool) => pool.worker === 'one')?.queued, 2);
    await running;
    assert.deepEqual(await Promise.all(waiting), [1, 2]);
    const again = outcomeOf(shortly.slow('running'));
    const large = one.note('x'.repeat(5000));
    const second = await outcomeOf(one.note('y'));
    assert.equal(second.error?.code, 'ERR_PACKET_OVERLOADED');
    assert.equal(second.error.details.limit, 'bytes');
    await again;
    assert.equal(await large, 'x'.repeat(5000));
  });

  test('calls not begun are answered by the next instance when theirs dies', async (t) => {
    const { proxy } = await startWorkers(t, 'calls');
    const one = proxy<Single>('one');
    const dying = outcomeOf(one.exit());
    const waiting = [one.note('a'), one.note('b')];
    const { error } = await dying;
    assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
    assert.equal(error.details.exitCode, 5);
    assert.deepEqual(await Promise.all(waiting), ['a', 'b']);
  });
});

describe('unknown things', () => {
  test('an unknown worker is refused at once, naming those there are', async (t) => {
    const { workers } = await startWorkers(t, 'calls', { transport: 'inline' });
    const proxies = workers.proxies() as Record<string, unknown>;
    const refusal = { code: 'ERR_PACKET_WORKER_UNKNOWN', message: /"nobody"; known are evaluate, gate, one/ };
    assert.throws(() => proxies.nobody, refusal);
    assert.throws(() => new TestOrigin(workers).ask('nobody', 1), refusal);
    await assert.rejects(workers.start('nobody', {}), refusal);
    await assert.rejects(workers.stop('nobody'), refusal);
  });

  test('an unknown method is refused by name, and the hidden ones are unknown', async (t) => {
    const { proxy } = await startWorkers(t, 'calls', { transport: 'inline' });
    const evaluate = proxy<Evaluate>('evaluate') as unknown as Record<string, () => Promise<unknown>>;
    for (const name of ['nope', '_hidden', 'workerInit', 'sendData', 'unbind']) {
      await assert.rejects(async () => await evaluate[name]?.(), {
        code: 'ERR_PACKET_WORKER_METHOD',
        message: new RegExp(`no method "${name}"; it has: .*run`),
      });
    }
  });

  test('askWorker to a worker without receiveData is refused', async (t) => {
    const { workers } = await startWorkers(t, 'calls', { transport: 'inline' });
    const { error } = await new TestOrigin(workers).ask('one', 1);
    assert.equal(error?.code, 'ERR_PACKET_WORKER_METHOD');
  });

  test('proxies can be awaited, printed and compared like any object', async (t) => {
    const { workers, proxy } = await startWorkers(t, 'calls', { transport: 'inline' });
    const evaluate = proxy<Evaluate>('evaluate');
    assert.equal(await evaluate, evaluate);
    assert.equal(typeof String(evaluate), 'string');
    assert.deepEqual(Object.keys(evaluate).includes('run'), true);
    const all = workers.proxies();
    assert.equal(await all, all);
    assert.equal(Reflect.get(all, 'evaluate'), Reflect.get(all, 'evaluate'));
  });

  test('wrong call options throw at the call and name option, bounds and value', async (t) => {
    const { workers, proxy } = await startWorkers(t, 'calls', { transport: 'inline' });
    const evaluate = proxy<Evaluate>('evaluate');
    assert.throws(() => evaluate.$with({ deadlineMs: -1 }), {
      code: 'ERR_PACKET_OPTION',
      message: /deadlineMs must be an integer in 1\.\.86400000 \(ms\) or 0 for off, got -1/,
    });
    assert.throws(() => evaluate.$with({ deadlineMS: 1 } as object), {
      code: 'ERR_PACKET_OPTION',
      message: 'worker "evaluate" call: unknown option "deadlineMS"; known options: deadlineMs, key, pickKey, signal',
      details: { option: 'deadlineMS' },
    });
    assert.throws(() => new TestOrigin(workers).ask('evaluate', 1, { deadlineMs: 1.5 }), { code: 'ERR_PACKET_OPTION' });
    assert.throws(() => new TestOrigin(workers).ask('evaluate', 1, { wait: 1 } as object), {
      code: 'ERR_PACKET_OPTION',
      message: /wait/,
    });
    const { signal } = new AbortController();
    assert.throws(() => new TestOrigin(workers).ask('evaluate', 1, { signal } as object), {
      code: 'ERR_PACKET_OPTION',
      message: 'worker "evaluate" call: unknown option "signal"; known options: deadlineMs, key, pickKey',
    });
  });
});

test('calls to workers that are stopped say so', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'calls', { transport: 'inline' });
  const evaluate = proxy<Evaluate>('evaluate');
  assert.equal(await evaluate.run('1+1'), 2);
  await workers.stop('evaluate');
  assert.equal((await outcomeOf(evaluate.run('1+1'))).error?.code, 'ERR_PACKET_WORKER_UNKNOWN');
  await workers.start('evaluate', {});
  assert.equal(await evaluate.run('1+1'), 2);
  await workers.close(100);
  const { error } = await outcomeOf(evaluate.run('1+1'));
  assert.ok(error instanceof PacketError);
  assert.equal(error.code, 'ERR_PACKET_STOPPED');
  await assert.rejects(workers.start('evaluate', {}), { code: 'ERR_PACKET_STOPPED' });
});

test('what a worker prints is told to subscribers, and the end of stderr to the callers of a lost call', async (t) => {
  const texts: string[] = [];
  t.after(listen('packet:worker.output', ({ text }) => texts.push(text)));
  const { proxy } = await startWorkers(t, 'output');
  const { error } = await outcomeOf(proxy<import('./fixtures/output/talker.ts').Talker>('talker').dieTalking('ouch'));
  assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
  assert.match(String(error.details.stderr), /ouch/);
  assert.match(texts.join(''), /to stdout: ouch/);
});
