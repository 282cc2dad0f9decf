import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Framer,
  INCOMPLETE,
  LengthPrefixFramer,
  LineBinaryFramer,
  LineFramer,
  StructuredCloneFramer,
} from '../../src/framing/index.ts';
import { cut, feed, pull } from './pull.ts';

/** What EventMachine's protocols and Packet's BinParser got wrong, each once. */
describe('defects of the originals', () => {
  test('LineProtocol: a chunk that ends with a line end does not deliver its lines again', () => {
    for (const create of [() => new LineFramer(), () => new LineBinaryFramer()]) {
      const { messages } = feed<unknown>(create(), [
        Buffer.from('a\n'),
        Buffer.from('b\n'),
        Buffer.from('c\nd'),
        Buffer.from('\n'),
      ]);
      assert.deepEqual(messages, ['a', 'b', 'c', 'd']);
    }
  });

  test('LineText2: a line has a limit, and half a block is not delivered when the peer ends', () => {
    assert.equal(
      feed(new LineBinaryFramer(), [Buffer.alloc(1_048_577, 'x')]).error?.code,
      'ERR_PACKET_FRAME_TOO_LARGE',
    );
    const framer = new LineBinaryFramer();
    framer.expectBytes(10);
    framer.push(Buffer.from('half'));
    assert.throws(() => framer.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED' });
  });

  test('BinParser: a bad header is an error, and what follows it is not read as frames', () => {
    const framer = new LengthPrefixFramer({ width: 'ascii9' });
    const { messages, error } = feed(framer, [Buffer.from('000000002ok12345678x000000002no')]);
    assert.deepEqual(messages.map(String), ['ok']);
    assert.equal(error?.code, 'ERR_PACKET_FRAME_MALFORMED');
    assert.deepEqual(feed(framer, [Buffer.from('000000002no')]).messages, []);
  });

  test('BinParser: who handles a frame may throw, and the next frame is whole', () => {
    const framers: readonly Framer<unknown, never>[] = [new LengthPrefixFramer({ width: 'ascii9' }), new LineFramer()];
    const streams = [Buffer.from('000000003one000000003two'), Buffer.from('one\ntwo\n')];
    for (const [index, framer] of framers.entries()) {
      for (const chunk of cut(streams[index] ?? Buffer.alloc(0), [5])) framer.push(chunk);
      assert.throws(() => assert.fail(`the handler threw at ${framer.next()}`), /threw at one/);
      assert.deepEqual(pull(framer).map(String), ['two']);
    }
  });

  test('BinParser: there is a maximum, and a payload never makes a header of ten digits', () => {
    const framer = new LengthPrefixFramer({ width: 'ascii9' });
    assert.equal(feed(framer, [Buffer.from('999999999')]).error?.code, 'ERR_PACKET_FRAME_TOO_LARGE');
    const huge = new LengthPrefixFramer({ width: 'ascii9', maxFrameBytes: 2_147_483_647 });
    assert.throws(() => huge.encode(new Uint8Array(1_000_000_000)), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('ObjectProtocol: an object has a limit, and what is no object ends the stream with an error', () => {
    assert.equal(
      feed(new StructuredCloneFramer(), [Buffer.from('7fffffff', 'hex')]).error?.code,
      'ERR_PACKET_FRAME_TOO_LARGE',
    );
    assert.equal(
      feed(new StructuredCloneFramer(), [Buffer.from('000000024142', 'hex')]).error?.code,
      'ERR_PACKET_FRAME_MALFORMED',
    );
  });

  test('BufferedTokenizer: a million lines in one chunk need no deep stack', () => {
    const framer = new LineFramer();
    framer.push(Buffer.from('x\n'.repeat(1_000_000)));
    let lines = 0;
    while (framer.next() !== INCOMPLETE) lines += 1;
    assert.equal(lines, 1_000_000);
  });
});
