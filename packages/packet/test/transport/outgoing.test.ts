import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Outgoing } from '../../src/transport/outgoing.ts';
import { pattern } from './stage.ts';

function takeAll(outgoing: Outgoing, limit: number): Uint8Array[] {
  const slices: Uint8Array[] = [];
  for (let slice = outgoing.take(limit); slice !== undefined; slice = outgoing.take(limit)) slices.push(slice);
  return slices;
}

test('whatever is pushed and taken in between, the bytes come out in their order', () => {
  const step = fc.oneof(
    fc.record({ push: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 900, max: 3000 })) }),
    fc.record({ take: fc.integer({ min: 1, max: 2500 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const outgoing = new Outgoing(() => undefined);
      const pushed: Buffer[] = [];
      const taken: Uint8Array[] = [];
      for (const [seed, it] of steps.entries()) {
        if ('push' in it) {
          const bytes = pattern(it.push, seed);
          pushed.push(bytes);
          outgoing.push(bytes);
        } else {
          const slice = outgoing.take(it.take);
          if (slice !== undefined) taken.push(slice);
          assert(slice === undefined || slice.byteLength <= it.take);
        }
        const count = (list: readonly Uint8Array[]): number =>
          list.reduce((sum, { byteLength }) => sum + byteLength, 0);
        assert.equal(outgoing.bytes, count(pushed) - count(taken));
        assert.equal(outgoing.isEmpty, outgoing.bytes === 0);
      }
      // What was taken early has not changed since.
      assert.deepEqual(Buffer.concat([...taken, ...takeAll(outgoing, 1000)]), Buffer.concat(pushed));
    }),
  );
});

test('short writes are held together: a peer that does not read cannot make them cost more than their bytes', () => {
  const outgoing = new Outgoing(() => undefined);
  const byte = Buffer.from('x');
  for (let count = 0; count < 100_000; count++) outgoing.push(byte);
  assert.equal(outgoing.bytes, 100_000);
  const slices = takeAll(outgoing, 65_536);
  assert(slices.length <= 12, `${slices.length} slices`);
  const held = new Set(slices.map((slice) => slice.buffer));
  const memory = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert(memory <= 100_000 + 16_384, `${memory} bytes of memory`);
});
