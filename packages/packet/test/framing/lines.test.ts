import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ByteLineFramer,
  type ByteLineFramerOptions,
  INCOMPLETE,
  LineFramer,
  type LineFramerOptions,
} from '../../src/framing/index.ts';
import { type FramerCase, framerConformance } from './framer-conformance.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined, pull } from './pull.ts';

const CASES = 2_000;
const TOO_LARGE = 'ERR_PACKET_FRAME_TOO_LARGE';

function textCase(
  name: string,
  options: LineFramerOptions & { readonly delimiter?: string },
): FramerCase<string, string> {
  const { delimiter = '\n', encoding = 'utf8', lastLine = 'deliver' } = options;
  const letters = encoding === 'latin1' ? ['é', 'ÿ'] : ['é', '€', '😀', '\ufeff'];
  const unit = fc.constantFrom('a', 'b', '\r', '\n', '\0', ...letters);
  // The carriage return that is stripped is the one sent, or else the message's own.
  const stripsOwn = delimiter === '\n' && options.sendCarriageReturn !== true;
  const isLine = (message: string): boolean =>
    `${message}${delimiter}`.indexOf(delimiter) === message.length && !(stripsOwn && message.endsWith('\r'));
  return {
    name,
    create: (maxFrameBytes) => new LineFramer({ ...options, maxFrameBytes }),
    messages: ['one', '', 'b', letters.join(''), 'x\ry', ''].filter(isLine),
    arbitrary: () => fc.string({ unit, maxLength: 30 }).filter(isLine),
    received: (message) => message,
    sized: (bytes) => 'x'.repeat(bytes),
    limit: 12,
    refusedAfter: 13,
    overhead: Buffer.byteLength(delimiter),
    atEnd: lastLine,
    refusals: [TOO_LARGE],
    markers: [...Buffer.from(delimiter), 0x0d, 0xc3],
  };
}

function byteCase(name: string, delimiter: readonly number[]): FramerCase<Buffer, Uint8Array> {
  const end = Buffer.from(delimiter);
  const isLine = (message: Buffer): boolean => Buffer.concat([message, end]).indexOf(end) === message.length;
  const byte = fc.oneof(fc.constantFrom(...delimiter), fc.integer({ min: 0, max: 255 }));
  return {
    name,
    create: (maxFrameBytes) => new ByteLineFramer({ delimiter: end, maxFrameBytes }),
    messages: [Buffer.from('one'), Buffer.alloc(0), Buffer.of(1, 0xff, 0xfe)],
    arbitrary: () =>
      fc
        .array(byte, { maxLength: 30 })
        .map((bytes) => Buffer.from(bytes))
        .filter(isLine),
    received: (message) => Buffer.from(message),
    sized: (bytes) => Buffer.alloc(bytes, 'x'),
    limit: 12,
    refusedAfter: 13,
    overhead: end.length,
    atEnd: 'deliver',
    refusals: [TOO_LARGE],
    markers: delimiter,
  };
}

framerConformance(textCase('LineFramer', {}), CASES);
framerConformance(textCase('LineFramer with CRLF', { delimiter: '\r\n', lastLine: 'truncated' }), CASES);
framerConformance(textCase('LineFramer that reads LF or CRLF and sends CRLF', { sendCarriageReturn: true }), CASES);
framerConformance(textCase('LineFramer in latin1', { encoding: 'latin1' }), CASES);
framerConformance(textCase('LineFramer with a delimiter that overlaps itself', { delimiter: 'aab\naa' }), CASES);
framerConformance(textCase('LineFramer with a delimiter of one character in many bytes', { delimiter: '€' }), CASES);
framerConformance(byteCase('ByteLineFramer with a delimiter that is no text', [0xff, 0xd9]), CASES);
framerConformance(byteCase('ByteLineFramer with a run of one byte', [0, 0, 0]), CASES);

interface Rules {
  readonly delimiter: Buffer;
  readonly stripCarriageReturn: boolean;
  readonly maxFrameBytes: number;
}

/** What lines mean, on the whole stream at once. */
function readLines(stream: Buffer, rules: Rules): { lines: Buffer[]; refused: boolean; rest: Buffer } {
  const lines: Buffer[] = [];
  for (let from = 0; ; ) {
    const at = stream.indexOf(rules.delimiter, from);
    const end = at < 0 ? stream.length : at;
    const stripped = rules.stripCarriageReturn && end > from && stream[end - 1] === 0x0d ? end - 1 : end;
    const rest = stream.subarray(from);
    if (at < 0) return { lines, refused: false, rest };
    if (stripped - from > rules.maxFrameBytes) return { lines, refused: true, rest };
    lines.push(stream.subarray(from, stripped));
    from = at + rules.delimiter.length;
  }
}

/** Whether some bytes to come can still end an unfinished line within its limit. */
function mayBecomeLine(rest: Buffer, rules: Rules): boolean {
  const ends = Array.from(rules.delimiter, (_, begun) => rules.delimiter.subarray(begun));
  return ends.some((end) => {
    const { lines, refused } = readLines(Buffer.concat([rest, end]), rules);
    return !refused && lines.length > 0;
  });
}

