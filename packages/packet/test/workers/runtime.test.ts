import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Reactor } from '../../src/reactor/index.ts';
import { createInlineLane, type Frame, type MasterLane } from '../../src/workers/index.ts';
import type { BootOrder } from '../../src/workers/protocol.ts';
import { WorkerRuntime } from '../../src/workers/worker-runtime.ts';

/** The master's end of a lane to a runtime, by hand: what comes is kept in order. */
class Hand {
  readonly lane: MasterLane;
  /** The code the worker exits with. */
  readonly exited: Promise<number>;
  readonly #frames: Frame[] = [];
  #wake: (() => void) | undefined;

  constructor() {
    const { master, openWorker } = createInlineLane({
      frames: (batch) => {
        this.#frames.push(...batch);
        this.#wake?.();
      },
      drained: () => undefined,
      lost: () => undefined,
    });
    this.lane = master;
    let exit: (code: number) => void = () => undefined;
    this.exited = new Promise((resolve) => {
      exit = resolve;
    });
    const runtime = new WorkerRuntime({
      exit,
      after: () => undefined,
      makeReactor: () => new Reactor(),
    });
    runtime.attach(openWorker(runtime));
  }

  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function booted(t: TestContext, file: string): Promise<Hand> {
  const hand = new Hand();
  t.after(() => hand.lane.close(0));
  const order: BootOrder = {
    worker: file,
    key: undefined,
    index: 0,
    url: new URL(`./fixtures/calls/${file}.js`, import.meta.url).href,
    setup: undefined,
    options: undefined,
  };
  hand.lane.post({ type: 'HELLO', stream: 0, value: order });
  const hello = await hand.next();
  assert.deepEqual([hello.type, hello.stream], ['HELLO', 0]);
  return hand;
}

test('a cancel that overtakes its call keeps it from beginning', async (t) => {
  const hand = await booted(t, 'gate');
  hand.lane.post({ type: 'CALL', stream: 5, value: ['through', 0, 'x'] });
  hand.lane.post({ type: 'CANCEL', stream: 5 }, true);
  assert.deepEqual(await hand.next(), { type: 'CANCEL', stream: 5, value: undefined });
  assert.deepEqual(await hand.next(), { type: 'BYE', stream: 5, value: undefined });
  hand.lane.post({ type: 'CALL', stream: 6, value: ['waits', 0] });
  assert.deepEqual(await hand.next(), { type: 'RESULT', stream: 6, value: false });
});

test('draining waits for the calls that run, and gives back those that come later', async (t) => {
  const hand = await booted(t, 'single');
  hand.lane.post({ type: 'CALL', stream: 1, value: ['slow', 0, 'finished'] });
  hand.lane.post({ type: 'DRAIN', stream: 0, value: 1000 });
  hand.lane.post({ type: 'CALL', stream: 2, value: ['log', 0] });
  assert.deepEqual(await hand.next(), { type: 'BYE', stream: 2, value: undefined });
  hand.lane.post({ type: 'CANCEL', stream: 1 });
  assert.deepEqual(await hand.next(), { type: 'CANCEL', stream: 1, value: undefined });
  assert.deepEqual(await hand.next(), { type: 'RESULT', stream: 1, value: 'finished' });
  assert.deepEqual(await hand.next(), { type: 'BYE', stream: 0, value: undefined });
  assert.equal(await hand.exited, 0);
});

test('a method the worker does not have is refused by the runtime, not by the worker', async (t) => {
  const hand = await booted(t, 'gate');
  hand.lane.post({ type: 'CALL', stream: 3, value: ['nope', 0] });
  const { type, value } = await hand.next();
  assert.equal(type, 'ERROR');
  assert.equal((value as { own?: boolean }).own, true);
});

test('a boot that fails says why and exits', async () => {
  const hand = new Hand();
  const order = { worker: 'x', url: 'file:///no/such/worker.js', index: 0 };
  hand.lane.post({ type: 'HELLO', stream: 0, value: order });
  const { type, stream, value } = await hand.next();
  assert.deepEqual([type, stream], ['ERROR', 0]);
  assert.match((value as Error).message, /Cannot find module/);
  assert.equal(await hand.exited, 1);
});
