import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInlineLane, type LaneLoss } from '../../src/workers/index.ts';
import { laneConformance } from './lane-conformance.ts';
import { LaneLog } from './lane-log.ts';
import { serveLane } from './lane-worker.ts';

laneConformance('inline', (options) => {
  const log = new LaneLog();
  const { master, openWorker } = createInlineLane(log, options);
  const workerLoss = new Promise<LaneLoss>((resolve) => {
    serveLane(openWorker, resolve);
  });
  return { lane: master, log, workerLoss: () => workerLoss };
});

test('frames posted to an inline worker before it opened wait for it', async () => {
  const log = new LaneLog();
  const { master, openWorker } = createInlineLane(log);
  master.post({ type: 'CALL', stream: 1, value: 'early' });
  await new Promise(setImmediate);
  assert.equal(master.pendingFrames, 1);
  serveLane(openWorker, () => {});
  assert.equal((await log.frame('RESULT', 1)).value, 'early');
  await master.close(1000);
});

test('an inline worker that opens after the lane is gone is told so', async () => {
  const log = new LaneLog();
  const { master, openWorker } = createInlineLane(log);
  master.post({ type: 'CALL', stream: 1, value: 'never' });
  await master.close(1000);
  assert.equal(log.losses[0]?.kind, 'closed');
  const worker = new LaneLog();
  openWorker(worker);
  await worker.loss();
  await new Promise(setImmediate);
  assert.equal(worker.losses.length, 1);
});
