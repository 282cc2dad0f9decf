import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { ByteQueue, LengthPrefixFramer, LineFramer } from '../../src/framing/index.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined } from './pull.ts';

const NEEDLE = Buffer.from('aab');

interface Touched {
  allocated: number;
  copied: number;
  searched: number;
}

/** Bytes allocated, copied and searched by Buffer's own methods while `work` runs: a count, where a clock would only hint. */
function bytesTouched(work: () => void): Touched {
  const touched: Touched = { allocated: 0, copied: 0, searched: 0 };
  const { copy, indexOf } = Buffer.prototype;
  const { allocUnsafe, concat } = Buffer;
  Object.assign(Buffer.prototype, {
    copy(this: Buffer, ...args: Parameters<Buffer['copy']>): number {
      const count = copy.apply(this, args);
      touched.copied += count;
      return count;
    },
    indexOf(this: Buffer, value: string | number | Uint8Array, from = 0): number {
      const at = indexOf.call(this, value, from);
      touched.searched += Math.max(0, (at < 0 ? this.length : at) - from);
      return at;
    },
  });
  Object.assign(Buffer, {
    allocUnsafe(size: number): Buffer {
      touched.allocated += size;
      return allocUnsafe(size);
    },
    concat(...args: Parameters<typeof Buffer.concat>): Buffer {
      const bytes = concat(...args);
      touched.allocated += bytes.length;
      touched.copied += bytes.length;
      return bytes;
    },
  });
  try {
    work();
  } finally {
    Object.assign(Buffer.prototype, { copy, indexOf });
    Object.assign(Buffer, { allocUnsafe, concat });
  }
  return touched;
}

