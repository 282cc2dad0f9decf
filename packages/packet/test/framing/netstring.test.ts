import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue, NetstringFramer } from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined } from './pull.ts';

framerConformance<Buffer, Uint8Array>(
  {
    name: 'NetstringFramer',
    create: (maxFrameBytes) => new NetstringFramer({ maxFrameBytes }),
    messages: [Buffer.from('hello'), Buffer.alloc(0), Buffer.from(',1:'), Buffer.from('hello world!')],
    arbitrary: () =>
      fc.oneof(
        { arbitrary: fc.uint8Array({ maxLength: 30 }), weight: 30 },
        { arbitrary: fc.integer({ min: 16_380, max: 16_390 }).map((size) => Buffer.alloc(size, 'long')), weight: 1 },
      ),
    received: (message) => Buffer.from(message),
    sized: (bytes) => Buffer.alloc(bytes, '7'),
    limit: 12,
    refusedAfter: 2,
    overhead: 3,
    atEnd: 'truncated',
    refusals: ['ERR_PACKET_FRAME_TOO_LARGE', 'ERR_PACKET_FRAME_MALFORMED'],
    markers: [0x30, 0x31, 0x32, 0x3a, 0x3a, 0x2c],
  },
  2_000,
);

/** What netstrings mean, on the whole stream at once; latin1, so that a character is a byte. */
function read(stream: string, limit: number): { messages: string[]; refused: string | undefined } {
  const messages: string[] = [];
  for (let rest = stream; rest !== ''; ) {
    const [header = '', digits = '', colon] = /^(0|[1-9]\d*)?(:)?/.exec(rest) ?? [];
    if (Number(digits) > limit) return { messages, refused: 'ERR_PACKET_FRAME_TOO_LARGE' };
    if (digits === '' || (colon === undefined && header.length < rest.length)) {
      return { messages, refused: 'ERR_PACKET_FRAME_MALFORMED' };
    }
    const end = header.length + Number(digits);
    if (colon === undefined || rest.length <= end) break;
    if (rest[end] !== ',') return { messages, refused: 'ERR_PACKET_FRAME_MALFORMED' };
    messages.push(rest.slice(header.length, end));
    rest = rest.slice(end + 1);
  }
  return { messages, refused: undefined };
}

describe('netstrings', () => {
  test('they are written as the text that defines them says', () => {
    assert.equal(joined(new NetstringFramer().encode(Buffer.from('hello world!'))).toString(), '12:hello world!,');
    assert.equal(joined(new NetstringFramer().encode(Buffer.alloc(0))).toString(), '0:,');
    const any: { encode(message: unknown): unknown } = new NetstringFramer();
    assert.throws(() => any.encode('text'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('a wrong byte is refused when it arrives, with its offset, wherever the bytes are cut', () => {
    const refused: readonly [string, number][] = [
      [':', 0],
      ['x', 0],
      ['-', 0],
      [' ', 0],
      ['00', 1],
      ['01', 1],
      ['5;', 1],
      ['12 ', 2],
      ['0:x', 2],
      ['2:okx', 4],
      ['2:ok:', 4],
    ];
    for (const [wrong, offset] of refused) {
      const bytes = Buffer.from(`2:ok,${wrong}`);
      for (let at = 0; at <= bytes.length; at++) {
        const outcome = feed(new NetstringFramer(), [bytes.subarray(0, at), bytes.subarray(at)]);
        assert.deepEqual(outcome.messages.map(String), ['ok']);
        assert.equal(outcome.error?.code, 'ERR_PACKET_FRAME_MALFORMED');
        assert.deepEqual(outcome.error.details, { offset });
      }
    }
  });

  test('a length without end is refused at the digit that takes it over the limit', () => {
    const framer = new NetstringFramer({ maxFrameBytes: 2_147_483_647 });
    assert.equal(feed(framer, cut(Buffer.from('999999999'), [1])).error, undefined);
    assert.equal(framer.heldBytes, 9, 'nothing but the length is held for a declared gigabyte');
    const { error } = feed(framer, [Buffer.alloc(1_000, '9')]);
    assert.deepEqual(error?.details, { limit: 2_147_483_647, seen: 9_999_999_999 });
  });

  test('the comma is looked for once, when it is there, however many chunks the message comes in', () => {
    const length = 10_000;
    const { byteAt } = ByteQueue.prototype;
    const beyondHeader: number[] = [];
    Object.assign(ByteQueue.prototype, {
      byteAt(this: ByteQueue, position: number): number | undefined {
        if (position > 5) beyondHeader.push(position);
        return byteAt.call(this, position);
      },
    });
    try {
      const { messages } = feed(new NetstringFramer(), cut(Buffer.from(`${length}:${'x'.repeat(length)},`), [100]));
      assert.equal(messages[0]?.length, length);
      assert.deepEqual(beyondHeader, [6 + length]);
    } finally {
      Object.assign(ByteQueue.prototype, { byteAt });
    }
  });

  test('any bytes, split in any way, are cut as on the whole stream at once', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom('0', '1', '2', ':', ',', 'x'), maxLength: 40 }),
      fc
        .array(fc.constantFrom('0:,', '1:x,', '2:1:,', '12:hello world!,', '9:'), { maxLength: 6 })
        .map((all) => all.join('')),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(text, sizes, fc.integer({ min: 1, max: 15 }), (stream, chunks, maxFrameBytes) => {
        const outcome = feed(new NetstringFramer({ maxFrameBytes }), cut(Buffer.from(stream), chunks));
        const { messages, refused } = read(stream, maxFrameBytes);
        assert.deepEqual(outcome.messages.map(String), messages);
        assert.equal(outcome.error?.code, refused);
      }),
      fuzz(20_000),
    );
  });
});
