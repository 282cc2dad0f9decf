import { strictEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Summary, summarise } from '../src/statistics.ts';
import { judgeAtLeast, judgeAtMost, judgeRatio, noiseFactor } from '../src/verdict.ts';

const steady = (value: number, count = 9): Summary => summarise(Array.from({ length: count }, () => value));
const between = (low: number, high: number): Summary =>
  summarise([low, low, (low + high) / 2, (low + high) / 2, (low + high) / 2, high, high]);

describe('noiseFactor', () => {
  it('is the farther end of the A/A spread, in either direction', () => {
    strictEqual(noiseFactor({ low: 0.8, high: 1.1 }), 1.25);
    strictEqual(noiseFactor({ low: 0.95, high: 1.3 }), 1.3);
  });

  it('is never below 1', () => {
    strictEqual(noiseFactor({ low: 1, high: 1 }), 1);
  });
});

describe('a ratio goal', () => {
  const same = between(0.95, 1.04);

  it('is met only by more than the A/A spread', () => {
    strictEqual(judgeRatio({ ratio: steady(1), same, quick: false }, 0.93), 'met');
    strictEqual(judgeRatio({ ratio: steady(0.95), same, quick: false }, 0.93), 'not decided here');
  });

  it('is missed only by more than the A/A spread', () => {
    strictEqual(judgeRatio({ ratio: steady(0.85), same, quick: false }, 0.93), 'missed');
    strictEqual(judgeRatio({ ratio: steady(0.9), same, quick: false }, 0.93), 'not decided here');
  });

  it('is not decided when its own spread reaches over the goal', () => {
    strictEqual(judgeRatio({ ratio: between(0.9, 1.2), same, quick: false }, 0.93), 'not decided here');
    strictEqual(judgeRatio({ ratio: between(0.6, 0.94), same, quick: false }, 0.93), 'not decided here');
  });

  it('is not decided on fewer than 7 pairs', () => {
    strictEqual(judgeRatio({ ratio: steady(2, 6), same, quick: false }, 0.93), 'not decided here');
    strictEqual(judgeRatio({ ratio: steady(2), same: steady(1, 6), quick: false }, 0.93), 'not decided here');
  });

  it('is never judged in a quick run', () => {
    strictEqual(judgeRatio({ ratio: steady(2), same, quick: true }, 0.93), 'not judged');
  });
});

describe('an upper limit', () => {
  it('is met when the worst value is at it or below', () => {
    strictEqual(judgeAtMost({ values: [1, 20], quick: false }, 20), 'met');
  });

  it('is missed by one value above it', () => {
    strictEqual(judgeAtMost({ values: [1, 1, 20.1], quick: false }, 20), 'missed');
    strictEqual(judgeAtMost({ values: [25], control: [3], quick: false }, 20), 'missed');
  });

  it('is not decided on a machine that is above it by itself', () => {
    strictEqual(judgeAtMost({ values: [25], control: [3, 22], quick: false }, 20), 'not decided here');
  });

  it('is not decided without values, and not judged in a quick run', () => {
    strictEqual(judgeAtMost({ values: [], quick: false }, 20), 'not decided here');
    strictEqual(judgeAtMost({ values: [1], quick: true }, 20), 'not judged');
  });
});

describe('a lower limit', () => {
  it('is met when the lowest value is at it or above', () => {
    strictEqual(judgeAtLeast({ values: [0, 3], quick: false }, 0), 'met');
    strictEqual(judgeAtLeast({ values: [-0.1, 3], quick: false }, 0), 'missed');
    strictEqual(judgeAtLeast({ values: [4], quick: false }, 5), 'missed');
  });
});
