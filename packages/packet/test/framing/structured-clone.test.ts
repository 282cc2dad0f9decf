import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { StructuredCloneFramer } from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { cut, feed, joined } from './pull.ts';

const plain: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.string(), fc.double(), fc.bigInt(), fc.boolean(), fc.constant(null), fc.constant(undefined), fc.date()),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(fc.string(), { maxLength: 3 }).map((members) => new Set(members)),
    fc.uint8Array({ maxLength: 10 }).map((bytes) => Buffer.from(bytes)),
  ),
})).value;

framerConformance<unknown, unknown>(
  {
    name: 'StructuredCloneFramer',
    create: (maxFrameBytes) => new StructuredCloneFramer({ maxFrameBytes }),
    messages: [new Map([['a', 1n]]), undefined, Buffer.from('bytes'), [new Date(0), /x/g]],
    arbitrary: () => plain,
    received: (message) => message,
    // Two bytes of version, one of kind, one of length, and the text.
    sized: (bytes) => 'x'.repeat(bytes - 4),
    limit: 40,
    refusedAfter: 4,
    overhead: 4,
    atEnd: 'truncated',
    refusals: ['ERR_PACKET_FRAME_TOO_LARGE', 'ERR_PACKET_FRAME_MALFORMED'],
    markers: [0, 0, 0, 4, 0xff, 0x0f, 0x22],
  },
  2_000,
);

describe('cloned values', () => {
  test('cycles and shared parts come back as such', () => {
    const part = { name: 'shared' };
    const value: Record<string, unknown> = { one: part, two: part };
    value.self = value;
    const framer = new StructuredCloneFramer();
    const [back] = feed(framer, cut(joined(framer.encode(value)), [3])).messages as [Record<string, unknown>];
    assert.equal(back.one, back.two);
    assert.equal(back.self, back);
  });

  test('what cannot be cloned is not encodable, and what is no clone is malformed', () => {
    const framer = new StructuredCloneFramer();
    for (const value of [() => 1, Symbol('s'), { deep: [() => 1] }]) {
      assert.throws(() => framer.encode(value), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
    const { error } = feed(framer, [Buffer.from('00000003616263', 'hex')]);
    assert.equal(error?.code, 'ERR_PACKET_FRAME_MALFORMED');
    assert.ok(error.cause instanceof Error);
  });

  test('wrong options are refused', () => {
    const wrong: readonly unknown[] = [{ maxFrameBytes: 0 }, { maxFrameByte: 3 }];
    for (const options of wrong) {
      assert.throws(() => new StructuredCloneFramer(options as object), {
        code: 'ERR_PACKET_OPTION',
        message: /^StructuredCloneFramer: /,
      });
    }
  });
});
