import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, medianInterval, pairRatios, summarise } from '../src/statistics.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

describe('median', () => {
  it('is the middle value, whatever the order', () => {
    strictEqual(median([9, 1, 5]), 5);
  });

  it('is the mean of the two in the middle of an even number', () => {
    strictEqual(median([4, 1, 3, 2]), 2.5);
  });

  it('orders numbers as numbers', () => {
    strictEqual(median([100, 9, 20]), 20);
  });

  it('leaves the values as they were', () => {
    const values = [3, 1, 2];
    median(values);
    deepStrictEqual(values, [3, 1, 2]);
  });

  it('refuses no values', () => {
    throws(() => median([]), RangeError);
  });
});

describe('medianInterval', () => {
  it('is the whole range up to 8 values', () => {
    for (const count of [1, 2, 5, 6, 7, 8]) deepStrictEqual(medianInterval(upTo(count)), { low: 1, high: count });
  });

  it('leaves out one value at either end from 9 values on, two from 12, three from 15', () => {
    deepStrictEqual(medianInterval(upTo(9)), { low: 2, high: 8 });
    deepStrictEqual(medianInterval(upTo(11)), { low: 2, high: 10 });
    deepStrictEqual(medianInterval(upTo(12)), { low: 3, high: 10 });
    deepStrictEqual(medianInterval(upTo(15)), { low: 4, high: 12 });
  });

  it('covers the median of a binomial with at least 95 % at every count from 6', () => {
    for (let count = 6; count <= 200; count++) {
      const { low, high } = medianInterval(upTo(count));
      let outside = 0;
      let term = 0.5 ** count;
      for (let below = 0; below < low; below++) {
        outside += term;
        term *= (count - below) / (below + 1);
      }
      strictEqual(high, count + 1 - low);
      strictEqual(2 * outside <= 0.05, true, `count ${count} leaves ${2 * outside} outside`);
    }
  });
});

describe('pairRatios', () => {
  it('divides round by round and leaves out rounds in which either failed', () => {
    deepStrictEqual(pairRatios([10, null, 30, 40], [5, 5, null, 20]), [2, 2]);
  });

  it('leaves out a base of nothing', () => {
    deepStrictEqual(pairRatios([1], [0]), []);
  });

  it('leaves out rounds the base never had', () => {
    deepStrictEqual(pairRatios([1, 2], [1]), [1]);
  });
});

describe('summarise', () => {
  it('gives count, median, spread and both ends', () => {
    deepStrictEqual(summarise([5, 1, 9, 2, 3, 4, 6, 7, 8]), {
      count: 9,
      median: 5,
      spread: { low: 2, high: 8 },
      min: 1,
      max: 9,
    });
  });
});
