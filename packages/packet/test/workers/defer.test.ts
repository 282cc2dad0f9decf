import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { type NetTest, NodeProgram, netTest, turn } from '@packet/testing';
import { ManualClock, type ModuleUrl, Reactor, type ReactorOptions } from '../../src/reactor/index.ts';
import { nextEvent, outcomeOf } from './test-service.ts';

const functions: ModuleUrl<typeof import('./fixtures/defer/functions.ts')> = new URL(
  './fixtures/defer/functions.js',
  import.meta.url,
);

function reactorOf(t: NetTest, options: ReactorOptions = {}): Reactor {
  const reactor = new Reactor({ onError: () => undefined, ...options });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  return reactor;
}

netTest('a function runs elsewhere, and returns what it returns or its promise resolves with', async (t) => {
  const reactor = reactorOf(t);
  assert.equal(await reactor.defer(functions, 'add', [1, 2]), 3);
  const place = await reactor.defer(functions, 'where', []);
  assert.notDeepEqual(place, [process.pid, threadId]);
  const value = new Map([[1n, new Uint8Array(100_000).fill(7)]]);
  assert.deepEqual(await reactor.defer(functions, 'back', [value]), value);
  assert.equal(await reactor.defer(functions, 'twice', [(n) => n * 10]), 30);
});

netTest('names, arguments and results are those of the module where its type is known', async (t) => {
  const reactor = reactorOf(t);
  const sum: number = await reactor.defer(functions, 'add', [1, 2]);
  assert.equal(sum, 3);
  const untyped: unknown = await reactor.defer(new URL(functions), 'add', [1, 'x']);
  assert.equal(untyped, '1x');
  // @ts-expect-error: it is no number that is returned
  const wrong: string = await reactor.defer(functions, 'add', [1, 2]);
  assert.equal(wrong, 3);
  // @ts-expect-error: arguments of another type
  await reactor.defer(functions, 'add', ['1', 2]);
  // What is lent may be sync, as in calls to workers.
  const steps: number[] = [];
  const done: number = await reactor.defer(functions, 'steps', [3, (step) => steps.push(step)]);
  assert.deepEqual([done, steps], [3, [1, 2, 3]]);
  // @ts-expect-error: no function of the module
  assert.equal((await outcomeOf(reactor.defer(functions, 'notAFunction', []))).error?.code, 'ERR_PACKET_WORKER_METHOD');
});

netTest(
  'nothing is started before the first call, as many places as are allowed run at a time, and all end with the reactor',
  async (t) => {
    const reactor = reactorOf(t, { deferPool: 2 });
    assert.equal(reactor.stats().workers, undefined);
    const places = await Promise.all(Array.from({ length: 8 }, () => reactor.defer(functions, 'where', [])));
    const pools = (await reactor.inspectWorkers()).pools;
    assert.deepEqual(
      pools.map(({ worker, ends }) => [worker, ends.answered]),
      [['$defer', 8]],
    );
    const threads = pools.flatMap(({ instances }) => instances.map((instance) => instance.threadId));
    assert.ok(threads.length <= 2);
    assert.ok(places.every(([pid, thread]) => pid === process.pid && threads.includes(thread)));
    await reactor.stop();
    assert.equal((await outcomeOf(reactor.defer(functions, 'where', []))).error?.code, 'ERR_PACKET_STOPPED');
  },
);

netTest('what a function throws is the cause, and the message names function and module', async (t) => {
  const { error } = await outcomeOf(reactorOf(t).defer(functions, 'fail', ['too far']));
  assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
  assert.equal(error?.message, 'fail of functions.js failed: RangeError: too far');
  assert.ok(error?.cause instanceof RangeError);
  assert.match(String(error?.cause.stack), /functions\.ts/);
  assert.deepEqual([error?.details.function, error?.details.module], ['fail', functions.href]);
});

netTest('a module that cannot be imported, an export that is absent or no function are told by name', async (t) => {
  const reactor = reactorOf(t);
  const absent = await outcomeOf(reactor.defer(new URL('./no-such.js', functions), 'x', []));
  assert.equal(absent.error?.code, 'ERR_PACKET_WORKER_DEFINITION');
  assert.match(String(absent.error?.message), /no-such\.js: importing it failed: Cannot find module/);
  const throwing = await outcomeOf(reactor.defer(new URL('./throws.js', functions), 'x', []));
  assert.equal(throwing.error?.code, 'ERR_PACKET_WORKER_DEFINITION');
  assert.match(String(throwing.error?.message), /throws\.js: importing it failed: not today$/);
  assert.ok(throwing.error?.cause instanceof TypeError);
  const plain = new URL(functions);
  const missing = await outcomeOf(reactor.defer(plain, 'subtract', []));
  assert.equal(missing.error?.code, 'ERR_PACKET_WORKER_METHOD');
  assert.match(
    String(missing.error?.message),
    /functions\.js: it exports no "subtract"; its functions are add, back, exit,/,
  );
  const value = await outcomeOf(reactor.defer(plain, 'notAFunction', []));
  assert.match(String(value.error?.message), /"notAFunction" is no function/);
  // It goes on after all of these.
  assert.equal(await reactor.defer(functions, 'add', [1, 1]), 2);
});

