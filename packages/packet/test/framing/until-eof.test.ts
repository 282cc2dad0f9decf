import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { INCOMPLETE, UntilEofFramer } from '../../src/framing/index.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed } from './pull.ts';

describe('UntilEofFramer', () => {
  test('everything up to the end of the peer is one message, however it was split', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), sizes, (sent, chunks) => {
        const framer = new UntilEofFramer();
        const outcome = feed(framer, cut(framer.encode(sent), chunks));
        assert.deepEqual(outcome, { messages: [], error: undefined });
        assert.equal(framer.heldBytes, sent.length);
        assert.deepEqual(framer.finish(), Buffer.from(sent));
        assert.equal(framer.heldBytes, 0);
        assert.equal(framer.finish(), INCOMPLETE);
      }),
      fuzz(2_000),
    );
  });

  test('a peer that ends without a byte sent no message', () => {
    assert.equal(new UntilEofFramer().finish(), INCOMPLETE);
  });

  test('exactly the limit passes, and the first byte over it is refused when it arrives or at the end', () => {
    const fits = new UntilEofFramer({ maxFrameBytes: 4 });
    assert.equal(feed(fits, cut(Buffer.from('four'), [1])).error, undefined);
    assert.equal(String(fits.finish()), 'four');
    const refused = { code: 'ERR_PACKET_FRAME_TOO_LARGE', details: { limit: 4, seen: 5 } };
    for (const pull of ['next', 'finish'] as const) {
      const framer = new UntilEofFramer({ maxFrameBytes: 4 });
      framer.push(Buffer.from('five!'));
      assert.throws(() => framer[pull](), refused);
      framer.push(Buffer.from('more'));
      assert.equal(framer.heldBytes, 0);
      assert.equal(framer.finish(), INCOMPLETE, 'spent');
    }
    assert.throws(() => new UntilEofFramer({ maxFrameBytes: 4 }).encode(Buffer.from('five!')), refused);
  });

  test('release gives what came so far to a successor', () => {
    const framer = new UntilEofFramer();
    for (const chunk of cut(Buffer.from('so far'), [2])) framer.push(chunk);
    assert.equal(framer.release().toString(), 'so far');
    assert.equal(framer.finish(), INCOMPLETE);
  });

  test('there is one message: a second, and an empty one, are not encodable', () => {
    const framer = new UntilEofFramer();
    const any: { encode(message: unknown): unknown } = framer;
    assert.throws(() => any.encode('text'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.throws(() => framer.encode(Buffer.alloc(0)), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.equal(framer.encode(Buffer.from('one')).length, 3);
    assert.throws(() => framer.encode(Buffer.from('two')), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });
});
