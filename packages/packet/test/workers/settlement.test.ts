import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ManualClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/errors.ts';
import type { Boots } from './fixtures/boot/boots.ts';
import type { Misbehave } from './fixtures/settle/misbehave.ts';
import type { Between } from './fixtures/settle-between/between.ts';
import {
  listen,
  nextEvent,
  type Outcome,
  outcomeOf,
  startWorkers,
  TestOrigin,
  type TestService,
} from './test-service.ts';

/**
 * The settlement table: whatever happens to a worker, every call settles exactly once with the right kind of loss, and the
 * worker serves again. Rows are kinds of loss, columns the lanes and the ways to call. What becomes of workers whose master
 * is killed is in orphans.test.ts: no call is left to settle then.
 */

/** A way to call a worker. */
interface Shape {
  readonly name: string;
  readonly folder: string;
  readonly worker: string;
  call(service: TestService, method: string, args: unknown[], deadlineMs?: number): Promise<Outcome>;
}

function byProxy(worker: string): Shape['call'] {
  return (service, method, args, deadlineMs) => {
    const proxy = service.proxy<Misbehave>(worker).$with(deadlineMs === undefined ? {} : { deadlineMs });
    const run = Reflect.get(proxy, method) as (...given: unknown[]) => Promise<unknown>;
    return outcomeOf(run(...args));
  };
}

const proxyShape: Shape = { name: 'typed proxy', folder: 'settle', worker: 'misbehave', call: byProxy('misbehave') };

const askShape: Shape = {
  name: 'askWorker',
  folder: 'settle',
  worker: 'misbehave',
  async call(service, method, args, deadlineMs) {
    const origin = new TestOrigin(service.workers);
    const outcome = await origin.ask('misbehave', { method, args }, deadlineMs === undefined ? {} : { deadlineMs });
    assert.deepEqual([origin.begun, origin.settled], [1, 1], 'callBegan and callSettled come once each');
    return outcome;
  },
};

/** The victim among neighbours in a pool of three; none of them may notice. */
const poolShape: Shape = {
  name: 'pool',
  folder: 'settle-pool',
  worker: 'crowd',
  async call(service, method, args, deadlineMs) {
    const call = byProxy('crowd');
    const victim = call(service, method, args, deadlineMs);
    const neighbours = await Promise.all([1, 2, 3, 4].map((n) => call(service, 'later', [n])));
    assert.deepEqual(
      neighbours.map((neighbour) => neighbour.answers),
      [[1], [2], [3], [4]],
    );
    return await victim;
  },
};

/** A call that has called a function it was lent, and has another call of it open. */
function functionShape(folder: string, worker: string): Shape {
  return {
    name: 'callback argument',
    folder,
    worker,
    async call(service, method, args, deadlineMs) {
      const heard: string[] = [];
      const fn = (what: string): unknown => {
        heard.push(what);
        return what === 'open' ? new Promise(() => undefined) : undefined;
      };
      const outcome = await byProxy(worker)(service, 'withFunction', [method, args, fn], deadlineMs);
      for (const pool of service.workers.stats().pools) assert.equal(pool.leased, 0);
      // By a clock that is advanced by hand the deadline may come before the method begins.
      if (method !== 'untilCancelled') assert.equal(heard[0], 'begun');
      return outcome;
    },
  };
}

/** The victim is called by another worker, which lives on and hears what its caller would have heard. */
function betweenShape(folder: string, worker: string): Shape {
  return {
    name: 'worker to worker',
    folder,
    worker,
    async call(service, method, args, deadlineMs) {
      const outcome = await byProxy('between')(service, 'relay', [method, args, worker], deadlineMs);
      assert.equal(service.workers.stats().unsettled, 0);
      return asItsCallerSaw(outcome);
    },
  };
}

/** What the worker in between was told. */
function asItsCallerSaw(outcome: Outcome): Outcome {
  const { error } = outcome;
  return error?.code === 'ERR_PACKET_WORKER_REMOTE' ? { ...outcome, error: error.cause as PacketError } : outcome;
}

const shapes = [
  proxyShape,
  askShape,
  poolShape,
  functionShape('settle', 'misbehave'),
  betweenShape('settle-between', 'misbehave'),
];