netTest(
  'one that computes on is stopped at its deadline or when it is cancelled, and others are answered',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'packet-defer-'));
    t.cleanup(() => rmSync(folder, { recursive: true }));
    const reactor = reactorOf(t, { deferPool: 1 });
    await reactor.defer(functions, 'add', [1, 1]);
    const late = await outcomeOf(reactor.defer(functions, 'spin', [join(folder, 'late')], { deadlineMs: 50 }));
    assert.equal(late.error?.code, 'ERR_PACKET_DEADLINE');
    assert.match(String(late.error?.message), /^spin of functions\.js took longer than 50 ms/);
    const stop = new AbortController();
    const file = join(folder, 'cancelled');
    const cancelled = outcomeOf(reactor.defer(functions, 'spin', [file], { signal: stop.signal }));
    while (!existsSync(file)) await turn();
    stop.abort();
    assert.equal((await cancelled).error?.code, 'ERR_PACKET_CANCELLED');
    assert.equal(await reactor.defer(functions, 'add', [1, 1]), 2);
  },
);

netTest('a place that dies loses its call, once, and the next is served by another', async (t) => {
  const reactor = reactorOf(t, { deferPool: 1 });
  const { error } = await outcomeOf(reactor.defer(functions, 'exit', []));
  assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
  assert.match(String(error?.message), /^exit of functions\.js was lost with its worker/);
  assert.equal(await reactor.defer(functions, 'add', [1, 1]), 2);
});

netTest('what cannot travel is refused at the call, or as the result, with its place in the arguments', async (t) => {
  const reactor = reactorOf(t);
  const { error } = await outcomeOf(reactor.defer(functions, 'back', [{ list: [Symbol('no')] }]));
  assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
  assert.equal(error?.details.path, '$[0].list[0]');
  const result = await outcomeOf(reactor.defer(functions, 'unsendable', []));
  assert.equal(result.error?.code, 'ERR_PACKET_NOT_ENCODABLE');
  assert.match(String(result.error?.message), /^unsendable of functions\.js/);
});

netTest('what is no URL, name, list or option is refused', async (t) => {
  const reactor = reactorOf(t);
  const wrong = [
    ['./functions.js', 'add', []],
    [functions, '', []],
    [functions, 'add', 1],
    [functions, 'add', [], { deadlineMs: -1 }],
    [functions, 'add', [], { key: 'x' }],
    [functions, 'add', [], { signal: 1 }],
  ];
  for (const args of wrong) {
    const { error } = await outcomeOf(Reflect.apply(reactor.defer, reactor, args) as Promise<unknown>);
    assert.equal(error?.code, 'ERR_PACKET_OPTION', JSON.stringify(args));
  }
});

netTest(
  'the places are given up when nothing was deferred for a while, and made again when something is',
  async (t) => {
    const clock = new ManualClock();
    const reactor = reactorOf(t, { clock, deferPool: 1, deferIdleMs: 5000 });
    const [, first] = await reactor.defer(functions, 'where', [], { deadlineMs: 0 });
    clock.advance(4999);
    const given = { n: 1 };
    const returned = reactor.defer(functions, 'back', [given]);
    given.n = 2;
    assert.deepEqual(await returned, { n: 1 }, 'the arguments are those of the call');
    clock.advance(4999);
    assert.equal((await reactor.inspectWorkers()).pools.length, 1);
    const gone = nextEvent('packet:worker.exited');
    clock.advance(1);
    // One that comes while they end waits for that.
    const next = reactor.defer(functions, 'where', []);
    const value = { n: 1 };
    const back = reactor.defer(functions, 'back', [value]);
    value.n = 2;
    await gone;
    assert.notEqual((await next)[1], first);
    assert.deepEqual(await back, { n: 1 }, 'the arguments are those of the call');
  },
);

netTest('a program that only deferred ends by itself', async (t) => {
  const program = new NodeProgram(t, new URL('./defer-main.js', import.meta.url).pathname);
  assert.equal(await program.exit, 0);
  assert.equal(program.stdout, '3\n');
  assert.equal(program.stderr, '');
});

netTest('events of a call name the function and its module', async (t) => {
  const reactor = reactorOf(t);
  const deferred = ({ worker }: { readonly worker: string }): boolean => worker === '$defer';
  const events = [nextEvent('packet:call.started', deferred), nextEvent('packet:call.settled', deferred)] as const;
  await reactor.defer(functions, 'add', [1, 2]);
  for (const { method, module } of await Promise.all(events)) {
    assert.deepEqual([method, module], ['add', functions.href]);
  }
  const failed = nextEvent('packet:call.settled', deferred);
  await outcomeOf(reactor.defer(functions, 'back', [Symbol('s')]));
  const { method, module, end } = await failed;
  assert.deepEqual([method, module, end], ['back', functions.href, 'refused']);
});
