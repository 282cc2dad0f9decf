import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Framer, INCOMPLETE, LineBinaryFramer } from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined } from './pull.ts';

/** Announces a block in the line before it, as a program does: `#5` and five bytes. */
class Announcing implements Framer<string | Buffer, string | Uint8Array> {
  readonly #inner: LineBinaryFramer;
  constructor(maxFrameBytes: number) {
    this.#inner = new LineBinaryFramer({ maxFrameBytes });
  }
  get heldBytes(): number {
    return this.#inner.heldBytes;
  }
  push(chunk: Buffer): void {
    this.#inner.push(chunk);
  }
  next(): string | Buffer | typeof INCOMPLETE {
    return this.#expecting(this.#inner.next());
  }
  finish(): string | Buffer | typeof INCOMPLETE {
    return this.#expecting(this.#inner.finish());
  }
  release(): Buffer {
    return this.#inner.release();
  }
  encode(message: string | Uint8Array): Uint8Array {
    return this.#inner.encode(message);
  }
  #expecting(message: string | Buffer | typeof INCOMPLETE): string | Buffer | typeof INCOMPLETE {
    if (typeof message === 'string' && message.startsWith('#')) this.#inner.expectBytes(Number(message.slice(1)));
    return message;
  }
}

framerConformance<string | Buffer, string | Uint8Array>(
  {
    name: 'LineBinaryFramer that has read only lines',
    create: (maxFrameBytes) => new LineBinaryFramer({ maxFrameBytes }),
    messages: ['one', '', 'é€😀', 'x\ry'],
    arbitrary: () => fc.string({ unit: fc.constantFrom('a', 'b', '\0', '€'), maxLength: 30 }),
    received: (message) => String(message),
    sized: (bytes) => 'x'.repeat(bytes),
    limit: 12,
    refusedAfter: 13,
    overhead: 1,
    atEnd: 'deliver',
    refusals: ['ERR_PACKET_FRAME_TOO_LARGE'],
    markers: [0x0a, 0x0d],
  },
  2_000,
);

describe('lines and blocks', () => {
  const sent: readonly (string | Buffer)[] = [
    'PUT',
    '#5',
    Buffer.from('a\nb\r\n'),
    '#0',
    Buffer.alloc(0),
    '',
    '#1',
    Buffer.from('\n'),
    'QUIT',
  ];
  const stream = Buffer.concat(sent.map((message) => joined(new Announcing(100).encode(message))));

  test('they alternate at exactly the byte where a block was announced, wherever the bytes are cut', () => {
    for (let at = 0; at <= stream.length; at++) {
      const outcome = feed(new Announcing(100), [stream.subarray(0, at), stream.subarray(at)]);
      assert.deepEqual(outcome, { messages: sent, error: undefined }, `cut at ${at}`);
    }
    assert.deepEqual(feed(new Announcing(100), cut(stream, [1])).messages, sent);
  });

  test('any lines and blocks, split in any way, come back', () => {
    const line = fc.string({ unit: fc.constantFrom('a', '€', '\0'), maxLength: 10 }).map((text) => [text]);
    const block = fc.uint8Array({ maxLength: 20 }).map((bytes) => [`#${bytes.length}`, Buffer.from(bytes)]);
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.oneof(line, block), { maxLength: 12 }), sizes, (given, chunks) => {
        const messages = given.flat();
        const framer = new Announcing(100);
        const bytes = Buffer.concat(messages.map((message) => joined(framer.encode(message))));
        assert.deepEqual(feed(framer, cut(bytes, chunks)), { messages, error: undefined });
        assert.equal(framer.finish(), INCOMPLETE);
      }),
      fuzz(5_000),
    );
  });

  test('a block that is called off is read as lines', () => {
    const framer = new LineBinaryFramer();
    framer.expectBytes(100);
    assert.deepEqual(feed(framer, [Buffer.from('no\nblock\n')]).messages, []);
    framer.expectLines();
    assert.deepEqual(feed(framer, []).messages, []);
    assert.equal(framer.next(), 'no');
    assert.equal(framer.next(), 'block');
  });

  test('a block the peer does not finish is truncated, also when not a byte of it came', () => {
    for (const part of ['', 'ab']) {
      const framer = new LineBinaryFramer();
      framer.expectBytes(3);
      framer.push(Buffer.from(part));
      assert.throws(() => framer.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED', details: { heldBytes: part.length } });
      framer.expectBytes(0);
      assert.equal(framer.next(), INCOMPLETE, 'spent');
      assert.equal(framer.finish(), INCOMPLETE);
    }
    const whole = new LineBinaryFramer();
    whole.expectBytes(2);
    whole.push(Buffer.from('abc'));
    assert.deepEqual(whole.finish(), Buffer.from('ab'));
    assert.equal(whole.finish(), 'c');
  });

  test('a block over the limit is refused when it is announced, and when it is sent', () => {
    const framer = new LineBinaryFramer({ maxFrameBytes: 4 });
    const refused = { code: 'ERR_PACKET_FRAME_TOO_LARGE', details: { limit: 4, seen: 5 } };
    assert.throws(() => framer.expectBytes(5), refused);
    assert.throws(() => framer.encode(Buffer.alloc(5)), refused);
    assert.deepEqual(feed(framer, [Buffer.from('line\n')]).messages, ['line'], 'and nothing was changed');
    framer.expectBytes(4);
    assert.deepEqual(feed(framer, [Buffer.from('four')]).messages, [Buffer.from('four')]);
    for (const size of [-1, 1.5, Number.NaN, '3']) {
      assert.throws(() => framer.expectBytes(size as number), { code: 'ERR_PACKET_OPTION' });
    }
  });

  test('lines are text in the encoding given, with the ends given', () => {
    const framer = new LineBinaryFramer({ encoding: 'latin1', sendCarriageReturn: true });
    assert.equal(joined(framer.encode('é')).toString('hex'), 'e90d0a');
    assert.deepEqual(feed(framer, [Buffer.from('e90a', 'hex')]).messages, ['é']);
    const any: { encode(message: unknown): unknown } = framer;
    assert.throws(() => any.encode(5), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });
});