/** The same ways to call, to workers of little memory. */
function memoryShapes(folder: string): readonly Shape[] {
  return [
    { name: 'typed proxy', folder, worker: 'hungry', call: byProxy('hungry') },
    { ...poolShape, folder, worker: 'crowd' },
    functionShape(folder, 'hungry'),
    betweenShape(folder, 'hungry'),
  ];
}

/** A way to lose a running call with its process. */
interface Loss {
  readonly name: string;
  readonly method: string;
  readonly args: unknown[];
  readonly deadlineMs?: number;
  /** The one lane it can be seen on. */
  readonly only?: 'process' | 'thread';
  readonly shapes?: readonly Shape[];
  check(outcome: Outcome): void;
}

function checkLost(outcome: Outcome, facts: { exitCode?: number; signal?: string }, cause?: string): void {
  const { error } = outcome;
  assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
  assert.equal(error.details.started, true);
  assert.equal(error.details.exitCode, facts.exitCode);
  assert.equal(error.details.signal, facts.signal);
  if (cause !== undefined) assert.equal((error.cause as Error).message, cause);
}

function checkOutOfMemory(outcome: Outcome): void {
  checkLost(outcome, { exitCode: 1 });
  assert.match(String(outcome.error?.message), /memory limit/);
}

const losses: readonly Loss[] = [
  { name: 'exit', method: 'exit', args: [3], check: (outcome) => checkLost(outcome, { exitCode: 3 }) },
  {
    name: 'throw later',
    method: 'throwLater',
    args: ['thrown later'],
    check: (outcome) => {
      checkLost(outcome, { exitCode: 1 }, 'thrown later');
      assert.match(String(outcome.error?.details.stderr), /thrown later/);
    },
  },
  {
    name: 'SIGKILL',
    method: 'sigkill',
    args: [],
    // It would end the master too: a thread has no process of its own.
    only: 'process',
    check: (outcome) => checkLost(outcome, { signal: 'SIGKILL' }),
  },
  {
    name: 'out of memory',
    method: 'exhaust',
    args: ['arrays'],
    only: 'process',
    shapes: memoryShapes('settle-small'),
    check: (outcome) => {
      checkLost(outcome, { signal: 'SIGABRT' });
      assert.match(String(outcome.error?.details.stderr), /heap/);
    },
  },
  {
    name: 'out of memory by arrays',
    method: 'exhaust',
    args: ['arrays'],
    only: 'thread',
    shapes: memoryShapes('settle-memory'),
    check: checkOutOfMemory,
  },
  {
    name: 'out of memory by strings',
    method: 'exhaust',
    args: ['strings'],
    only: 'thread',
    shapes: memoryShapes('settle-memory'),
    check: checkOutOfMemory,
  },
  {
    name: 'channel cut',
    method: 'cut',
    args: [],
    only: 'process',
    check: (outcome) => checkLost(outcome, { signal: 'SIGKILL' }),
  },
  {
    name: 'channel cut',
    method: 'cut',
    args: [],
    // A thread that has closed its port is told so, and ends by itself.
    only: 'thread',
    check: (outcome) => checkLost(outcome, { exitCode: 1 }),
  },
  {
    name: 'endless loop',
    method: 'spin',
    args: [],
    deadlineMs: 100,
    check: ({ error }) => {
      assert.equal(error?.code, 'ERR_PACKET_DEADLINE');
      assert.equal(error.details.deadlineMs, 100);
      assert.ok(Number(error.details.ranMs) > 0);
    },
  },
  {
    name: 'a method that never settles and does not mind its cancel',
    method: 'hang',
    args: [],
    deadlineMs: 100,
    check: ({ error }) => assert.equal(error?.code, 'ERR_PACKET_DEADLINE'),
  },
];

