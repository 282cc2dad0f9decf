import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../src/clock.ts';
import type { Boots } from './fixtures/boot/boots.ts';
import type { Pair } from './fixtures/boot/pair.ts';
import type { Misbehave } from './fixtures/settle/misbehave.ts';
import { listen, nextEvent, outcomeOf, startWorkers } from './test-service.ts';

function flagFile(t: TestContext): { flag: string; spoil(): void; repair(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'packet-boot-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const flag = join(folder, 'bad');
  return { flag, spoil: () => writeFileSync(flag, ''), repair: () => rmSync(flag) };
}

describe('restarts', () => {
  test('the first is immediate, each further one waits longer, then the worker is parked, and a start revives it', async (t) => {
    const clock = new ManualClock();
    const { flag, spoil, repair } = flagFile(t);
    const { workers, proxy, errors, pids } = await startWorkers(t, 'boot', { clock });
    await workers.start('boots', { options: { flag, bad: 'throw' } });
    const boots = proxy<Boots>('boots');
    spoil();
    const died = nextEvent('packet:worker.exited');
    process.kill(Number(pids[0]), 'SIGKILL');
    assert.equal((await died).restartInMs, 0);
    // maxRestarts is 2 and restartBaseMs is 1: one more immediate failure, one pause, then the end.
    const second = await nextEvent('packet:worker.exited');
    const pauseMs = Number(second.restartInMs);
    assert.ok(pauseMs >= 0.5 && pauseMs <= 1, `paused ${pauseMs}`);
    assert.equal(second.lost, 0);
    assert.match(String(errors.at(-1)?.error), /boot failed on purpose/);
    assert.deepEqual(counts(workers), { ready: 0, waiting: 1, parked: 0 });
    const waiting = outcomeOf(boots.echo('while it waits'));
    const parked = nextEvent('packet:worker.parked');
    clock.advance(1);
    const { error } = await parked;
    assert.equal(error.details.deaths, 3);
    assert.match(error.message, /parked after 3 deaths in a row.*boot failed on purpose/);
    assert.equal((await waiting).error, error);
    assert.deepEqual(counts(workers), { ready: 0, waiting: 0, parked: 1 });
    assert.equal(clock.pending, 0, 'a parked worker waits for nothing');
    await assert.rejects(workers.start('boots', {}), { code: 'ERR_PACKET_WORKER_BOOT' });
    repair();
    await workers.start('boots', {});
    assert.equal(await boots.echo('alive'), 'alive');
  });

  test('a crash loop costs six starts in ever longer pauses, and nothing at all once it is parked', async (t) => {
    const clock = new ManualClock();
    const { flag, spoil } = flagFile(t);
    const { workers, proxy, pids } = await startWorkers(t, 'boot', { clock });
    await workers.start('loops', { options: { flag, bad: 'throw' } });
    spoil();
    const pauses: number[] = [];
    let parked = false;
    process.kill(Number(pids[0]), 'SIGKILL');
    while (!parked) {
      const { restartInMs } = await nextEvent('packet:worker.exited');
      if (restartInMs === undefined) parked = true;
      else pauses.push(restartInMs);
      // The clock moves only so far: a restart that does not wait would be seen before its time.
      clock.advance(restartInMs ?? 0);
    }
    const bounds = [0, 100, 200, 400, 800];
    assert.equal(pauses.length, bounds.length);
    for (const [index, pause] of pauses.entries()) {
      const most = bounds[index] ?? 0;
      assert.ok(pause >= most / 2 && pause <= most, `pauses: ${pauses}`);
    }
    assert.equal(clock.pending, 0, 'it waits for nothing');
    let exits = 0;
    t.after(listen('packet:worker.exited', () => exits++));
    clock.advance(3_600_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([exits, counts(workers)], [0, { ready: 0, waiting: 0, parked: 1 }]);
    const { error } = await outcomeOf(proxy<Boots>('loops').echo(1));
    assert.match(String(error?.message), /the last: .*boot failed on purpose/);
  });

  test('a start of a pool of which one instance is parked revives that one', async (t) => {
    const clock = new ManualClock();
    const { flag, spoil, repair } = flagFile(t);
    const { workers, proxy, pids } = await startWorkers(t, 'boot', { clock });
    await workers.start('pair', { options: { flag, bad: 'throw' } });
    spoil();
    const parked = nextEvent('packet:worker.parked');
    const waiting = nextEvent('packet:worker.exited', ({ restartInMs }) => Number(restartInMs) > 0);
    process.kill(Number(pids[0]), 'SIGKILL');
    await waiting;
    clock.advance(1);
    await parked;
    const [pool] = workers.stats().pools;
    assert.deepEqual([pool?.ready, pool?.parked], [1, 1]);
    assert.equal(await proxy<Pair>('pair').echo('the other serves'), 'the other serves');
    await assert.rejects(workers.start('pair', {}), { code: 'ERR_PACKET_WORKER_BOOT' });
    assert.equal(await proxy<Pair>('pair').echo('still'), 'still');
    repair();
    await workers.start('pair', {});
    assert.equal(workers.stats().pools[0]?.ready, 2);
    await assert.rejects(workers.start('pair', {}), { code: 'ERR_PACKET_WORKER_EXISTS' });
  });

  test('out of descriptors a worker is tried again until there are some, and never parked', async () => {
    const entry = fileURLToPath(new URL('./starved-main.js', import.meta.url));
    const limited = ['-c', 'ulimit -n 96; exec "$0" "$1"', process.execPath, entry];
    const master = spawn('sh', limited, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.equal(await text(master.stdout), 'alive after 6 failed restarts\n');
  });

  test('a healthy time makes the count begin anew', async (t) => {
    const clock = new ManualClock();
    const { flag } = flagFile(t);
    const { workers } = await startWorkers(t, 'boot', { clock });
    let up = nextEvent('packet:worker.started');
    await workers.start('boots', { options: { flag, bad: 'throw' } });
    for (let death = 0; death < 10; death++) {
      const { pid } = await up;
      clock.advance(10_000);
      const died = nextEvent('packet:worker.exited');
      up = nextEvent('packet:worker.started');
      process.kill(Number(pid), 'SIGKILL');
      assert.equal((await died).restartInMs, 0);
    }
    await up;
  });

  test('one that answers calls and dies between them is never parked, and yet cannot make its restarts a loop', async (t) => {
    const clock = new ManualClock();
    const { flag } = flagFile(t);
    const { workers, proxy } = await startWorkers(t, 'boot', { clock });
    let up = nextEvent('packet:worker.started');
    await workers.start('boots', { options: { flag, bad: 'throw' } });
    const pauses: number[] = [];
    // maxRestarts is 2 and restartBaseMs is 1.
    for (const livesMs of [0, 0, 0, 0, 0, 10_000, 0]) {
      const { pid } = await up;
      assert.equal(await proxy<Boots>('boots').echo('served'), 'served');
      clock.advance(livesMs);
      const died = nextEvent('packet:worker.exited');
      up = nextEvent('packet:worker.started');
      process.kill(Number(pid), 'SIGKILL');
      const pauseMs = Number((await died).restartInMs);
      pauses.push(Math.ceil(pauseMs));
      clock.advance(pauseMs);
    }
    await up;
    assert.deepEqual(pauses, [0, 0, 0, 1, 2, 0, 0]);
  });

  test('calls that kill their worker are never a reason to park it', async (t) => {
    const clock = new ManualClock();
    const { flag } = flagFile(t);
    const { workers, proxy, errors } = await startWorkers(t, 'boot', { clock });
    await workers.start('boots', { options: { flag, bad: 'throw' } });
    const boots = proxy<Boots>('boots');
    for (let death = 0; death < 6; death++) {
      const died = nextEvent('packet:worker.exited');
      const up = nextEvent('packet:worker.started');
      assert.equal((await outcomeOf(boots.exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
      clock.advance(Number((await died).restartInMs));
      await up;
    }
    assert.equal(await boots.echo('alive'), 'alive');
    assert.deepEqual(errors, [], 'whoever called has heard of each');
  });

  test('a call that kills its worker delays the restart, and is not among the deaths it is parked for, nor are those before a start', async (t) => {
    const clock = new ManualClock();
    const { flag, spoil, repair } = flagFile(t);
    const { workers, proxy } = await startWorkers(t, 'boot', { clock });
    const boots = proxy<Boots>('boots');
    const expected = Array.from({ length: 3 }, () => 'boot failed on purpose');
    for (let round = 0; round < 2; round++) {
      await workers.start('boots', { options: { flag, bad: 'throw' } });
      spoil();
      const parked = nextEvent('packet:worker.parked');
      const pauses: (number | undefined)[] = [];
      const stop = listen('packet:worker.exited', ({ restartInMs }) => {
        pauses.push(restartInMs);
        if (restartInMs !== undefined) setImmediate(() => clock.advance(restartInMs));
      });
      assert.equal((await outcomeOf(boots.exit())).error?.code, 'ERR_PACKET_WORKER_LOST');
      const { details, message } = (await parked).error;
      assert.deepEqual([details.deaths, details.failures], [3, expected]);
      assert.match(message, /; startWorker\("boots"\) revives it$/);
      stop();
      assert.deepEqual(
        pauses.map((pause) => Math.ceil(Number(pause))),
        [0, 1, 2, Number.NaN],
      );
      repair();
    }
  });
});

describe('the cancel ladder', () => {
  test('a blocked worker is killed only when the grace is over, and its replacement does not wait for its end', async (t) => {
    const clock = new ManualClock();
    const { proxy, errors } = await startWorkers(t, 'settle', { clock });
    const worker = proxy<Misbehave>('misbehave');
    const pid = await worker.pid();
    let exited = false;
    const gone = nextEvent('packet:worker.exited').then((event) => {
      exited = true;
      return event;
    });
    const loop = outcomeOf(worker.$with({ deadlineMs: 1000 }).spin());
    const next = worker.pid();
    clock.advance(999);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
    assert.equal((await loop).error?.code, 'ERR_PACKET_DEADLINE');
    clock.advance(99);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(exited, false);
    clock.advance(1);
    assert.notEqual(await next, pid);
    const { error, ...end } = await gone;
    assert.deepEqual([end.pid, end.signal, end.restartInMs], [pid, 'SIGKILL', 0], 'its replacement is there already');
    assert.match(String(error), /it went on for 100 ms after a call was cancelled/);
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]?.error), /worker "misbehave" \(instance 0\) ended: it went on for 100 ms/);
    clock.advance(86_400_000);
    assert.equal(clock.pending, 0, 'one look at whether it still works, and no more');
  });

  test('a worker that turns but goes on with a cancelled call is replaced, and its neighbours finish', async (t) => {
    const clock = new ManualClock();
    const { proxy, errors } = await startWorkers(t, 'ladder', { clock });
    const worker = proxy<import('./fixtures/ladder/many.ts').Many>('many');
    const pid = await worker.pid();
    const hang = outcomeOf(worker.$with({ deadlineMs: 1000 }).hang());
    const neighbour = worker.through();
    assert.equal(await worker.waits(), true);
    const seen = worker.cancelled();
    clock.advance(1000);
    assert.equal((await hang).error?.code, 'ERR_PACKET_DEADLINE');
    await seen;
    const replaced = nextEvent('packet:worker.started');
    clock.advance(100);
    assert.notEqual((await replaced).pid, pid);
    assert.notEqual(await worker.pid(), pid, 'new calls go to the replacement');
    const gone = nextEvent('packet:worker.exited');
    process.kill(pid, 'SIGWINCH');
    assert.equal(await neighbour, pid, 'the neighbour was answered by the old one');
    clock.advance(100);
    assert.equal((await gone).pid, pid);
    assert.deepEqual([(await gone).lost, (await gone).restartInMs], [0, 0]);
    assert.equal(errors.length, 1);
  });
});

function counts(workers: import('../../src/workers/index.ts').Workers) {
  const [pool] = workers.stats().pools;
  return { ready: pool?.ready, waiting: pool?.waiting, parked: pool?.parked };
}
