import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../../src/workers/histogram.ts';

test('a histogram tells every time to within 3 %, and the longest exactly', () => {
  for (const ms of [0.001, 0.017, 0.4, 1, 3.33, 47, 999, 12_345, 3_000_000]) {
    const times = new Histogram();
    for (let n = 0; n < 9; n++) times.record(ms);
    times.record(ms * 4);
    const { count, p50Ms, p99Ms, maxMs } = times.summary();
    assert.equal(count, 10);
    assert.ok(Math.abs(p50Ms - ms) <= Math.max(0.0005, ms * 0.032), `${ms} told as ${p50Ms}`);
    assert.ok(p99Ms > p50Ms && p99Ms <= maxMs);
    assert.equal(maxMs, ms * 4);
  }
});

test('its shares are those of all times recorded', () => {
  const times = new Histogram();
  for (let n = 1; n <= 1000; n++) times.record(n);
  const { p50Ms, p90Ms, p99Ms } = times.summary();
  for (const [told, real] of [
    [p50Ms, 500],
    [p90Ms, 900],
    [p99Ms, 990],
  ] as const) {
    assert.ok(Math.abs(told - real) <= real * 0.032, `${real} told as ${told}`);
  }
});

test('an empty histogram, times of nothing, below nothing, and of days are no error', () => {
  assert.deepEqual(new Histogram().summary(), { count: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 });
  const times = new Histogram();
  times.record(-0.1);
  times.record(0);
  times.record(86_400_000);
  assert.equal(times.summary().maxMs, 86_400_000);
  assert.equal(times.summary().p50Ms, 0);
});
