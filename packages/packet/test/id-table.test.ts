import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdTable } from '../src/id-table.ts';

const id = fc.oneof(fc.nat(64), fc.maxSafeNat());

test('whatever is added and deleted, it holds what a Map would', () => {
  const step = fc.oneof(
    fc.record({ add: id }),
    fc.record({ delete: id }),
    fc.record({ get: id }),
    fc.constant({ clear: true }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const table = new IdTable<{ readonly id: number }>();
      const model = new Map<number, { readonly id: number }>();
      for (const one of steps) {
        if ('add' in one) {
          const item = { id: one.add };
          table.add(item);
          model.set(item.id, item);
        } else if ('delete' in one) assert.equal(table.delete(one.delete), model.delete(one.delete));
        else if ('get' in one) assert.equal(table.get(one.get), model.get(one.get));
        else {
          table.clear();
          model.clear();
        }
        assert.equal(table.size, model.size);
      }
      assert.deepEqual(new Set(table.all()), new Set(model.values()));
      for (const [key, item] of model) assert.equal(table.get(key), item);
    }),
  );
});

test('ids in order, most of them long gone: those that stay are found', () => {
  const table = new IdTable<{ readonly id: number }>();
  const kept: number[] = [];
  for (let number = 1; number <= 20_000; number++) {
    table.add({ id: number });
    if (number % 1000 === 0) kept.push(number);
    const old = number - 64;
    if (old > 0 && old % 1000 !== 0) assert.equal(table.delete(old), true);
  }
  for (const number of kept) assert.equal(table.get(number)?.id, number);
  assert.equal(table.size, 64 + kept.length - 1);
});
