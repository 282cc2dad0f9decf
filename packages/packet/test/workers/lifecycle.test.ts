import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RoomProxy } from './fixtures/keyed/room.proxy.ts';
import type { Room } from './fixtures/keyed/room.ts';
import { isAlive, nextEvent, outcomeOf, startWorkers, type TestService } from './test-service.ts';

function room(service: TestService, key: string) {
  return service.proxy<Room>('room').$with({ key });
}

for (const transport of ['process', 'thread', 'inline'] as const) {
  describe(`starting and stopping, ${transport} lane`, () => {
    test('a worker without autoLoad starts on demand, with options, once per key', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      const { workers } = service;
      assert.deepEqual(workers.stats().pools, []);
      assert.equal((await outcomeOf(room(service, 'a').describe())).error?.code, 'ERR_PACKET_WORKER_UNKNOWN');
      await Promise.all([
        workers.start('room', { key: 'a', options: { topic: 'news' } }),
        workers.start('room', { key: 'b', options: { topic: 'weather' } }),
        workers.start('room', { options: { topic: 'no key' } }),
      ]);
      assert.equal(await room(service, 'a').describe(), 'a #0: news');
      assert.equal(await room(service, 'b').describe(), 'b #0: weather');
      assert.equal(await service.proxy<Room>('room').describe(), 'undefined #0: no key');
    });

    test('a second start of what runs, or is still starting, is refused and harms nothing', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      const starting = service.workers.start('room', { key: 'a', options: { topic: 'one' } });
      const refusal = { code: 'ERR_PACKET_WORKER_EXISTS', message: /worker "room" with key "a" runs already/ };
      await assert.rejects(service.workers.start('room', { key: 'a' }), refusal);
      await starting;
      await assert.rejects(service.workers.start('room', { key: 'a' }), refusal);
      assert.equal(await room(service, 'a').describe(), 'a #0: one');
    });

    test('stop lets calls finish, runs unbind, and refuses new calls meanwhile', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      const { workers } = service;
      await workers.start('room', { key: 'a' });
      const proxy = room(service, 'a').$proxy as RoomProxy;
      await room(service, 'a').sayAtEnd('good night');
      const calls = [room(service, 'a').slow(), room(service, 'a').slow()];
      const stopping = workers.stop('room', 'a');
      assert.equal((await outcomeOf(room(service, 'a').slow())).error?.code, 'ERR_PACKET_STOPPED');
      await stopping;
      assert.deepEqual(await Promise.all(calls), ['done', 'done']);
      assert.deepEqual(proxy.said, ['good night']);
      assert.equal((await outcomeOf(room(service, 'a').slow())).error?.code, 'ERR_PACKET_WORKER_UNKNOWN');
      await workers.stop('room', 'a');
      await workers.start('room', { key: 'a', options: { topic: 'again' } });
      assert.equal(await room(service, 'a').describe(), 'a #0: again');
    });

    test('start options that cannot travel are refused with their place', async (t) => {
      const { workers } = await startWorkers(t, 'keyed', { transport });
      await assert.rejects(workers.start('room', { options: { f: () => 1 } }), {
        code: 'ERR_PACKET_NOT_ENCODABLE',
        details: { path: '$.f' },
        message: /^worker "room" start, options: \$\.f cannot travel: a function here/,
      });
      await workers.start('room', {});
    });

    test('close cuts what is left after the grace, and every call settles', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      await service.workers.start('room', {});
      const calls = [1, 2, 3].map(() => outcomeOf(service.proxy<Room>('room').hang()));
      await service.workers.close(100);
      const outcomes = await Promise.all(calls);
      assert.deepEqual(
        outcomes.map(({ error }) => [error?.code, error?.details.started]),
        [
          ['ERR_PACKET_WORKER_LOST', true],
          ['ERR_PACKET_WORKER_LOST', false],
          ['ERR_PACKET_WORKER_LOST', false],
        ],
      );
      assert.equal(service.workers.stats().unsettled, 0);
    });

    test('an unbind that throws is reported, and the worker ends all the same', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      await service.workers.start('room', {});
      await service.proxy<Room>('room').sayAtEnd('throw');
      await service.workers.stop('room');
      assert.match(String(service.errors[0]?.error), /worker "room" \(instance 0\) ended: unbind failed/);
    });

    test('a second close shortens the grace of the first', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      await service.workers.start('room', {});
      const call = outcomeOf(service.proxy<Room>('room').hang());
      const slow = service.workers.close(86_400_000);
      await service.workers.close(0);
      await slow;
      assert.equal((await call).error?.code, 'ERR_PACKET_WORKER_LOST');
    });

    test('a second close that leaves time still lets calls finish', async (t) => {
      const service = await startWorkers(t, 'keyed', { transport });
      await service.workers.start('room', {});
      const calls = [1, 2, 3].map(() => service.proxy<Room>('room').slow());
      const slow = service.workers.close(86_400_000);
      await service.workers.close(60_000);
      await slow;
      assert.deepEqual(await Promise.all(calls), ['done', 'done', 'done']);
    });

    test('closing while a worker boots ends it too', async (t) => {
      const { workers, pids } = await startWorkers(t, 'keyed', { transport });
      const starting = outcomeOf(workers.start('room', {}));
      await workers.close(0);
      assert.equal((await starting).error?.code, 'ERR_PACKET_STOPPED');
      assert.deepEqual(pids, []);
    });
  });
}

test('signals to the whole group leave workers to their master', async (t) => {
  const service = await startWorkers(t, 'keyed');
  await service.workers.start('room', {});
  const pid = await service.proxy<Room>('room').pid();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
  assert.equal(await service.proxy<Room>('room').pid(), pid);
  const gone = nextEvent('packet:worker.exited');
  process.kill(pid, 'SIGKILL');
  assert.equal((await gone).signal, 'SIGKILL');
  assert.notEqual(await service.proxy<Room>('room').pid(), pid);
  assert.equal(isAlive(pid), false);
});

test('the proxy file hears what the worker sends by itself; without one it is reported once', async (t) => {
  const service = await startWorkers(t, 'calls', { transport: 'inline' });
  const evaluate = service.proxy<import('./fixtures/calls/evaluate.ts').Evaluate>('evaluate');
  await evaluate.tell('one');
  await evaluate.tell('two');
  assert.equal(service.errors.length, 1);
  assert.match(String(service.errors[0]?.error), /sends data by itself, and no evaluate\.proxy file receives it/);
});
