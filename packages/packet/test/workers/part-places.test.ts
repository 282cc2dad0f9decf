import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveOptions } from '../../src/options.ts';
import { LANE_OPTIONS } from '../../src/workers/lane-options.ts';
import { placesOf, putParts } from '../../src/workers/part-places.ts';
import { Snapshotter } from '../../src/workers/snapshot.ts';

const limits = resolveOptions('part places', LANE_OPTIONS, {});
const LARGE = new Uint8Array(limits.attachmentBytes).fill(3);

/** What arrives of a value that JSON carries. */
function carried(value: unknown): unknown {
  const { json, value: copy, patches, bytes, parts = [] } = new Snapshotter(limits, false).take(value);
  assert.ok(json, 'JSON carries it');
  const places = placesOf(copy, patches, bytes);
  assert.ok(places !== undefined, 'its places were found');
  const [read, readPlaces] = JSON.parse(JSON.stringify([copy, places])) as unknown[];
  return putParts(
    read,
    readPlaces,
    parts.map((part) => (part.kind === 'text' ? part.text : part.binary)),
  );
}

describe('large parts beside JSON', () => {
  test('go back to where they were, several times if they were, and no deeper', () => {
    const text = 'x'.repeat(limits.textAttachmentUnits + 1);
    const odd = JSON.parse('{"__proto__":1,"constructor":2}') as Record<string, unknown>;
    Object.defineProperty(odd, '__proto__', { value: LARGE, enumerable: true, configurable: true, writable: true });
    for (const value of [
      LARGE,
      ['method', 5, LARGE],
      { list: [1, { deep: [LARGE, text] }, LARGE], empty: [], name: 'n' },
      { '0': LARGE, 'a.b': { '': LARGE } },
      odd,
    ]) {
      assert.deepEqual(carried(value), value);
    }
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  });

  test('are left to V8 where looking for their places would take long', () => {
    const many = Array.from({ length: 33 }, () => LARGE);
    const wide = [LARGE, 'y'.repeat(20_000)];
    for (const value of [many, wide]) {
      const { value: copy, patches, bytes } = new Snapshotter(limits, false).take(value);
      assert.equal(placesOf(copy, patches, bytes), undefined);
    }
  });

  test('are put nowhere but into what the value has itself', () => {
    const parts = [LARGE];
    for (const places of [
      'none',
      [0],
      [[1]],
      [['0']],
      [[-1]],
      [[0, 'missing']],
      [[0, 'toString']],
      [[0, '__proto__', 'spoiled']],
      [[0, 'constructor', 'prototype', 'spoiled']],
      [[0, 'text', 0]],
      [[0, 'list', 'length', 0]],
      [[0, null]],
      [[0, {}, 'list']],
    ]) {
      assert.throws(() => putParts({ list: [[]], text: 't' }, places, parts), TypeError, JSON.stringify(places));
    }
    assert.equal(Object.hasOwn(Object.prototype, 'spoiled'), false);
    assert.equal(Object.hasOwn(Object, 'spoiled'), false);
  });
});
