import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FixedLengthFramer, type FixedLengthFramerOptions } from '../../src/framing/index.ts';
import { streamConformance } from './framer-conformance.ts';
import { cut, feed } from './pull.ts';

const CASES = 2_000;

for (const size of [2, 7, 3_000]) {
  streamConformance<Buffer, Uint8Array>(
    {
      name: `FixedLengthFramer of ${size} bytes`,
      create: () => new FixedLengthFramer({ size }),
      messages: [Buffer.alloc(size, 'one'), Buffer.alloc(size, 0), Buffer.alloc(size, '\r\n')].slice(
        0,
        size > 9 ? 1 : 3,
      ),
      arbitrary: () => fc.uint8Array({ minLength: size, maxLength: size }),
      received: (message) => Buffer.from(message),
      mostHeld: size - 1,
      atEnd: 'truncated',
      refusals: [],
      markers: [0, 0x0a],
    },
    size > 9 ? 500 : CASES,
  );
}

describe('records', () => {
  test('one of a single byte is each byte', () => {
    const framer = new FixedLengthFramer({ size: 1 });
    assert.deepEqual(feed(framer, cut(Buffer.from('abc'), [2])).messages.map(String), ['a', 'b', 'c']);
  });

  test('a message of any other size is not encodable', () => {
    const framer: { encode(message: unknown): unknown } = new FixedLengthFramer({ size: 3 });
    for (const size of [0, 2, 4]) {
      const details = { size: 3, seen: size };
      assert.throws(() => framer.encode(Buffer.alloc(size)), { code: 'ERR_PACKET_NOT_ENCODABLE', details });
    }
    assert.throws(() => framer.encode('abc'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('a size must be given, and be one', () => {
    const refused: readonly [unknown, RegExp][] = [
      [{}, /FixedLengthFramer: size must be given, in 1\.\.2147483647/],
      [{ size: 0 }, /size must be an integer in 1\.\.2147483647 \(bytes\), got 0/],
      [{ size: 2.5 }, /got 2\.5/],
      [{ size: 3, maxFrameBytes: 9 }, /unknown option "maxFrameBytes"/],
    ];
    for (const [options, message] of refused) {
      assert.throws(() => new FixedLengthFramer(options as FixedLengthFramerOptions), {
        code: 'ERR_PACKET_OPTION',
        message,
      });
    }
  });
});
