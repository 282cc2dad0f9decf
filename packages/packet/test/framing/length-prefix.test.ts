import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LengthPrefixFramer, type LengthPrefixFramerOptions, type LengthWidth } from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined } from './pull.ts';

const CASES = 2_000;
const ENDIANS = ['big', 'little'] as const;
const HEADERS: readonly (readonly [LengthWidth, 'big' | 'little', number, number])[] = [
  ['u8', 'big', 1, 0xff],
  ['u16', 'big', 2, 0xffff],
  ['u16', 'little', 2, 0xffff],
  ['u32', 'big', 4, 100_000],
  ['u32', 'little', 4, 100_000],
  ['u64', 'big', 8, 100_000],
  ['u64', 'little', 8, 100_000],
  ['varint', 'big', 1, 100_000],
  ['ascii9', 'big', 9, 100_000],
];

for (const [width, endian, headerBytes, expressible] of HEADERS) {
  framerConformance<Buffer, Uint8Array>(
    {
      name: `LengthPrefixFramer ${width} ${endian}`,
      create: (maxFrameBytes) => new LengthPrefixFramer({ width, endian, maxFrameBytes }),
      messages: [Buffer.from('one'), Buffer.alloc(0), Buffer.of(0, 1, 0xff), Buffer.from('four!')],
      arbitrary: (limit) => {
        const most = Math.min(expressible, limit);
        const short = fc.uint8Array({ maxLength: 30 });
        // Long ones cross the bound from which header and message are gathered.
        const long = fc.integer({ min: Math.min(200, most), max: most }).map((size) => Buffer.alloc(size, 'long'));
        return fc.oneof({ arbitrary: short, weight: 30 }, { arbitrary: long, weight: 1 });
      },
      received: (message) => Buffer.from(message),
      sized: (bytes) => Buffer.alloc(bytes, '7'),
      limit: 12,
      refusedAfter: headerBytes,
      // A length of one byte may be written in up to ten, all but the last of which are held.
      overhead: width === 'varint' ? 9 : headerBytes,
      atEnd: 'truncated',
      refusals: [
        'ERR_PACKET_FRAME_TOO_LARGE',
        ...(width === 'ascii9' || width === 'varint' ? ['ERR_PACKET_FRAME_MALFORMED'] : []),
      ],
      markers: [0, 1, 5, 0x30, 0x31, 0x80],
    },
    CASES,
  );
}

