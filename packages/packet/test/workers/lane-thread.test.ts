import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { netTest as test } from '@packet/testing';
import { type LaneLoss, type MasterLane, openThreadChildLane, openThreadLane } from '../../src/workers/index.ts';
import type { ThreadLaneOptions } from '../../src/workers/thread-lane.ts';
import { laneConformance } from './lane-conformance.ts';
import { LaneLog } from './lane-log.ts';

const ENTRY = new URL('./lane-thread.js', import.meta.url);

/** A sink that also keeps what the worker printed. */
class ThreadLog extends LaneLog {
  printed = '';

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    assert.equal(this.losses.length, 0, 'no output comes after lost');
    this.printed += `${stream}: ${chunk}`;
    this.emit('event');
  }

  async workerLoss(): Promise<LaneLoss> {
    for (;;) {
      const kind = /^stdout: LOST (\w+)/m.exec(this.printed)?.[1];
      if (kind === 'closed' || kind === 'cut' || kind === 'frame') return { kind };
      await once(this, 'event');
    }
  }
}

function open(how: string, options: Partial<ThreadLaneOptions> = {}): { lane: MasterLane; log: ThreadLog } {
  const log = new ThreadLog();
  return { lane: openThreadLane({ entry: ENTRY, args: [how], ...options }, log), log };
}

laneConformance('thread', (limits) => {
  const { lane, log } = open('', { limits });
  return { lane, log, workerLoss: () => log.workerLoss() };
});

test('what a thread posted before it exited arrives before its loss', async () => {
  const { log } = open('last-words');
  assert.deepEqual(await log.loss(), { kind: 'exit', exitCode: 7 });
  assert.equal(log.received.filter(({ type }) => type === 'STATUS').length, 300);
});

test('a thread that throws is lost with the error', async () => {
  const { lane, log } = open('');
  lane.post({ type: 'EVENT', stream: 1, value: { op: 'throw', message: 'this worker is broken' } });
  const { kind, exitCode, error } = await log.loss();
  assert.deepEqual([kind, exitCode, error?.code], ['exit', 1, 'ERR_PACKET_WORKER_LOST']);
  assert.match(String(error?.cause), /this worker is broken/);
});

test('a thread that needs more memory than it may have is lost with the reason, and the process lives', async () => {
  const { log } = open('exhausts', { resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8 } });
  const { kind, exitCode, error } = await log.loss();
  assert.deepEqual(
    [kind, exitCode, error?.code, error?.details.errno],
    ['exit', 1, 'ERR_PACKET_WORKER_LOST', 'ERR_WORKER_OUT_OF_MEMORY'],
  );
});

test('a thread that closes its port and lives on is terminated and lost as cut', async () => {
  const { log } = open('closes-lane', { ending: { exitGraceMs: 20 } });
  assert.deepEqual(await log.loss(), { kind: 'cut', signal: 'SIGKILL' });
});

for (const how of ['garbage', 'false-ack']) {
  test(`a thread that sends ${how} is terminated and lost with the error`, async () => {
    const { log } = open(how);
    const { kind, signal, error } = await log.loss();
    assert.deepEqual([kind, signal, error?.code], ['frame', 'SIGKILL', 'ERR_PACKET_LANE_FRAME']);
  });
}

test('a thread in an endless loop, deaf to END, is terminated when the grace is over', async () => {
  const { lane, log } = open('deaf');
  await log.frame('HELLO', 0);
  await lane.close(20);
  assert.deepEqual(log.losses, [{ kind: 'closed', signal: 'SIGKILL' }]);
});

test('a thread that never opened its lane is terminated', async () => {
  const { lane, log } = open('no-lane');
  assert.equal(lane.post({ type: 'CALL', stream: 1, value: 1 }), true);
  await lane.close(20);
  assert.deepEqual(log.losses, [{ kind: 'closed', signal: 'SIGKILL' }]);
});

test('posting to a thread that does not read stays within its bounds and ends with it', async () => {
  const { lane, log } = open('deaf', { limits: { highWaterBytes: 100_000 } });
  await log.frame('HELLO', 0);
  let drains = 0;
  const fill = (): void => {
    while (lane.post({ type: 'EVENT', stream: 1, value: 'z'.repeat(1000) }));
  };
  log.drained = () => {
    drains++;
    fill();
  };
  fill();
  for (let still = 0, last = drains; still < 100; still++) {
    await new Promise(setImmediate);
    if (drains !== last) still = 0;
    last = drains;
  }
  assert.ok(drains < 10, `drained ${drains} times`);
  assert.ok(lane.pendingBytes > 50_000 && lane.pendingBytes < 110_000, `pending ${lane.pendingBytes}`);
  lane.kill('SIGKILL');
  assert.deepEqual(await log.loss(), { kind: 'exit', signal: 'SIGKILL' });
  assert.deepEqual([lane.pendingFrames, lane.pendingBytes], [0, 0]);
});