describe('ByteQueue', () => {
  test('it behaves like one long buffer under any pushes, searches and takes', () => {
    // Sizes on both sides of what is copied and what is kept as a view.
    const size = fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 900, max: 3000 }));
    const text = fc.tuple(size, fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 12 }));
    const step = fc.oneof(
      fc.record({ push: text, within: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ take: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ read: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.constantFrom('find' as const, 'compact' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        const taken: { readonly bytes: Buffer; readonly was: string }[] = [];
        let model = '';
        for (const now of steps) {
          if (now === 'find') assert.equal(queue.find(NEEDLE), model.indexOf('aab'));
          else if (now === 'compact') queue.compact();
          else if ('push' in now) {
            const bytes = now.push[1].padEnd(now.push[0], 'ab');
            // A view that shows the whole of its memory, or a fraction of it.
            const memory = Buffer.alloc(bytes.length * now.within);
            memory.write(bytes);
            queue.push(memory.subarray(0, bytes.length));
            model += bytes;
          } else if ('read' in now) {
            const at = Math.floor(now.read * model.length);
            assert.equal(queue.byteAt(at), at < model.length ? model.charCodeAt(at) : undefined);
            assert.equal(queue.peek(at).toString(), model.slice(0, at), 'peeking takes nothing');
          } else {
            const count = Math.floor(now.take * model.length);
            taken.push({ bytes: queue.take(count), was: model.slice(0, count) });
            model = model.slice(count);
          }
          assert.equal(queue.length, model.length);
          assert.equal(
            queue.byteAt(queue.length - 1),
            model.length === 0 ? undefined : model.charCodeAt(model.length - 1),
          );
          assert.equal(queue.byteAt(queue.length), undefined);
        }
        for (const { bytes, was } of taken) assert.equal(bytes.toString(), was, 'what was taken stays as it was');
        assert.equal(queue.release().toString(), model);
      }),
      fuzz(10_000),
    );
  });

  test('asking for more than is held is refused and takes nothing', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.from('ab'));
    const refusal = { code: 'ERR_PACKET_STATE', details: { size: 3, heldBytes: 2 } };
    assert.throws(() => queue.take(3), refusal);
    assert.throws(() => queue.takeText(3, 'utf8'), refusal);
    assert.throws(() => queue.skip(3), refusal);
    assert.throws(() => queue.take(-1), { code: 'ERR_PACKET_STATE' });
    assert.throws(() => queue.takeText(-1, 'utf8'), { code: 'ERR_PACKET_STATE' });
    assert.throws(() => queue.find(Buffer.alloc(0)), { code: 'ERR_PACKET_STATE' });
    assert.equal(queue.take(2).toString(), 'ab');
    assert.equal(queue.take(0).length, 0);
  });

  test('a rest does not keep the chunk it came in alive once the queue is compacted', () => {
    const queue = new ByteQueue();
    const [chunk] = cut(Buffer.alloc(65_536, 'a'), [65_536]);
    assert.ok(chunk !== undefined);
    queue.push(chunk);
    queue.skip(65_526);
    assert.equal(queue.find(NEEDLE), -1);
    queue.compact();
    const moved = queue.take(5);
    assert.equal(moved.toString(), 'aaaaa');
    assert.notEqual(moved.buffer, chunk.buffer);
    queue.push(Buffer.from('b'));
    assert.equal(queue.find(NEEDLE), 3);
  });

  test('compacting a rest leaves the chunks behind it alone', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.alloc(65_536, 'a'));
    queue.skip(65_535);
    queue.push(Buffer.alloc(2048, 'b'));
    queue.compact();
    assert.equal(queue.release().toString(), `a${'b'.repeat(2048)}`);
  });

  test('a taken chunk is let go while later ones wait', async () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    assert.ok(typeof collect === 'function');
    const queue = new ByteQueue();
    const chunks = [0, 1, 2].map((): WeakRef<ArrayBufferLike> => {
      const [chunk] = cut(Buffer.alloc(2048), [2048]);
      assert.ok(chunk !== undefined);
      queue.push(chunk);
      return new WeakRef(chunk.buffer);
    });
    queue.skip(2049);
    // A WeakRef holds its target until the turn that made it is over.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    assert.deepEqual(
      chunks.map((chunk) => chunk.deref() !== undefined),
      [false, true, true],
    );
    assert.equal(queue.length, 3 * 2048 - 2049);
  });

  test('a chunk is kept as a view, or copied when it is small', () => {
    const queue = new ByteQueue();
    const [first, large, small] = cut(Buffer.alloc(3072 + 100), [1024, 2048, 100]);
    assert.ok(first !== undefined && large !== undefined && small !== undefined);
    for (const chunk of [first, large, small]) queue.push(chunk);
    assert.equal(queue.take(1024).buffer, first.buffer);
    assert.equal(queue.take(2048).buffer, large.buffer);
    assert.notEqual(queue.take(100).buffer, small.buffer);
  });

  test('small views of big memory are copied, so what is pinned stays near what is held', () => {
    const queue = new ByteQueue();
    const slabs = Array.from({ length: 8 }, () => Buffer.alloc(65_536, 'a'));
    for (const slab of slabs) queue.push(slab.subarray(0, 2000));
    queue.skip(2000);
    for (let left = 7; left > 0; left--) {
      const view = queue.take(2000);
      assert.ok(!slabs.some((slab) => slab.buffer === view.buffer));
    }
  });

  test('a message of n bytes in chunks of any size costs O(n) bytes allocated, copied and searched', () => {
    const size = 65_536;
    const line = Buffer.concat([Buffer.alloc(size - 1, 'a'), Buffer.from('\n')]);
    const frame = joined(new LengthPrefixFramer().encode(Buffer.alloc(size)));
    for (const chunkSize of [1, 7, 1000, 1100, size]) {
      for (const [framer, bytes] of [
        [new LineFramer(), line],
        [new LineFramer({ delimiter: 'b\n' }), Buffer.concat([line.subarray(0, -2), Buffer.from('b\n')])],
        [new LengthPrefixFramer(), frame],
      ] as const) {
        const chunks = cut(bytes, [chunkSize]);
        let messages = 0;
        const touched = bytesTouched(() => {
          messages = feed<unknown>(framer, chunks).messages.length;
        });
        assert.equal(messages, 1);
        assert.ok(touched.allocated <= bytes.length * 4, `${touched.allocated} bytes allocated for ${chunkSize}`);
        assert.ok(touched.copied <= bytes.length * 2, `${touched.copied} bytes copied in chunks of ${chunkSize}`);
        assert.ok(touched.searched <= bytes.length * 4, `${touched.searched} bytes searched in chunks of ${chunkSize}`);
      }
    }
  });
});
