import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scaled, testSeed } from '@packet/testing';
import fc from 'fast-check';
import { ManualClock } from '../src/clock.ts';
import { Deadlines, type Waiting } from '../src/deadlines.ts';

interface Item extends Waiting {
  readonly name: number;
}

function item(name: number, dueAt: number): Item {
  return { name, dueAt, heapIndex: -1 };
}

test('things become due in their order, whatever order they came in and whichever left early', () => {
  const times = fc.array(fc.record({ dueAt: fc.integer({ min: 1, max: 50 }), leaves: fc.boolean() }));
  fc.assert(
    fc.property(times, (entries) => {
      const clock = new ManualClock();
      const due: Item[] = [];
      const deadlines = new Deadlines<Item>(clock, (one) => due.push(one));
      const items = entries.map(({ dueAt }, name) => item(name, dueAt));
      for (const one of items) deadlines.add(one);
      for (const [index, { leaves }] of entries.entries()) {
        const one = items[index];
        if (leaves && one !== undefined) deadlines.remove(one);
      }
      clock.advance(100);
      const stayed = items.filter((_, index) => entries[index]?.leaves === false);
      assert.deepEqual(
        due.map((one) => one.dueAt),
        stayed.map((one) => one.dueAt).sort((a, b) => a - b),
      );
      assert.equal(new Set(due).size, stayed.length);
      assert.equal(clock.pending, 0);
    }),
    { seed: testSeed, numRuns: scaled(50_000, 100) },
  );
});

test('one timer serves all, and none is set while nothing waits', () => {
  const clock = new ManualClock();
  const due: number[] = [];
  const deadlines = new Deadlines<Item>(clock, ({ name }) => due.push(name));
  assert.equal(clock.pending, 0);
  const items = [item(1, 30), item(2, 10), item(3, 20)];
  for (const one of items) deadlines.add(one);
  assert.equal(clock.pending, 1);
  clock.advance(10);
  assert.deepEqual(due, [2]);
  assert.equal(clock.pending, 1);
  for (const one of items) deadlines.remove(one);
  assert.equal(clock.pending, 0);
  assert.equal(deadlines.size, 0);
});

test('a timer that nothing waits for serves those that come later, and does no harm when it fires', () => {
  const clock = new ManualClock();
  let timers = 0;
  const setTimer = clock.setTimer.bind(clock);
  clock.setTimer = (delayMs, fire) => {
    timers++;
    return setTimer(delayMs, fire);
  };
  const due: number[] = [];
  const deadlines = new Deadlines<Item>(clock, ({ name }) => due.push(name));
  for (let name = 0; name < 10; name++) {
    const one = item(name, 30 + name);
    deadlines.add(one);
    assert.equal(clock.pending, 1);
    deadlines.remove(one);
    assert.equal(clock.pending, 0, 'nothing keeps the process running');
  }
  assert.equal(timers, 1);
  clock.advance(100);
  deadlines.add(item(10, 150));
  deadlines.add(item(11, 140));
  clock.advance(39);
  assert.deepEqual(due, []);
  clock.advance(11);
  assert.deepEqual(due, [11, 10]);
  assert.equal(clock.pending, 0);
});

test('what becomes due may add and remove others', () => {
  const clock = new ManualClock();
  const due: number[] = [];
  const second = item(2, 10);
  const deadlines: Deadlines<Item> = new Deadlines<Item>(clock, (one) => {
    due.push(one.name);
    if (one.name !== 1) return;
    deadlines.remove(second);
    deadlines.add(item(3, 15));
    deadlines.add(item(4, 5));
  });
  deadlines.add(item(1, 10));
  deadlines.add(second);
  clock.advance(20);
  assert.deepEqual(due, [1, 4, 3]);
});
