import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../src/transport/pace.ts';

const KIB = 1024;

function stepsOf(timesMs: readonly number[]): number[] {
  const pace = new Pace();
  return timesMs.map((nowMs) => {
    pace.emptied(nowMs);
    return pace.stepBytes / KIB;
  });
}

test('the step doubles up to a bound while a stream is quick', () => {
  assert.deepEqual(stepsOf([0, 1, 2, 3]), [64, 128, 256, 256]);
});

test('one step that takes long, and a pause, begin anew with the least', () => {
  assert.deepEqual(stepsOf([5000, 5001, 5100, 5101]), [64, 128, 64, 128]);
});
