import assert from 'node:assert/strict';
import { after, afterEach, describe, test } from 'node:test';
import { scaled, testSeed } from '@packet/testing';
import fc from 'fast-check';
import type { Given } from '../../src/options.ts';
import type { LANE_OPTIONS, LaneLoss, MasterLane } from '../../src/workers/index.ts';
import type { LaneLog } from './lane-log.ts';
import { laneValues } from './lane-values.ts';
import type { LaneCommand } from './lane-worker.ts';

/** One open lane with the worker of lane-worker.ts at its other end. */
export interface TestedLane {
  readonly lane: MasterLane;
  readonly log: LaneLog;
  /** What the worker's end was told. */
  workerLoss(): Promise<LaneLoss>;
}

/** How a suite opens lanes of the kind under test, and talks to the worker at the other end. */
export interface LaneRig {
  start(options?: TestedOptions): TestedLane;
  /** What comes back after a way there and back. */
  echo(tested: TestedLane, value: unknown): Promise<unknown>;
}

/** Options of a lane under test. */
export type TestedOptions = Given<typeof LANE_OPTIONS>;

/** Every rule of the Lane contract, for one kind of lane. */
export function laneConformance(name: string, open: (options: TestedOptions) => TestedLane): void {
  describe(`${name} lane`, () => {
    const opened: TestedLane[] = [];
    const start = (options: TestedOptions = {}): TestedLane => {
      const tested = open(options);
      opened.push(tested);
      return tested;
    };
    let stream = 0;
    /** What comes back after a way there and back. */
    const echo = async ({ lane, log }: TestedLane, value: unknown): Promise<unknown> => {
      stream++;
      lane.post({ type: 'CALL', stream, value });
      return (await log.frame('RESULT', stream)).value;
    };
    const command = ({ lane }: TestedLane, number: number, value: LaneCommand): void => {
      lane.post({ type: 'EVENT', stream: number, value });
    };
    afterEach(async () => {
      for (const { lane, log } of opened.splice(0)) {
        await lane.close(1000);
        assert.equal(log.losses.length, 1, 'lost comes exactly once');
        assert.equal(lane.pendingFrames, 0);
        assert.equal(lane.pendingBytes, 0);
      }
    });
    const openBefore = openResources();
    after(async () => {
      // Handles say they are closed a turn or two after their close() was called.
      for (let turn = 0; turn < 20 && openResources() !== openBefore; turn++) await new Promise(setImmediate);
      assert.equal(openResources(), openBefore, 'no process, pipe or timer is left');
    });

    laneValues({ start, echo });

    test('a tree larger than a slice arrives whole', async () => {
      const tested = start({ sliceBytes: 1024 });
      const tree = Array.from({ length: 3000 }, (_, index) => ({ index, name: `node ${index}`, tags: ['a', 'ü'] }));
      assert.deepEqual(await echo(tested, tree), tree);
    });

    test('a small frame does not wait behind a large one of another stream', async () => {
      const { lane, log } = start({ sliceBytes: 4096, turnBytes: 4096 });
      lane.post({ type: 'CALL', stream: 1, value: Buffer.alloc(2_000_000) });
      lane.post({ type: 'CALL', stream: 2, value: 'small' });
      await log.frame('RESULT', 1);
      assert.deepEqual(
        log.received.map((frame) => frame.stream),
        [2, 1],
      );
    });

    test('large frames of different streams travel side by side', async () => {
      const { lane, log } = start({ sliceBytes: 4096, turnBytes: 4096 });
      lane.post({ type: 'CALL', stream: 1, value: Buffer.alloc(2_000_000) });
      lane.post({ type: 'CALL', stream: 2, value: Buffer.alloc(50_000) });
      await log.frame('RESULT', 1);
      assert.deepEqual(
        log.received.map((frame) => frame.stream),
        [2, 1],
      );
    });

    test('an urgent frame overtakes the slices of its own stream', async () => {
      const { lane, log } = start({ sliceBytes: 4096, turnBytes: 4096 });
      lane.post({ type: 'CALL', stream: 1, value: Buffer.alloc(2_000_000) });
      lane.post({ type: 'PING', stream: 1 }, true);
      await log.frame('RESULT', 1);
      assert.deepEqual(
        log.received.map((frame) => frame.type),
        ['PONG', 'RESULT'],
      );
    });

    test('frames of one stream arrive in the order they were posted, whatever their sizes', async () => {
      const sizes = fc.array(fc.tuple(fc.nat(3), fc.constantFrom(0, 10, 3000, 20_000, 90_000)), { maxLength: 60 });
      const tested = start({ sliceBytes: 4096, attachmentBytes: 1000, maxOpenFrames: 2, flushFrames: 4 });
      const { lane, log } = tested;
      await fc.assert(
        fc.asyncProperty(sizes, async (posts) => {
          log.received.length = 0;
          for (const [index, [number, size]] of posts.entries()) {
            lane.post({ type: 'CALL', stream: number, value: { index, body: Buffer.alloc(size, index) } });
          }
          await log.until(() => log.received.length === posts.length);
          for (let number = 0; number <= 3; number++) {
            const sent = posts.flatMap(([of, size], index) => (of === number ? [[index, size]] : []));
            const got = log.received
              .filter((frame) => frame.stream === number)
              .map(({ value }) => {
                const { index, body } = value as { index: number; body: Buffer };
                assert.deepEqual(body, Buffer.alloc(body.length, index));
                return [index, body.length];
              });
            assert.deepEqual(got, sent);
          }
        }),
        { seed: testSeed, numRuns: 20 },
      );
    });

    test('post says false above high water, and drained follows once', async () => {
      const { lane, log } = start({ highWaterBytes: 10_000 });
      const body = 'x'.repeat(1000);
      let accepted = 0;
      while (lane.post({ type: 'STATUS', stream: 0, value: body })) accepted++;
      assert.ok(accepted > 0 && accepted < 10, `accepted ${accepted}`);
      assert.equal(lane.pendingFrames, accepted + 1);
      assert.ok(lane.pendingBytes > 10_000);
      assert.equal(lane.post({ type: 'STATUS', stream: 0, value: 1 }), false);
      assert.equal(log.drains, 0, 'never from inside post');
      await log.until(() => log.drains > 0);
      assert.ok(lane.pendingBytes <= 5000);
      assert.equal(lane.post({ type: 'CALL', stream: 1, value: 1 }), true);
      await log.frame('RESULT', 1);
      assert.equal(log.drains, 1);
      assert.equal(lane.pendingFrames, 0);
      assert.equal(lane.pendingBytes, 0);
    });

    test('lent binary counts as pending until it has left', async () => {
      const { lane, log } = start();
      assert.equal(lane.post({ type: 'CALL', stream: 1, value: Buffer.alloc(5_000_000) }), false);
      assert.ok(lane.pendingBytes >= 5_000_000 && lane.pendingBytes < 5_001_000);
      assert.equal(lane.pendingFrames, 1);
      await log.frame('RESULT', 1);
      assert.equal(lane.pendingFrames, 0);
      assert.equal(lane.pendingBytes, 0);
      assert.equal(log.drains, 1);
    });

    test('a receiver that throws loses nothing but its own turn', async () => {
      const { lane, log } = start();
      const thrown: unknown[] = [];
      process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error));
      try {
        const keep = log.frames.bind(log);
        log.frames = (batch) => {
          keep(batch);
          if (batch.some((frame) => frame.stream === 1)) throw new Error('a broken receiver');
        };
        lane.post({ type: 'CALL', stream: 1, value: 'small' });
        lane.post({ type: 'CALL', stream: 2, value: Buffer.alloc(200_000) });
        lane.post({ type: 'CALL', stream: 3, value: 'small' });
        await log.until(() => log.received.length === 3);
      } finally {
        process.setUncaughtExceptionCaptureCallback(null);
      }
      assert.deepEqual(thrown.map(String), ['Error: a broken receiver']);
    });

    test('a burst of 100 k small frames arrives in order, each way', async () => {
      const count = scaled(100_000);
      const tested = start();
      const { lane, log } = tested;
      for (let index = 0; index < count; index++) lane.post({ type: 'CALL', stream: 1, value: index });
      await log.until(() => log.received.length === count);
      assert.ok(log.received.every((frame, index) => frame.value === index));
      log.received.length = 0;
      command(tested, 2, { op: 'burst', count, body: { some: 'thing' } });
      await log.frame('STATUS', 2);
      assert.equal(log.received.length, count + 1);
    });

    test('close sends what was posted, both ways, then lost comes once and close resolves', async () => {
      const { lane, log, workerLoss } = start();
      const value = Buffer.alloc(300_000, 1);
      lane.post({ type: 'CALL', stream: 1, value });
      for (let index = 2; index < 100; index++) lane.post({ type: 'CALL', stream: index, value: index });
      await log.frame('RESULT', 1);
      for (let index = 100; index < 200; index++) lane.post({ type: 'STATUS', stream: index, value: index });
      const closed = lane.close(2000);
      assert.equal(lane.close(0), closed, 'closing again is the same closing');
      assert.equal(lane.post({ type: 'CALL', stream: 1 }), false);
      await closed;
      assert.equal(log.losses.length, 1);
      assert.equal(log.losses[0]?.kind, 'closed');
      assert.equal((await workerLoss()).kind, 'closed');
      assert.equal(lane.post({ type: 'CALL', stream: 1 }), false);
      assert.equal(lane.pendingFrames, 0);
    });

    test('a worker that closes its end is gone with exit code 0 after its last frame', async () => {
      const tested = start();
      command(tested, 1, { op: 'burst', count: 100, body: 'last words' });
      command(tested, 1, { op: 'close', graceMs: 1000 });
      const loss = await tested.log.loss();
      assert.equal(loss.kind, 'exit');
      assert.equal(loss.exitCode, 0);
      assert.equal(tested.log.received.length, 101);
      assert.equal((await tested.workerLoss()).kind, 'closed');
    });

    test('a killed worker is lost once, with the signal', async () => {
      const tested = start();
      await echo(tested, 1);
      tested.lane.post({ type: 'CALL', stream: 1000, value: Buffer.alloc(3_000_000) });
      tested.lane.kill('SIGKILL');
      const loss = await tested.log.loss();
      assert.equal(loss.kind, 'exit');
      assert.equal(loss.signal, 'SIGKILL');
      assert.equal(tested.lane.pendingFrames, 0);
      assert.equal(tested.lane.post({ type: 'CALL', stream: 1 }), false);
      tested.lane.kill('SIGKILL');
    });
  });
}

function openResources(): string {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /Process|Pipe|Timeout|MessagePort|Worker/.test(name))
    .sort()
    .join();
}