describe('lines', () => {
  test('any bytes, split in any way, are cut as on the whole stream at once', () => {
    const byte = fc.constantFrom(0x61, 0x62, 0x0d, 0x0a);
    const bytes = (length: number): fc.Arbitrary<Buffer> =>
      fc.array(byte, { minLength: 1, maxLength: length }).map((values) => Buffer.from(values));
    const rules = fc.record({
      delimiter: fc.oneof(fc.constant(Buffer.from('\n')), bytes(5)),
      stripCarriageReturn: fc.boolean(),
      maxFrameBytes: fc.integer({ min: 1, max: 20 }),
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(rules, bytes(120), sizes, (given, stream, chunkSizes) => {
        const framer = new ByteLineFramer(given);
        const outcome = feed(framer, cut(stream, chunkSizes));
        const { lines, refused, rest } = readLines(stream, given);
        assert.deepEqual(outcome.messages, lines);
        assert.equal(outcome.error?.code, refused || !mayBecomeLine(rest, given) ? TOO_LARGE : undefined);
        if (outcome.error === undefined) assert.deepEqual(framer.release(), rest);
      }),
      fuzz(15_000),
    );
  });

  test('encode refuses exactly the messages that would not come back as one line', () => {
    const unit = fc.constantFrom('a', 'b', '\r', '\n');
    const delimiters = fc.oneof(fc.constant('\n'), fc.string({ unit, minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(
        delimiters,
        fc.constantFrom('keep', 'strip', 'send'),
        fc.string({ unit, maxLength: 8 }),
        (delimiter, carriageReturn, sent) => {
          const sendCarriageReturn = carriageReturn === 'send';
          const framer = new LineFramer({
            delimiter,
            stripCarriageReturn: carriageReturn !== 'keep',
            sendCarriageReturn,
          });
          const end = sendCarriageReturn ? `\r${delimiter}` : delimiter;
          const returned = feed(framer, [Buffer.from(sent + end)]).messages;
          const comesBack = returned.length === 1 && returned[0] === sent && framer.heldBytes === 0;
          if (comesBack) assert.equal(framer.encode(sent).toString(), sent + end);
          else assert.throws(() => framer.encode(sent), { code: 'ERR_PACKET_NOT_ENCODABLE' });
        },
      ),
      fuzz(10_000),
    );
  });

  test('a line may be sent with CRLF and read with either', () => {
    const framer = new LineFramer({ sendCarriageReturn: true });
    assert.equal(framer.encode('220 ready').toString(), '220 ready\r\n');
    assert.equal(framer.encode('').toString(), '\r\n');
    assert.throws(() => framer.encode('220 ready\r\n221 bye'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.deepEqual(feed(framer, [Buffer.from('USER a\nPASS b\r\n')]).messages, ['USER a', 'PASS b']);
    for (const stripping of [{ stripCarriageReturn: false }, { delimiter: ';' }]) {
      assert.throws(() => new LineFramer({ ...stripping, sendCarriageReturn: true }), {
        code: 'ERR_PACKET_OPTION',
        message: /sendCarriageReturn must be false unless stripCarriageReturn is true/,
      });
    }
  });

  test('a message with a line end inside cannot forge a second line', () => {
    assert.throws(() => new LineFramer().encode('250 ok\nDELE all'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    // U+010A is cut to 0x0A by a careless latin1 encoder.
    assert.throws(() => new LineFramer({ encoding: 'latin1' }).encode('250 ok\u010aDELE'), {
      code: 'ERR_PACKET_NOT_ENCODABLE',
    });
  });

  test('a character the encoding lacks is refused, not replaced', () => {
    const framer = new LineFramer({ encoding: 'latin1' });
    assert.throws(() => framer.encode('5 €'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.equal(framer.encode('5 £').toString('hex'), '3520a30a');
  });

  test('what is no string or no bytes is not encodable', () => {
    const text: { encode(message: unknown): unknown } = new LineFramer();
    const bytes: { encode(message: unknown): unknown } = new ByteLineFramer();
    assert.throws(() => text.encode(42), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.throws(() => bytes.encode('text'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('lines may end in LF or CRLF, and only one carriage return is stripped', () => {
    const { messages } = feed(new LineFramer(), [Buffer.from('a\nb\r\n\r\nc\r\r\n')]);
    assert.deepEqual(messages, ['a', 'b', '', 'c\r']);
    const kept = feed(new LineFramer({ stripCarriageReturn: false }), [Buffer.from('b\r\n')]);
    assert.deepEqual(kept.messages, ['b\r']);
    const crlfOnly = feed(new LineFramer({ delimiter: '\r\n' }), [Buffer.from('a\nb\r\n\r\r\n')]);
    assert.deepEqual(crlfOnly.messages, ['a\nb', '\r']);
    const returns = feed(new LineFramer({ delimiter: 'x\r', stripCarriageReturn: true }), [
      Buffer.from('ax\rx\r\rx\r'),
    ]);
    assert.deepEqual(returns.messages, ['a', '', '']);
  });

  test('a stripped carriage return and a begun delimiter do not count against the limit', () => {
    const strict: ByteLineFramerOptions = { delimiter: '\r\n', maxFrameBytes: 4 };
    for (const options of [{ maxFrameBytes: 4 }, strict]) {
      assert.deepEqual(feed(new LineFramer(options), cut(Buffer.from('abcd\r\n'), [1])).messages, ['abcd']);
      const over = new LineFramer(options);
      assert.equal(feed(over, [Buffer.from('abcd\r')]).error, undefined);
      assert.equal(feed(over, [Buffer.from('e')]).error?.code, TOO_LARGE);
    }
    const both = new LineFramer({ delimiter: ';;', stripCarriageReturn: true, maxFrameBytes: 4 });
    assert.deepEqual(feed(both, cut(Buffer.from('abcd;;abcd\r;;'), [1])).messages, ['abcd', 'abcd']);
    const last = new LineFramer(strict);
    assert.deepEqual(feed(last, [Buffer.from('abcd\r')]), { messages: [], error: undefined });
    assert.throws(() => last.finish(), { code: TOO_LARGE, details: { limit: 4, seen: 5 } });
  });

  test('the last line needs no delimiter unless it is declared truncated', () => {
    const served = new LineFramer();
    served.push(Buffer.from('1+1\n6*7\r'));
    assert.deepEqual(pull(served), ['1+1']);
    assert.equal(served.finish(), '6*7');
    assert.equal(served.finish(), INCOMPLETE);
    const strict = new LineFramer({ lastLine: 'truncated' });
    strict.push(Buffer.from('DELE'));
    assert.throws(() => strict.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED', details: { heldBytes: 4 } });
  });

  test('malformed UTF-8 becomes U+FFFD, and characters split over chunks stay whole', () => {
    assert.deepEqual(feed(new LineFramer(), [Buffer.from([0xff, 0x61, 0xc3, 0x0a])]).messages, ['\ufffda\ufffd']);
    assert.deepEqual(feed(new LineFramer(), cut(Buffer.from('5 € 😀\n'), [1])).messages, ['5 € 😀']);
    assert.equal(new LineFramer().encode('\ud800').toString(), '\ufffd\n');
  });

  test('a line in one chunk is a view of it, and a line over two is own memory', () => {
    const framer = new ByteLineFramer();
    const [first, second] = cut(Buffer.from('whole\nhalf and half\n'), [10]);
    assert.ok(first !== undefined && second !== undefined);
    const [whole] = feed(framer, [first]).messages;
    assert.equal(whole?.buffer, first.buffer);
    const [half] = feed(framer, [second]).messages;
    assert.equal(half?.toString(), 'half and half');
    assert.notEqual(half?.buffer, second.buffer);
  });

  test('the delimiter given is copied, and encode leaves the message alone', () => {
    const delimiter = Buffer.from(';');
    const framer = new ByteLineFramer({ delimiter });
    delimiter.fill('x');
    const message = Buffer.from('one');
    assert.equal(joined(framer.encode(message)).toString(), 'one;');
    assert.equal(message.toString(), 'one');
    assert.equal(feed(framer, [Buffer.from('oxe;')]).messages[0]?.toString(), 'oxe');
  });

  test('wrong options are refused with the name, the bounds and the value', () => {
    const refused: readonly [unknown, RegExp][] = [
      [{ delimiter: '' }, /LineFramer: delimiter must be .*1\.\.256 bytes in utf8, got ""/],
      [{ delimiter: 'x'.repeat(257) }, /delimiter must be/],
      [{ delimiter: new Uint8Array(0) }, /delimiter must be/],
      [{ delimiter: 10 }, /delimiter must be .*got 10/],
      [{ delimiter: null }, /delimiter must be .*got null/],
      [{ delimiter: '€', encoding: 'latin1' }, /delimiter must be .*latin1, got "€"/],
      [{ encoding: 'ascii' }, /encoding must be one of utf8, latin1, got "ascii"/],
      [{ maxFrameBytes: 0 }, /maxFrameBytes must be an integer in 1\.\.536870888 \(bytes\), got 0/],
      [{ maxFrameBytes: 536_870_889 }, /maxFrameBytes/],
      [{ lastLine: 'drop' }, /lastLine must be one of deliver, truncated/],
      [{ stripCarriageReturn: 1 }, /stripCarriageReturn must be true or false, got 1/],
      [{ delimeter: '\n' }, /unknown option "delimeter"; known options: delimiter, /],
    ];
    for (const [options, message] of refused) {
      assert.throws(() => new LineFramer(options as LineFramerOptions), { code: 'ERR_PACKET_OPTION', message });
    }
    const tooMuch = { maxFrameBytes: 2_147_483_648 };
    assert.throws(() => new ByteLineFramer(tooMuch), { message: /1\.\.2147483647 \(bytes\), got 2147483648/ });
  });
});