describe('length-prefixed messages', () => {
  test('every width and byte order is written as the literal bytes of its format', () => {
    const header = (options: LengthPrefixFramerOptions, size: number): string =>
      joined(new LengthPrefixFramer(options).encode(Buffer.alloc(size)))
        .subarray(0, -size)
        .toString('hex');
    assert.equal(header({ width: 'u8' }, 0xab), 'ab');
    assert.equal(header({ width: 'u16' }, 0x1234), '1234');
    assert.equal(header({ width: 'u16', endian: 'little' }, 0x1234), '3412');
    assert.equal(header({ width: 'u32' }, 0x12345), '00012345');
    assert.equal(header({ width: 'u32', endian: 'little' }, 0x12345), '45230100');
    assert.equal(header({ width: 'u64' }, 0x12345), '0000000000012345');
    assert.equal(header({ width: 'u64', endian: 'little' }, 0x12345), '4523010000000000');
    assert.equal(header({ width: 'varint' }, 127), '7f');
    assert.equal(header({ width: 'varint' }, 128), '8001');
    assert.equal(header({ width: 'varint' }, 300), 'ac02', 'the example of the protobuf documentation');
    assert.equal(header({ width: 'varint' }, 100_000), 'a08d06');
    assert.equal(header({ width: 'ascii9' }, 4210), Buffer.from('000004210').toString('hex'));
    assert.equal(header({}, 3), '00000003', 'u32 in network order is the default');
  });

  test('encode refuses what the width cannot express', () => {
    const refusals: readonly [LengthWidth, number][] = [
      ['u8', 0xff],
      ['u16', 0xffff],
    ];
    for (const [width, limit] of refusals) {
      const framer = new LengthPrefixFramer({ width });
      assert.equal(joined(framer.encode(Buffer.alloc(limit))).length, limit + (width === 'u8' ? 1 : 2));
      const details = { limit, seen: limit + 1 };
      assert.throws(() => framer.encode(Buffer.alloc(limit + 1)), { code: 'ERR_PACKET_NOT_ENCODABLE', details });
    }
    const any: { encode(message: unknown): unknown } = new LengthPrefixFramer();
    assert.throws(() => any.encode('text'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('an ASCII length ends at 999,999,999, which the limit may allow', () => {
    const framer = new LengthPrefixFramer({ width: 'ascii9', maxFrameBytes: 2_147_483_647 });
    const huge = new Uint8Array(1_000_000_000);
    assert.throws(() => framer.encode(huge), {
      code: 'ERR_PACKET_NOT_ENCODABLE',
      details: { limit: 999_999_999, seen: 1_000_000_000 },
    });
    assert.equal(feed(framer, [Buffer.from('999999999')]).error, undefined);
    assert.equal(framer.heldBytes, 9, 'nothing but the header is held for a declared gigabyte');
  });

  test('a u64 length beyond the safe integers is too large and reported to the byte', () => {
    for (const [hex, seen] of [
      ['0020000000000001', '9007199254740993'],
      ['ffffffffffffffff', '18446744073709551615'],
      ['001fffffffffffff', 9_007_199_254_740_991],
      ['0000000080000000', 2_147_483_648],
    ] as const) {
      for (const endian of ENDIANS) {
        const bytes = Buffer.from(hex, 'hex');
        const framer = new LengthPrefixFramer({ width: 'u64', endian, maxFrameBytes: 2_147_483_647 });
        const { error } = feed(framer, [endian === 'big' ? bytes : bytes.reverse()]);
        assert.equal(error?.code, 'ERR_PACKET_FRAME_TOO_LARGE');
        assert.deepEqual(error.details, { limit: 2_147_483_647, seen });
      }
    }
  });

  test('a varint length beyond 64 bits, or written in more bytes than it needs, is refused at the byte that shows it', () => {
    const refused: readonly [string, number][] = [
      ['8000', 1],
      ['ff00', 1],
      ['80808000', 3],
      ['80808080808080808000', 9],
      ['80808080808080808080', 9],
      ['ffffffffffffffffff02', 9],
    ];
    for (const [hex, offset] of refused) {
      const bytes = Buffer.concat([Buffer.from('026f6b', 'hex'), Buffer.from(hex, 'hex')]);
      for (let at = 0; at <= bytes.length; at++) {
        const outcome = feed(new LengthPrefixFramer({ width: 'varint' }), [bytes.subarray(0, at), bytes.subarray(at)]);
        assert.deepEqual(outcome.messages, [Buffer.from('ok')]);
        assert.equal(outcome.error?.code, 'ERR_PACKET_FRAME_MALFORMED');
        assert.deepEqual(outcome.error.details, { offset });
      }
      const early = Buffer.from(hex, 'hex').subarray(0, offset);
      assert.equal(feed(new LengthPrefixFramer({ width: 'varint' }), cut(early, [1])).error, undefined);
    }
  });

  test('a varint length over the limit is too large and reported to the byte', () => {
    for (const [hex, seen] of [
      ['8080808008', 2_147_483_648],
      ['ffffffffffffff0f', 9_007_199_254_740_991],
      ['8180808080808010', '9007199254740993'],
      ['ffffffffffffffffff01', '18446744073709551615'],
    ] as const) {
      const framer = new LengthPrefixFramer({ width: 'varint', maxFrameBytes: 2_147_483_647 });
      const { error } = feed(framer, cut(Buffer.from(hex, 'hex'), [1]));
      assert.equal(error?.code, 'ERR_PACKET_FRAME_TOO_LARGE');
      assert.deepEqual(error.details, { limit: 2_147_483_647, seen });
    }
  });

  test('a byte that is no digit is refused when it arrives, wherever the bytes are cut', () => {
    const messages = [Buffer.from('ok')];
    for (let offset = 0; offset < 9; offset++) {
      for (const wrong of ['/', ':', ' ', '-', '\0', '\u00b2']) {
        const digits = Buffer.from('000000001');
        digits.write(wrong, offset, 1, 'latin1');
        const stream = Buffer.concat([Buffer.from('000000002ok'), digits.subarray(0, offset + 1)]);
        for (let at = 0; at <= stream.length; at++) {
          const outcome = feed(new LengthPrefixFramer({ width: 'ascii9' }), [
            stream.subarray(0, at),
            stream.subarray(at),
          ]);
          assert.deepEqual(outcome.messages, messages);
          assert.equal(outcome.error?.code, 'ERR_PACKET_FRAME_MALFORMED');
          assert.deepEqual(outcome.error.details, { offset });
        }
      }
    }
  });

  test('any bytes, split in any way, are cut as on the whole stream at once', () => {
    const stream = fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 255 })), {
      maxLength: 80,
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        stream,
        sizes,
        fc.constantFrom(...ENDIANS),
        fc.constantFrom(1, 2),
        (values, chunks, endian, bytes) => {
          const whole = Buffer.from(values);
          const limit = bytes === 1 ? 100 : 300;
          const expected: Buffer[] = [];
          let refused = false;
          let at = 0;
          while (!refused && at + bytes <= whole.length) {
            const length = endian === 'big' ? whole.readUIntBE(at, bytes) : whole.readUIntLE(at, bytes);
            refused = length > limit;
            if (refused || at + bytes + length > whole.length) break;
            expected.push(whole.subarray(at + bytes, at + bytes + length));
            at += bytes + length;
          }
          const framer = new LengthPrefixFramer({ width: bytes === 1 ? 'u8' : 'u16', endian, maxFrameBytes: limit });
          const outcome = feed(framer, cut(whole, chunks));
          assert.deepEqual(outcome.messages, expected);
          assert.equal(outcome.error?.code, refused ? 'ERR_PACKET_FRAME_TOO_LARGE' : undefined);
          if (!refused) assert.deepEqual(framer.release(), whole.subarray(at));
        },
      ),
      fuzz(5_000),
    );
  });

  test('a message in one chunk is a view of it, and a long one is sent without copying', () => {
    const framer = new LengthPrefixFramer();
    const [chunk] = cut(joined(framer.encode(Buffer.from('whole'))), [100]);
    assert.ok(chunk !== undefined);
    assert.equal(feed(framer, [chunk]).messages[0]?.buffer, chunk.buffer);
    const long = new Uint8Array(16_384);
    const encoded = framer.encode(long);
    assert.ok(Array.isArray(encoded));
    assert.equal(encoded[1], long);
  });

  test('wrong options are refused with the name, the bounds and the value', () => {
    const refused: readonly [unknown, RegExp][] = [
      [{ width: 'u24' }, /LengthPrefixFramer: width must be one of u8, u16, u32, u64, varint, ascii9, got "u24"/],
      [{ endian: 'network' }, /endian must be one of big, little, got "network"/],
      [{ maxFrameBytes: 1.5 }, /maxFrameBytes must be an integer in 1\.\.2147483647 \(bytes\), got 1\.5/],
      [{ limit: 5 }, /unknown option "limit"/],
    ];
    for (const [options, message] of refused) {
      assert.throws(() => new LengthPrefixFramer(options as LengthPrefixFramerOptions), {
        code: 'ERR_PACKET_OPTION',
        message,
      });
    }
  });
});