for (const transport of ['process', 'thread'] as const) {
  for (const loss of losses) {
    if (loss.only !== undefined && loss.only !== transport) continue;
    describe(`${loss.name}, ${transport} lane`, () => {
      for (const shape of loss.shapes ?? shapes) {
        test(`${shape.name}: the call settles once, and the worker serves again`, async (t) => {
          const service = await startWorkers(t, shape.folder, { transport });
          const gone = nextEvent('packet:worker.exited', (event) => event.worker === shape.worker);
          loss.check(await shape.call(service, loss.method, loss.args, loss.deadlineMs));
          assert.deepEqual((await shape.call(service, 'echo', ['again'])).answers, ['again']);
          await gone;
          assert.equal(service.workers.stats().unsettled, 0);
        });
      }
    });
  }
}

for (const transport of ['process', 'thread', 'inline'] as const) {
  describe(`what costs no worker, ${transport} lane`, () => {
    for (const shape of shapes) {
      test(`${shape.name}: a result comes back`, async (t) => {
        const service = await startWorkers(t, shape.folder, { transport });
        assert.deepEqual(await shape.call(service, 'later', [{ n: 1n }]), { answers: [{ n: 1n }] });
      });

      test(`${shape.name}: an error comes back with name, message, cause, the worker's stack and which worker it was`, async (t) => {
        const service = await startWorkers(t, shape.folder, { transport });
        const { error } = await shape.call(service, 'fail', ['no good']);
        assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
        const cause = error.cause as Error;
        assert.ok(cause instanceof RangeError);
        assert.equal(cause.message, 'no good');
        assert.match(String(cause.stack), /misbehave/);
        assert.match(String(error.details.remoteStack), /misbehave/);
        assert.equal(typeof error.details.index, 'number', 'which instance it was');
        assert.equal((cause.cause as Error).message, 'the cause');
      });

      test(`${shape.name}: a call past its deadline is told so and is replaced when it goes on`, async (t) => {
        const service = await startWorkers(t, shape.folder, { transport });
        const gone = nextEvent('packet:worker.exited', (event) => event.worker === shape.worker);
        const { error } = await shape.call(service, 'hang', [], 50);
        assert.equal(error?.code, 'ERR_PACKET_DEADLINE');
        assert.deepEqual((await shape.call(service, 'echo', [1])).answers, [1]);
        await gone;
      });

      test(`${shape.name}: a cancelled call that minds its signal keeps its worker`, async (t) => {
        // By this clock the grace is never over.
        const clock = new ManualClock();
        const service = await startWorkers(t, shape.folder, { transport, clock });
        let exits = 0;
        t.after(listen('packet:worker.exited', () => exits++));
        const cancelled = shape.call(service, 'untilCancelled', [], 50);
        await turn();
        clock.advance(50);
        assert.equal((await cancelled).error?.code, 'ERR_PACKET_DEADLINE');
        assert.deepEqual((await shape.call(service, 'echo', [1])).answers, [1]);
        assert.equal(exits, 0);
      });
    }
  });
}

