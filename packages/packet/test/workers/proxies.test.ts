import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SquaresProxy } from './fixtures/proxies/squares.proxy.ts';
import type { Squares } from './fixtures/proxies/squares.ts';
import { nextEvent, outcomeOf, startWorkers, TestOrigin } from './test-service.ts';

for (const transport of ['process', 'thread', 'inline'] as const) {
  describe(`a proxy of one's own, ${transport} lane`, () => {
    test('merges calls, answers from what it keeps, and lets the rest pass', async (t) => {
      const { proxy } = await startWorkers(t, 'proxies', { transport });
      const squares = proxy<Squares>('squares');
      assert.deepEqual(await Promise.all([2, 2, 2, 3].map((n) => squares.square(n))), [4, 4, 4, 9]);
      assert.equal(await squares.square(2), 4);
      assert.equal(await squares.asked(), 2);
    });

    test('sees asks as well, and their answers go where they belong', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'proxies', { transport });
      assert.deepEqual(await new TestOrigin(workers).ask('squares', 7), { answers: [49] });
      assert.equal(await proxy<Squares>('squares').asked(), 1);
    });

    test('that refuses or throws fails the one call', async (t) => {
      const { proxy, errors } = await startWorkers(t, 'proxies', { transport });
      const squares = proxy<Squares>('squares');
      for (const [n, reason] of [
        [13, 'unlucky'],
        [14, 'the hook broke'],
        [15, 'the reply hook broke'],
      ] as const) {
        const { error } = await outcomeOf(squares.square(n));
        assert.equal(error?.code, 'ERR_PACKET_CALLBACK');
        assert.equal((error.cause as Error).message, reason);
      }
      assert.equal(await squares.square(5), 25);
      assert.deepEqual(errors, []);
    });

    test('cannot keep a call from its deadline, and what it does later with it does nothing', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'proxies', { transport });
      const squares = proxy<Squares>('squares');
      const { error } = await outcomeOf(squares.$with({ deadlineMs: 20 }).hang());
      assert.equal(error?.code, 'ERR_PACKET_DEADLINE');
      const [held] = (squares.$proxy as SquaresProxy).held;
      assert.equal(held?.settled, true);
      held?.answer(1);
      held?.forward();
      assert.equal(workers.stats().unsettled, 0);
      assert.equal(await squares.asked(), 0);
    });

    test('that lets a call go on later lets it go on as it was made', async (t) => {
      const { proxy } = await startWorkers(t, 'proxies', { transport });
      const squares = proxy<Squares>('squares');
      const given = { n: 1 };
      const later = squares.later(given);
      given.n = 2;
      const [held] = (squares.$proxy as SquaresProxy).held;
      assert.deepEqual(held?.args, [{ n: 1 }]);
      held?.forward();
      assert.deepEqual(await later, { n: 1 });
      const { error } = await outcomeOf(squares.later({ n: Symbol('s') }));
      assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(error.details.path, '$[0].n');
    });

    test('that holds calls back when the worker is stopped loses them like any call that waits', async (t) => {
      const { proxy, workers } = await startWorkers(t, 'proxies', { transport });
      const squares = proxy<Squares>('squares');
      const held = outcomeOf(squares.$with({ deadlineMs: 0 }).hang());
      await workers.close(50);
      const { error } = await held;
      assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
      assert.equal(error.details.started, false);
    });
  });
}

test('a proxy hears of every instance that comes and goes', async (t) => {
  const { proxy, errors } = await startWorkers(t, 'proxies');
  const squares = proxy<Squares>('squares');
  const again = nextEvent('packet:worker.started');
  assert.equal((await outcomeOf(squares.exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
  await again;
  assert.deepEqual((squares.$proxy as SquaresProxy).log, ['started', 'exit', 'started']);
  assert.match(String(errors.at(-1)?.error), /exit hook failed later/);
});
