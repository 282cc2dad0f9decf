import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../src/clock.ts';
import { AcceptRate } from '../../../src/reactor/accepting/accept-rate.ts';

/** How many of `tries` tokens are given at once. */
function taken(rate: AcceptRate, tries: number, source = 'a'): number {
  return Array.from({ length: tries }, () => rate.take(source)).filter(Boolean).length;
}

test('a burst comes through at once, then one each interval', () => {
  const clock = new ManualClock();
  const rate = new AcceptRate(clock, { perSecond: 10, burst: 5 }, 100);
  assert.equal(taken(rate, 20), 5);
  clock.advance(99);
  assert.equal(taken(rate, 1), 0);
  clock.advance(1);
  assert.equal(taken(rate, 2), 1);
  clock.advance(300);
  assert.equal(taken(rate, 20), 3);
  clock.advance(60_000);
  assert.equal(taken(rate, 20), 5, 'a quiet time saves up no more than a burst');
});

test('a rate that does not divide a second loses nothing to rounding', () => {
  const clock = new ManualClock();
  const rate = new AcceptRate(clock, { perSecond: 3, burst: 3 }, 100);
  assert.equal(taken(rate, 9), 3);
  for (let second = 0; second < 100; second++) {
    clock.advance(1000);
    assert.equal(taken(rate, 9), 3);
  }
});

test('one source does not use up the tokens of another', () => {
  const rate = new AcceptRate(new ManualClock(), { perSecond: 1, burst: 2 }, 100);
  assert.equal(taken(rate, 9, 'a'), 2);
  assert.equal(taken(rate, 9, 'b'), 2);
});

test('sources that filled up are forgotten, and above the bound the one longest quiet', () => {
  const clock = new ManualClock();
  const rate = new AcceptRate(clock, { perSecond: 1, burst: 10 }, 3);
  for (const source of ['a', 'b', 'c', 'd', 'e']) assert.equal(taken(rate, 10, source), 10);
  assert.equal(rate.size, 3);
  assert.equal(taken(rate, 1, 'e'), 0);
  clock.advance(10_000);
  for (let add = 0; add < 4; add++) rate.take('z');
  assert.equal(rate.size, 1);
});
