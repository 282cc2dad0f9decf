import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { netTest as test } from '@packet/testing';
import { resolveOptions } from '../../src/options.ts';
import { BatchEncoder } from '../../src/workers/frame-encoder.ts';
import {
  LANE_OPTIONS,
  type LaneLoss,
  type MasterLane,
  openChildLane,
  openProcessLane,
} from '../../src/workers/index.ts';
import { toOutgoing } from '../../src/workers/outgoing.ts';
import type { ProcessLaneOptions } from '../../src/workers/process-lane.ts';
import { Snapshotter } from '../../src/workers/snapshot.ts';
import { laneConformance } from './lane-conformance.ts';
import { LaneLog } from './lane-log.ts';

const CHILD = new URL('./lane-child.js', import.meta.url);
const UNRULY = new URL('./lane-unruly-child.js', import.meta.url);

/** A sink that also keeps what the worker printed. */
class ProcessLog extends LaneLog {
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

function open(how: string, options: Partial<ProcessLaneOptions> = {}): { lane: MasterLane; log: ProcessLog } {
  const log = new ProcessLog();
  return { lane: openProcessLane({ entry: UNRULY, args: [how], ...options }, log), log };
}

laneConformance('process', (options) => {
  const log = new ProcessLog();
  const lane = openProcessLane({ entry: CHILD, args: [JSON.stringify(options)], limits: options }, log);
  return { lane, log, workerLoss: () => log.workerLoss() };
});

const onLinux = process.platform === 'linux' ? false : 'reads /proc';

test('what a worker sent before it exited arrives before its loss, though writing to it fails', lastWords, {
  skip: onLinux,
});

async function lastWords(): Promise<void> {
  const { lane, log } = open('last-words');
  // The loop stands still until the worker is gone, so that nothing of what it wrote has been read.
  while (!isGone(lane.pid));
  for (let index = 0; index < 100; index++) lane.post({ type: 'EVENT', stream: 1, value: index });
  assert.deepEqual(await log.loss(), { kind: 'exit', exitCode: 7 });
  assert.equal(log.received.filter(({ type }) => type === 'STATUS').length, 300);
}

test('a worker killed while large frames travel both ways is lost once', async () => {
  const { lane, log } = open('');
  for (const stream of [1, 2, 3]) lane.post({ type: 'CALL', stream, value: Buffer.alloc(4_000_000, stream) });
  await log.frame('RESULT', 1);
  process.kill(lane.pid ?? 0, 'SIGKILL');
  assert.deepEqual(await log.loss(), { kind: 'exit', signal: 'SIGKILL' });
  await lane.close(1000);
  assert.equal(log.losses.length, 1);
  assert.deepEqual([lane.pendingFrames, lane.pendingBytes], [0, 0]);
});

test('a worker that throws is lost with its exit code, after its last output', async () => {
  const { lane, log } = open('');
  lane.post({ type: 'EVENT', stream: 1, value: { op: 'throw', message: 'this worker is broken' } });
  const loss = await log.loss();
  assert.deepEqual(loss, { kind: 'exit', exitCode: 1 });
  assert.match(log.printed, /this worker is broken/);
});

test('a worker that closes its descriptor and lives on is killed and lost as cut', async () => {
  const { log } = open('closes-lane', { ending: { exitGraceMs: 20 } });
  assert.deepEqual(await log.loss(), { kind: 'cut', signal: 'SIGKILL' });
});

test('a worker that sends garbage is killed and lost with the error', async () => {
  const { log } = open('garbage');
  const { kind, signal, error } = await log.loss();
  assert.deepEqual([kind, signal, error?.code], ['frame', 'SIGKILL', 'ERR_PACKET_LANE_FRAME']);
});

test('a stopped worker, deaf to END and SIGTERM, is killed when the grace is over', async () => {
  const { lane, log } = open('deaf', { ending: { killGraceMs: 20 } });
  await log.frame('HELLO', 0);
  process.kill(lane.pid ?? 0, 'SIGSTOP');
  await lane.close(20);
  assert.deepEqual(log.losses, [{ kind: 'closed', signal: 'SIGKILL' }]);
});

test('a worker that never opened its lane is ended by SIGTERM', async () => {
  const { lane, log } = open('no-lane');
  assert.equal(lane.post({ type: 'CALL', stream: 1, value: 1 }), true);
  await lane.close(20);
  assert.deepEqual(log.losses, [{ kind: 'closed', signal: 'SIGTERM' }]);
});

test('posting to a worker that does not read stays within its bounds and ends with it', async () => {
  const { lane, log } = open('', { limits: { highWaterBytes: 100_000 } });
  lane.post({ type: 'CALL', stream: 1 });
  await log.frame('RESULT', 1);
  process.kill(lane.pid ?? 0, 'SIGSTOP');
  // The kernel takes some; then the lane says stop for good.
  const fill = (): void => {
    while (lane.post({ type: 'EVENT', stream: 1, value: 'z'.repeat(1000) }));
  };
  let drains = 0;
  log.drained = () => {
    drains++;
    fill();
  };
  fill();
  await turnsWithout(() => drains);
  assert.ok(lane.pendingBytes > 50_000 && lane.pendingBytes < 110_000, `pending ${lane.pendingBytes}`);
  assert.equal(lane.post({ type: 'EVENT', stream: 1 }), false);
  lane.kill('SIGKILL');
  assert.equal((await log.loss()).kind, 'exit');
});

test('a module that does not exist is a worker lost with exit code 1 and node says why', async () => {
  const { log } = open('', { entry: new URL('./no-such-worker.js', import.meta.url) });
  assert.deepEqual(await log.loss(), { kind: 'exit', exitCode: 1 });
  assert.match(log.printed, /stderr: .*no-such-worker/s);
});

test('a node that does not exist is a loss with the error, not an exception', async () => {
  const { lane, log } = open('', { execPath: '/no/such/node' });
  assert.equal(lane.pid, undefined);
  lane.post({ type: 'CALL', stream: 1, value: 1 });
  const { kind, error } = await log.loss();
  assert.deepEqual([kind, error?.code, error?.details.errno], ['exit', 'ERR_PACKET_WORKER_BOOT', 'ENOENT']);
  await lane.close(1000);
  assert.equal(log.losses.length, 1);
});

test('arguments the system refuses are a loss with the error, not an exception', async () => {
  const { lane, log } = open('', { args: ['x'.repeat(3_000_000)] });
  assert.equal(lane.post({ type: 'CALL', stream: 1, value: 1 }), false);
  const { kind, error } = await log.loss();
  assert.deepEqual([kind, error?.code], ['exit', 'ERR_PACKET_WORKER_BOOT']);
  await lane.close(1000);
});

test('all a worker prints is read, so it never waits for its master', async () => {
  const { lane, log } = open('talks');
  await log.frame('STATUS', 0);
  await lane.close(1000);
  assert.equal(log.printed.replaceAll(/[^x]/g, '').length, 40_000 * 99);
});

test('a grandchild that inherited lane and output does not hold up the loss', async () => {
  const { lane, log } = open('grandchild', { ending: { lateOutputMs: 10 } });
  const { value: grandchild } = await log.frame('STATUS', 0);
  lane.kill('SIGKILL');
  assert.deepEqual(await log.loss(), { kind: 'exit', signal: 'SIGKILL' });
  process.kill(Number(grandchild), 'SIGKILL');
});

test('the loss waits for the end of the bytes, not only for the exit', async () => {
  const frame = { type: 'STATUS', stream: 5, value: 'late' } as const;
  const limits = resolveOptions('test', LANE_OPTIONS, {});
  const record = new BatchEncoder().encode([toOutgoing(frame, new Snapshotter(limits, false), limits)]);
  const { log } = open('late', {
    args: ['late', Buffer.from(record).toString('hex')],
    ending: { lateOutputMs: 30_000 },
  });
  assert.deepEqual(await log.loss(), { kind: 'exit', exitCode: 0 });
  assert.deepEqual(log.received, [frame]);
});

test('a worker whose master is killed hears of it and ends, though its loop is kept alive', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const master = spawn(process.execPath, [new URL('./lane-master.js', import.meta.url).pathname, String(port)], {
    stdio: 'inherit',
  });
  const [worker] = (await once(server, 'connection')) as [Socket];
  await once(worker, 'readable');
  master.kill('SIGKILL');
  // The worker's socket ends when the worker does: its loop would live for ever.
  assert.equal(await text(worker), 'up\nLOST cut\n');
  server.close();
  await once(server, 'close');
});

test('the child lane refuses a process that openProcessLane did not start', () => {
  assert.throws(() => openChildLane(new LaneLog()), { code: 'ERR_PACKET_STATE' });
});

test('a limit out of bounds is refused at the call', () => {
  assert.throws(() => open('', { limits: { flushFrames: 0 } }), { code: 'ERR_PACKET_OPTION' });
  assert.throws(() => open('', { ending: { killGraceMs: -1 } }), { code: 'ERR_PACKET_OPTION' });
});

/** A zombie without threads: all it had open is closed, and only its parent is still to be told. */
function isGone(pid: number | undefined): boolean {
  const state = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return /^\d+ \(.*\) Z/.test(state) && readdirSync(`/proc/${pid}/task`).length === 1;
}

/** Turns of the loop until `count` has not moved for a hundred of them. */
async function turnsWithout(count: () => number): Promise<void> {
  for (let still = 0, last = count(); still < 100; still++) {
    await new Promise(setImmediate);
    if (count() !== last) still = 0;
    last = count();
  }
}
