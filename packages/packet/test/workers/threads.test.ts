import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import { move } from '../../src/workers/index.ts';
import { resolveWorkerConfig } from '../../src/workers/worker-options.ts';
import type { Misbehave } from './fixtures/settle/misbehave.ts';
import type { Mover } from './fixtures/threads/mover.ts';
import { listen, nextEvent, outcomeOf, startWorkers } from './test-service.ts';

/** Resolves when a worker of this process has told that its loop runs. */
async function begun(started: SharedArrayBuffer): Promise<void> {
  while (Atomics.load(new Int32Array(started), 0) === 0) await new Promise((resolve) => setImmediate(resolve));
}

function exitsOf(t: TestContext): { count: number } {
  const exits = { count: 0 };
  t.after(listen('packet:worker.exited', () => exits.count++));
  return exits;
}

describe('a cancelled loop without an await, in a thread', () => {
  test('that asks each time round stops at once, and its thread goes on', async (t) => {
    // By this clock the grace is never over.
    const clock = new ManualClock();
    const service = await startWorkers(t, 'settle', { transport: 'thread', clock });
    const exits = exitsOf(t);
    const worker = service.proxy<Misbehave>('misbehave');
    const thread = await worker.thread();
    assert.notEqual(thread, 0);
    const started = new SharedArrayBuffer(4);
    const controller = new AbortController();
    const loop = outcomeOf(worker.$with({ signal: controller.signal }).spinUntilCancelled(started));
    const next = worker.thread();
    await begun(started);
    controller.abort();
    assert.equal((await loop).error?.code, 'ERR_PACKET_CANCELLED');
    assert.equal(await next, thread, 'the call behind it is served by the same thread');
    assert.equal(exits.count, 0);
  });

  test('that is past its deadline stops at once too', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'settle', { transport: 'thread', clock });
    const worker = service.proxy<Misbehave>('misbehave');
    const started = new SharedArrayBuffer(4);
    const loop = outcomeOf(worker.$with({ deadlineMs: 1000 }).spinUntilCancelled(started));
    await begun(started);
    clock.advance(1000);
    assert.equal((await loop).error?.code, 'ERR_PACKET_DEADLINE');
    assert.equal(await worker.echo('serves'), 'serves');
  });

  test('that does not ask is replaced after its grace, and its neighbours are unharmed', async (t) => {
    const clock = new ManualClock();
    const service = await startWorkers(t, 'settle-pool', { transport: 'thread', clock });
    const exits = exitsOf(t);
    const crowd = service.proxy<Misbehave>('crowd');
    const started = new SharedArrayBuffer(4);
    const controller = new AbortController();
    const loop = outcomeOf(crowd.$with({ signal: controller.signal }).spinAndTell(started));
    await begun(started);
    const gate = new SharedArrayBuffer(4);
    const neighbours = [1, 2].map((n) => crowd.untilOpen(n, gate));
    controller.abort();
    assert.equal((await loop).error?.code, 'ERR_PACKET_CANCELLED');
    clock.advance(99);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(exits.count, 0, 'within the grace nothing is ended');
    const gone = nextEvent('packet:worker.exited');
    const replaced = nextEvent('packet:worker.started');
    clock.advance(1);
    const { lost, signal } = await gone;
    assert.deepEqual([lost, signal], [0, 'SIGKILL']);
    await replaced;
    Atomics.store(new Int32Array(gate), 0, 1);
    assert.deepEqual(await Promise.all(neighbours), [1, 2]);
    assert.equal(exits.count, 1);
  });
});

for (const transport of ['process', 'thread', 'inline'] as const) {
  test(`memory moves with arguments and results, waiting calls too, ${transport} lane`, async (t) => {
    const service = await startWorkers(t, 'threads', { transport });
    const mover = service.proxy<Mover>('mover');
    const pictures = [1, 2, 3].map((seed) => new Uint8Array(100_000).fill(seed));
    // One at a time: the second and third wait, and are taken at the call all the same.
    const answers = pictures.map((picture) => mover.invert(move(picture)));
    assert.deepEqual(
      pictures.map((picture) => picture.byteLength),
      [0, 0, 0],
    );
    const inverted = await Promise.all(answers);
    for (const [index, picture] of inverted.entries()) {
      assert.deepEqual(picture, new Uint8Array(100_000).fill(254 - index));
    }
    const [picture = new Uint8Array()] = pictures;
    assert.throws(() => mover.invert(move(picture)), { code: 'ERR_PACKET_NOT_ENCODABLE', message: /moved already/ });
    assert.equal(await mover.detached(), 3, 'the worker gave its memory away too');
  });
}

test('what a thread may be given is checked with the rest of the config', () => {
  const check = (config: object) => resolveWorkerConfig('w', 'w.ts', config).threadMemory;
  assert.deepEqual(check({ transport: 'thread', resourceLimits: { maxOldGenerationSizeMb: 64 } }), {
    maxOldGenerationSizeMb: 64,
    maxYoungGenerationSizeMb: 8,
    stackSizeMb: 4,
  });
  assert.equal(check({ transport: 'thread' }), undefined);
  for (const [config, message] of [
    [{ transport: 'thread', resourceLimits: { maxOldGenerationSizeMb: -1 } }, /maxOldGenerationSizeMb must be/],
    [{ transport: 'thread', resourceLimits: { heap: 1 } }, /unknown option "heap"/],
    [{ transport: 'thread', resourceLimits: 64 }, /must be an object/],
    [{ resourceLimits: { maxOldGenerationSizeMb: 64 } }, /resourceLimits must be absent, as transport is "process"/],
  ] as const) {
    assert.throws(() => check(config), { code: 'ERR_PACKET_WORKER_DEFINITION', message });
  }
});

test('an option of Node that threads cannot have fails the start by name', async (t) => {
  const starting = startWorkers(t, 'settle-small', { transport: 'thread' });
  await assert.rejects(starting, { code: 'ERR_PACKET_WORKER_BOOT', message: /--max-old-space-size=48/ });
});