/** What was posted before has left, in order. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A worker that boots once, and after `spoil()` no more; one given the gate tries when it is open. */
function bootFlag(t: TestContext): { flag: string; gate: string; spoil(): void; open(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'packet-boot-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const flag = join(folder, 'bad');
  const gate = join(folder, 'gate');
  return { flag, gate, spoil: () => writeFileSync(flag, ''), open: () => writeFileSync(gate, '') };
}

const BOOT_DEADLINE_MS = 5000;
/** No pause of these workers is longer: their first is 1 ms, and doubles twice at most. */
const LONGEST_PAUSE_MS = 4;

/** What the errors say of it. */
const bootFailures = {
  throw: /boot failed on purpose/,
  hang: /not ready after 5000 ms/,
  exit: /exited with code 9/,
} as const;

interface BootShape {
  readonly name: string;
  readonly folder: string;
  readonly worker: string;
  readonly instances: number;
  call(service: TestService, value: number): Promise<Outcome>;
}

const bootShapes: readonly BootShape[] = [
  {
    name: 'typed proxy',
    folder: 'boot',
    worker: 'boots',
    instances: 1,
    call: (service, value) => outcomeOf(service.proxy<Boots>('boots').echo(value)),
  },
  {
    name: 'askWorker',
    folder: 'boot',
    worker: 'boots',
    instances: 1,
    call: (service, value) => new TestOrigin(service.workers).ask('boots', value),
  },
  {
    name: 'pool',
    folder: 'boot',
    worker: 'crew',
    instances: 3,
    // Until all three are parked, more time passes than a call is given.
    call: (service, value) => outcomeOf(service.proxy<Boots>('crew').$with({ deadlineMs: 0 }).echo(value)),
  },
  {
    name: 'callback argument',
    folder: 'boot',
    worker: 'boots',
    instances: 1,
    async call(service, value) {
      const outcome = await outcomeOf(service.proxy<Boots>('boots').lent(value, (lent) => lent));
      for (const pool of service.workers.stats().pools) assert.equal(pool.leased, 0);
      return outcome;
    },
  },
  {
    name: 'worker to worker',
    folder: 'boot-between',
    worker: 'boots',
    instances: 1,
    call: async (service, value) => {
      return asItsCallerSaw(await outcomeOf(service.proxy<Between>('between').relay('echo', [value], 'boots')));
    },
  },
];

/** Calls wait for the worker. */
async function queued({ workers }: TestService, worker: string): Promise<void> {
  while (workers.stats().pools.find((pool) => pool.worker === worker)?.queued === 0) await turn();
}

for (const transport of ['process', 'thread', 'inline'] as const) {
  for (const bad of transport === 'inline' ? (['throw', 'hang'] as const) : (['throw', 'hang', 'exit'] as const)) {
    describe(`boot ${bad}, ${transport} lane`, () => {
      for (const shape of bootShapes) {
        test(`${shape.name}: calls made during a first boot that fails get the reason, and nothing is left`, async (t) => {
          const clock = new ManualClock();
          const service = await startWorkers(t, shape.folder, { transport, clock });
          const { flag, gate, spoil, open } = bootFlag(t);
          spoil();
          const started = outcomeOf(service.workers.start(shape.worker, { options: { flag, bad, gate } }));
          const waiting = shape.call(service, 1);
          await queued(service, shape.worker);
          open();
          if (bad === 'hang') clock.advance(BOOT_DEADLINE_MS);
          const call = await waiting;
          assert.equal(call.error?.code, 'ERR_PACKET_WORKER_BOOT');
          const { error } = await started;
          assert.equal(error?.code, 'ERR_PACKET_WORKER_BOOT');
          assert.match(error.message, bootFailures[bad]);
          assert.equal((await shape.call(service, 1)).error?.code, 'ERR_PACKET_WORKER_UNKNOWN');
        });

        test(`${shape.name}: a worker that boots no more is parked, and waiting calls learn why`, async (t) => {
          const clock = new ManualClock();
          const service = await startWorkers(t, shape.folder, { transport, clock });
          const { flag, spoil } = bootFlag(t);
          await service.workers.start(shape.worker, { options: { flag, bad } });
          assert.deepEqual((await shape.call(service, 1)).answers, [1]);
          spoil();
          const parked = nextEvent('packet:worker.parked');
          // Past the pause before a restart, and past the deadline of a boot.
          const hasten = (): void => void setImmediate(() => clock.advance(LONGEST_PAUSE_MS + BOOT_DEADLINE_MS));
          t.after(listen('packet:worker.exited', hasten));
          // The calls in flight are lost; the one behind them waits, for an instance that never comes.
          const loop = service.proxy<Boots>(shape.worker).$with({ deadlineMs: 50 });
          const begun = Array.from({ length: shape.instances }, () =>
            outcomeOf(transport === 'inline' ? loop.hang() : loop.exit()),
          );
          const waiting = shape.call(service, 2);
          if (transport === 'inline') {
            await turn();
            clock.advance(50);
            await turn();
            clock.advance(50);
          }
          for (const { error } of await Promise.all(begun)) assert.match(String(error?.code), /WORKER_LOST|DEADLINE/);
          assert.equal((await waiting).error?.code, 'ERR_PACKET_WORKER_PARKED');
          assert.equal((await parked).error.code, 'ERR_PACKET_WORKER_PARKED');
          const { error } = await shape.call(service, 3);
          assert.equal(error?.code, 'ERR_PACKET_WORKER_PARKED');
          assert.ok(Number(error.details.deaths) >= 2);
        });
      }
    });
  }
}