test('a large frame for a thread that does not read waits in the lane, counted', async () => {
  const { lane, log } = open('deaf');
  await log.frame('HELLO', 0);
  for (let index = 0; index < 5; index++) lane.post({ type: 'EVENT', stream: index, value: Buffer.alloc(1_000_000) });
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
  assert.equal(lane.pendingFrames, 4);
  assert.ok(lane.pendingBytes > 4_000_000);
  lane.kill('SIGKILL');
  await log.loss();
});

test('a module that does not exist is a thread lost with the reason', async () => {
  const { log } = open('', { entry: new URL('./no-such-worker.js', import.meta.url) });
  const { kind, exitCode, error } = await log.loss();
  assert.deepEqual([kind, exitCode, error?.code], ['exit', 1, 'ERR_PACKET_WORKER_LOST']);
  assert.match(String(error?.message), /no-such-worker/);
});

test('an option of Node that a thread cannot have of its own is a loss that names it', async () => {
  const { lane, log } = open('', { execArgv: ['--max-old-space-size=64'] });
  assert.equal(lane.post({ type: 'CALL', stream: 1, value: 1 }), false);
  const { kind, exitCode, error } = await log.loss();
  assert.deepEqual([kind, exitCode, error?.code], ['exit', undefined, 'ERR_PACKET_WORKER_BOOT']);
  assert.match(String(error?.message), /--max-old-space-size/);
  await lane.close(1000);
  assert.equal(log.losses.length, 1);
});

test('all a thread prints is read', async () => {
  const { lane, log } = open('talks');
  await log.frame('STATUS', 0);
  await lane.close(1000);
  assert.equal(log.printed.replaceAll(/[^x]/g, '').length, 40_000 * 99);
});

test('the parent port stays with the program', async () => {
  const made = once(process, 'worker') as Promise<[Worker]>;
  const { lane, log } = open('user-port');
  const [thread] = await made;
  await log.frame('HELLO', 0);
  thread.postMessage('there and');
  assert.deepEqual(await once(thread, 'message'), ['there and back']);
  thread.unref();
  lane.kill('SIGKILL');
  await log.loss();
});

test('shared memory stays shared, and views of it', async () => {
  const { lane, log } = open('');
  const memory = new SharedArrayBuffer(8);
  lane.post({ type: 'CALL', stream: 1, value: { memory, view: new Int32Array(memory), bytes: Buffer.from(memory) } });
  const back = (await log.frame('RESULT', 1)).value as { memory: SharedArrayBuffer; view: Int32Array; bytes: Buffer };
  new Int32Array(memory)[0] = 77;
  assert.equal(back.view[0], 77);
  assert.equal(new Int32Array(back.memory)[0], 77);
  assert.ok(Buffer.isBuffer(back.bytes));
  assert.equal(back.bytes[0], 77);
  await lane.close(1000);
});

test('memory to transfer is gone after post, and must be in the value', async () => {
  const { lane, log } = open('');
  const bytes = new Uint8Array(1_000_000).fill(3);
  lane.post({ type: 'CALL', stream: 1, value: { bytes }, transfer: [bytes.buffer] });
  assert.equal(bytes.byteLength, 0);
  const back = (await log.frame('RESULT', 1)).value as { bytes: Uint8Array };
  assert.deepEqual(back.bytes, new Uint8Array(1_000_000).fill(3));
  const elsewhere = new ArrayBuffer(8);
  assert.throws(() => lane.post({ type: 'CALL', stream: 2, value: 1, transfer: [elsewhere] }), {
    code: 'ERR_PACKET_NOT_ENCODABLE',
  });
  assert.equal(elsewhere.byteLength, 8);
  await lane.close(1000);
});

test('a mark of the cancel page is for its own call only', async () => {
  const { lane } = open('');
  const page = lane.cancelPage;
  assert.ok(page !== undefined);
  page.mark(5);
  page.mark(2 ** 40 + 7);
  assert.deepEqual([page.has(5), page.has(5 + 1024), page.has(5 + 2 ** 32), page.has(6)], [true, false, false, false]);
  assert.deepEqual([page.has(2 ** 40 + 7), page.has(7), page.has(2 ** 41 + 7)], [true, false, false]);
  await lane.close(1000);
});

test('the thread lane refuses a thread that openThreadLane did not start', () => {
  assert.throws(() => openThreadChildLane(new LaneLog()), { code: 'ERR_PACKET_STATE' });
});

test('a limit out of bounds is refused at the call', () => {
  assert.throws(() => open('', { limits: { flushFrames: 0 } }), { code: 'ERR_PACKET_OPTION' });
  assert.throws(() => open('', { ending: { exitGraceMs: -1 } }), { code: 'ERR_PACKET_OPTION' });
});
