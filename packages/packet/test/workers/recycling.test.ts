import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import type { Aging } from './fixtures/pools/aging.ts';
import type { Hungry } from './fixtures/pools/hungry.ts';
import type { Tired } from './fixtures/pools/tired.ts';
import type { Watched } from './fixtures/pools/watched.ts';
import { listen, nextEvent, outcomeOf, startWorkers } from './test-service.ts';

async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('recycling', () => {
  test('after maxCalls an instance is replaced: no call is lost, and its own finish', async (t) => {
    const service = await startWorkers(t, 'pools');
    await service.workers.start('tired', {});
    const tired = service.proxy<Tired>('tired');
    const log: string[] = [];
    t.after(listen('packet:worker.started', ({ index }) => log.push(`started ${index}`)));
    t.after(listen('packet:worker.exited', ({ index, lost }) => log.push(`exited ${index}, ${lost} lost`)));
    t.after(listen('packet:worker.recycled', ({ index, reason }) => log.push(`recycled ${index} for ${reason}`)));
    const controller = new AbortController();
    // Place 0 has a call that does not end; place 1 answers.
    const held = outcomeOf(tired.$with({ signal: controller.signal }).hold());
    const pids = [await tired.pid(), await tired.pid(), await tired.pid()];
    await nextEvent('packet:worker.exited');
    assert.deepEqual(log, ['started 1', 'recycled 1 for calls', 'exited 1, 0 lost']);
    assert.notEqual(await tired.pid(), pids[0]);
    controller.abort();
    await held;
    assert.equal(service.workers.stats().pools[0]?.recycled, 1);
    // Far more calls than instances last for: each is answered.
    await Promise.all(Array.from({ length: 30 }, () => tired.index()));
    assert.deepEqual(service.errors, []);
  });

  test('at maxAgeMs the instances of a pool are replaced one after the other, each when its replacement is ready', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('aging', {});
    const aging = service.proxy<Aging>('aging');
    const controller = new AbortController();
    const held = outcomeOf(aging.$with({ signal: controller.signal, deadlineMs: 0 }).hold());
    const log: string[] = [];
    t.after(listen('packet:worker.started', ({ index }) => log.push(`started ${index}`)));
    t.after(listen('packet:worker.exited', ({ index }) => log.push(`exited ${index}`)));
    const recycled = nextEvent('packet:worker.recycled');
    clock.advance(59_999);
    assert.equal(service.workers.stats().pools[0]?.booting, 0);
    clock.advance(1);
    const { index, reason, ageMs, calls } = await recycled;
    assert.deepEqual({ index, reason, ageMs, calls }, { index: 0, reason: 'age', ageMs: 60_000, calls: 0 });
    assert.equal(await aging.index(), 0, 'the new one works while the old one finishes');
    assert.deepEqual(log, ['started 0']);
    const last = nextEvent('packet:worker.exited', (event) => event.index === 1);
    controller.abort();
    await held;
    await last;
    assert.deepEqual(log, ['started 0', 'exited 0', 'started 1', 'exited 1']);
  });

  test('over maxRssBytes an instance is replaced, though it has nothing more to do', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('hungry', {});
    const hungry = service.proxy<Hungry>('hungry');
    const pid = await hungry.pid();
    clock.advance(1000);
    assert.equal(await hungry.pid(), pid, 'below the limit it stays');
    assert.equal(await hungry.eat(300_000_000), 1);
    const recycled = nextEvent('packet:worker.recycled');
    const gone = nextEvent('packet:worker.exited');
    clock.advance(1000);
    assert.equal((await recycled).reason, 'memory');
    await gone;
    assert.notEqual(await hungry.pid(), pid);
  });

  test('a replacement that does not start is tried again after a pause, and the old one goes on', async (t) => {
    const clock = new ManualClock();
    const folder = mkdtempSync(join(tmpdir(), 'packet-boot-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const flag = join(folder, 'bad');
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('tired', { options: { flag } });
    const tired = service.proxy<Tired>('tired');
    const pid = await tired.pid();
    writeFileSync(flag, '');
    const failed = nextEvent('packet:worker.exited');
    for (let n = 0; n < 4; n++) assert.equal(await tired.pid(), pid);
    await failed;
    assert.equal(await tired.pid(), pid);
    assert.match(String(service.errors[0]?.error), /did not start: boot failed on purpose/);
    rmSync(flag);
    const recycled = nextEvent('packet:worker.recycled');
    assert.deepEqual([service.workers.stats().pools[0]?.ready, service.workers.stats().pools[0]?.parked], [2, 0]);
    clock.advance(1000);
    assert.equal((await recycled).pid, pid);
  });

  test('an old one that dies while its replacement starts loses its place to it at once', async (t) => {
    const service = await startWorkers(t, 'pools');
    const folder = mkdtempSync(join(tmpdir(), 'packet-gate-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const gate = join(folder, 'closed');
    await service.workers.start('tired', { options: { gate } });
    const tired = service.proxy<Tired>('tired');
    const pid = await tired.pid();
    // The replacement is not up before the old one is gone.
    writeFileSync(gate, '');
    let starts = 0;
    t.after(listen('packet:worker.started', () => starts++));
    const up = nextEvent('packet:worker.started');
    for (let n = 0; n < 2; n++) assert.equal(await tired.pid(), pid);
    const died = nextEvent('packet:worker.exited');
    process.kill(pid, 'SIGKILL');
    assert.equal((await died).restartInMs, 0);
    rmSync(gate);
    await up;
    assert.equal(service.workers.stats().pools[0]?.ready, 2);
    assert.deepEqual([starts, service.workers.stats().pools[0]?.recycled], [1, 0]);
  });
});

describe('liveness', () => {
  test('an endless loop without a deadline is found, its call lost, and the worker replaced', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('watched', {});
    const watched = service.proxy<Watched>('watched');
    const pid = await watched.pid();
    const gone = nextEvent('packet:worker.exited');
    const loop = outcomeOf(watched.spin());
    // The first ping may overtake the call, and be answered.
    while (service.workers.stats().pools[0]?.ready === 1) {
      clock.advance(500);
      await turns();
    }
    const { error } = await loop;
    assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
    assert.equal((error.cause as { code?: string }).code, 'ERR_PACKET_WORKER_UNRESPONSIVE');
    assert.equal((await gone).pid, pid);
    assert.notEqual(await watched.pid(), pid);
  });

  test('a worker that waits is not blamed, however long its call takes', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('watched', {});
    const watched = service.proxy<Watched>('watched');
    const pid = await watched.pid();
    const controller = new AbortController();
    const held = outcomeOf(watched.$with({ signal: controller.signal }).hold());
    for (let beat = 0; beat < 12; beat++) {
      clock.advance(500);
      // An answer to a later question: the one to the ping has come before it.
      assert.equal(await watched.pid(), pid);
    }
    controller.abort();
    await held;
  });

  test('a master that was busy itself reads what has come before it judges', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('watched', {});
    const watched = service.proxy<Watched>('watched');
    const controller = new AbortController();
    const held = outcomeOf(watched.$with({ signal: controller.signal }).hold());
    const pid = await watched.pid();
    const folder = mkdtempSync(join(tmpdir(), 'packet-busy-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'answered');
    clock.advance(500);
    void watched.touch(file);
    await turns();
    while (!existsSync(file));
    // The answer lies in the socket, unread, when the time is over.
    clock.advance(5000);
    await turns();
    assert.equal(await watched.pid(), pid);
    controller.abort();
    await held;
  });

  test('workers with nothing to do are not asked', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'pools', { clock });
    await service.workers.start('watched', {});
    assert.equal(clock.pending, 0);
    await service.proxy<Watched>('watched').pid();
    clock.advance(500);
    assert.equal(clock.pending, 0);
  });
});
