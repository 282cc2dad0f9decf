import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type HeaderContentDraft,
  HeaderContentFramer,
  type HeaderContentFramerOptions,
  type HeaderContentMessage,
  INCOMPLETE,
} from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { cut, feed, joined } from './pull.ts';

const MALFORMED = 'ERR_PACKET_FRAME_MALFORMED';
const TOO_LARGE = 'ERR_PACKET_FRAME_TOO_LARGE';
const MAX_HEADER_BYTES = 64;

function received({
  startLine = '',
  headers = [],
  content = Buffer.alloc(0),
}: HeaderContentDraft): HeaderContentMessage {
  const map = new Map<string, string>();
  for (const [name, value] of headers) {
    const before = map.get(name.toLowerCase());
    map.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return { startLine, headers: map, content: Buffer.from(content) };
}

const name = fc.string({ unit: fc.constantFrom('a', 'B', '-', '!', '9'), minLength: 1, maxLength: 6 });
const value = fc
  .string({ unit: fc.constantFrom('a', 'é', ' ', ':', '\t', '=', ','), maxLength: 10 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const headers = fc.array(fc.tuple(name, value), { maxLength: 5 });
const content = fc.uint8Array({ maxLength: 30 });

for (const startLine of [false, true]) {
  const first = startLine ? { startLine: 'GET: / HTTP/1.1' } : {};
  framerConformance<HeaderContentMessage, HeaderContentDraft>(
    {
      name: `HeaderContentFramer ${startLine ? 'with' : 'without'} a start line`,
      create: (maxFrameBytes) =>
        new HeaderContentFramer({
          maxFrameBytes,
          startLine,
          ...(maxFrameBytes < 100 ? { maxHeaderBytes: MAX_HEADER_BYTES } : {}),
        }),
      messages: [
        { ...first, headers: [['Type', 'a: b']], content: Buffer.from('\r\n\r\n') },
        { ...first },
        {
          ...first,
          headers: [
            ['A', ''],
            ['a', '2'],
          ],
        },
      ],
      arbitrary: () => fc.record({ headers, content }).map((draft) => ({ ...first, ...draft })),
      received,
      sized: (bytes) => ({ ...first, content: Buffer.alloc(bytes, '7') }),
      limit: 12,
      refusedAfter: 'Content-Length: 13\r\n\r\n'.length + (startLine ? 'GET: / HTTP/1.1\r\n'.length : 0),
      overhead: MAX_HEADER_BYTES,
      atEnd: 'truncated',
      refusals: [TOO_LARGE, MALFORMED],
      markers: [...Buffer.from('\r\n\n: a')],
    },
    2_000,
  );
}

/** What one block gives, wherever it is cut: the message, or the error's code. */
function read(block: string, options: HeaderContentFramerOptions = {}): HeaderContentMessage | string | undefined {
  const outcomes = new Set<string>();
  let last: HeaderContentMessage | string | undefined;
  const bytes = Buffer.from(block, 'latin1');
  for (let at = 0; at <= bytes.length; at++) {
    const { messages, error } = feed(new HeaderContentFramer(options), [bytes.subarray(0, at), bytes.subarray(at)]);
    last = error?.code ?? messages[0];
    outcomes.add(JSON.stringify([last, [...(messages[0]?.headers ?? [])], error?.details]));
  }
  assert.equal(outcomes.size, 1, `the same wherever it is cut: ${[...outcomes].join(' ')}`);
  return last;
}

describe('headers and content', () => {
  test('a message of the Language Server Protocol is read and written to the byte', () => {
    const framer = new HeaderContentFramer();
    const wire = 'Content-Type: application/vscode-jsonrpc\r\nContent-Length: 2\r\n\r\n{}';
    const draft = { headers: [['Content-Type', 'application/vscode-jsonrpc']] as const, content: Buffer.from('{}') };
    assert.equal(joined(framer.encode(draft)).toString(), wire);
    const [message] = feed(framer, [Buffer.from(wire)]).messages;
    assert.deepEqual(message, received(draft));
    assert.equal(joined(framer.encode(message ?? {})).toString(), wire.replace('Content-Type', 'content-type'));
  });

  test('lines may end in LF or CRLF, and spaces around a value are not part of it', () => {
    const expected = received({
      headers: [
        ['a', '1 2'],
        ['b', ''],
      ],
      content: Buffer.from('xy'),
    });
    assert.deepEqual(read('A: \t1 2 \t\nb:\r\ncontent-LENGTH:2\n\r\nxy'), expected);
    assert.deepEqual(read('A:1 2\r\nB:\t\r\nContent-Length: 0002\r\n\nxy'), expected);
  });

  test('without Content-Length there is no content', () => {
    assert.deepEqual(read('a: 1\r\n\r\n'), received({ headers: [['a', '1']] }));
    assert.deepEqual(read('\n'), received({}));
  });

  test('what two readers could read in two ways is refused', () => {
    const blocks = [
      'Content-Length: 2\r\nContent-Length: 2\r\n\r\nxy',
      'Content-Length: 2\r\ncontent-length: 3\r\n\r\nxy',
      'Content-Length: 2, 2\r\n\r\nxy',
      'Content-Length: -1\r\n\r\n',
      'Content-Length: +1\r\n\r\nx',
      'Content-Length: 0x1\r\n\r\nx',
      'Content-Length: 1e1\r\n\r\n',
      'Content-Length: 1.0\r\n\r\n',
      'Content-Length:\r\n\r\n',
      'Content-Length: 9999999999999999\r\n\r\n',
      'Content-Length : 2\r\n\r\nxy',
      ' Content-Length: 2\r\n\r\nxy',
      'a: 1\r\n b\r\n\r\n',
      'a: 1\r\n\tb\r\n\r\n',
      'Transfer-Encoding: chunked\r\n\r\n',
      'no header\r\n\r\n',
      ': no name\r\n\r\n',
      'a b: 1\r\n\r\n',
      'a: 1\rb: 2\r\n\r\n',
      'a: \0\r\n\r\n',
      'é: 1\r\n\r\n',
    ];
    for (const block of blocks) assert.equal(read(block), MALFORMED, JSON.stringify(block));
    assert.equal(read('\r\na: 1\r\n\r\n', { startLine: true }), MALFORMED, 'no start line');
    const { error } = feed(new HeaderContentFramer(), [Buffer.from('a: 1\r\nb\r\n\r\n')]);
    assert.deepEqual(error?.details, { offset: 6 }, 'the line that is wrong');
  });

  test('a header block over its limits is refused at the first byte over them', () => {
    const small = new HeaderContentFramer({ maxHeaderBytes: 32 });
    assert.equal(feed(small, cut(Buffer.from('a'.repeat(32)), [1])).error, undefined);
    const { error } = feed(small, [Buffer.from('a')]);
    assert.deepEqual([error?.code, error?.details], [TOO_LARGE, { option: 'maxHeaderBytes', limit: 32, seen: 33 }]);
    assert.equal(typeof read(`a: ${'1'.repeat(25)}\r\n\r\n`, { maxHeaderBytes: 32 }), 'object', 'exactly the limit');
    for (const startLine of [false, true]) {
      const options = { maxHeaders: 2, startLine };
      const first = startLine ? 'start\r\n' : '';
      assert.equal(typeof read(`${first}a: 1\r\nb: 2\r\n\r\n`, options), 'object');
      const third = feed(new HeaderContentFramer(options), [Buffer.from(`${first}a: 1\nb: 2\nc: 3\n`)]);
      assert.deepEqual(third.error?.details, { option: 'maxHeaders', limit: 2, seen: 3 });
    }
  });

  test('encode refuses what would not come back as it is', () => {
    const framer = new HeaderContentFramer({ maxHeaderBytes: 64, maxHeaders: 3 });
    const withHeader = (name: string, text: unknown): HeaderContentDraft => ({ headers: [[name, text as string]] });
    const refused: readonly HeaderContentDraft[] = [
      withHeader('a', '1\r\nContent-Length: 9'),
      withHeader('a', '1\n'),
      withHeader('a', ' 1'),
      withHeader('a', '1\t'),
      withHeader('a', '€'),
      withHeader('a', 5),
      withHeader('a:', '1'),
      withHeader('', '1'),
      withHeader('a b', '1'),
      withHeader('Content-Length', '0'),
      withHeader('transfer-encoding', 'chunked'),
      { startLine: 'GET /' },
      { content: 'text' as unknown as Uint8Array },
    ];
    for (const draft of refused) assert.throws(() => framer.encode(draft), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    const long = { code: TOO_LARGE, details: { option: 'maxHeaderBytes', limit: 64, seen: 67 } };
    assert.throws(() => framer.encode(withHeader('a', 'x'.repeat(41))), long);
    const many = { code: TOO_LARGE, details: { option: 'maxHeaders', limit: 3, seen: 4 } };
    assert.throws(() => framer.encode({ headers: Object.entries({ a: '1', b: '2', c: '3' }) }), many);
    const started = new HeaderContentFramer({ startLine: true });
    for (const startLine of [undefined, '', 'two\nlines', '€']) {
      assert.throws(() => started.encode({ startLine }), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
  });

  test('spaces without end inside a value take no more than linear time', () => {
    const framer = new HeaderContentFramer({ maxHeaderBytes: 1_048_576 });
    const { messages } = feed(framer, [Buffer.from(`a: x${' '.repeat(1_000_000)}y\r\n\r\n`)]);
    assert.equal(messages[0]?.headers.get('a')?.length, 1_000_002);
    assert.equal(framer.finish(), INCOMPLETE);
  });
});
