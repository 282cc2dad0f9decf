import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { INCOMPLETE, JsonFramer, type JsonFramerOptions } from '../../src/framing/index.ts';
import { framerConformance } from './framer-conformance.ts';
import { cut, feed, joined, pull } from './pull.ts';

const MALFORMED = 'ERR_PACKET_FRAME_MALFORMED';
const TOO_LARGE = 'ERR_PACKET_FRAME_TOO_LARGE';

for (const layout of ['lines', 'u32'] as const) {
  framerConformance<unknown, unknown>(
    {
      name: `JsonFramer in ${layout}`,
      create: (maxFrameBytes) => new JsonFramer({ layout, maxFrameBytes }),
      messages: [{ a: [null] }, [], '€\n', false, 42],
      // What comes back from JSON.parse: no -0, and no key that is refused.
      arbitrary: () =>
        fc
          .jsonValue({ maxDepth: 4 })
          .map((value): unknown => JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'p'))),
      received: (message) => message,
      sized: (bytes) => 'x'.repeat(bytes - 2),
      limit: 12,
      refusedAfter: layout === 'lines' ? 13 : 4,
      overhead: layout === 'lines' ? 1 : 4,
      atEnd: 'truncated',
      refusals: [TOO_LARGE, MALFORMED],
      markers: [...Buffer.from('\n\r[]{}"1,:\0')],
    },
    2_000,
  );
}

function read(text: string | Buffer, options: JsonFramerOptions = {}): unknown {
  const framer = new JsonFramer(options);
  const { messages, error } = feed(framer, cut(Buffer.concat([Buffer.from(text), Buffer.from('\n')]), [7]));
  if (error === undefined) return messages[0];
  assert.equal(framer.heldBytes, 0, 'spent');
  assert.equal(framer.finish(), INCOMPLETE, 'spent');
  return error.code;
}

describe('JSON', () => {
  test('texts come a line each, empty lines are passed over, and the last needs no end unless it may have been cut', () => {
    const framer = new JsonFramer();
    framer.push(Buffer.from('\n\r\n{"a":1}\r\n\n[2]\n{"b":3}'));
    assert.deepEqual(pull(framer), [{ a: 1 }, [2]]);
    assert.deepEqual(framer.finish(), { b: 3 });
    assert.equal(framer.finish(), INCOMPLETE);
    for (const last of ['{"b":', '12', '12\r', '"\ud83d'.slice(0, 1), 'tru', '-', '[1']) {
      const cutOff = new JsonFramer();
      cutOff.push(Buffer.from(`[1]\n${last}`));
      assert.deepEqual(cutOff.finish(), [1]);
      assert.throws(() => cutOff.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED', details: { heldBytes: last.length } });
      cutOff.push(Buffer.from('[2]\n'));
      assert.equal(cutOff.next(), INCOMPLETE, 'spent');
    }
    const blank = new JsonFramer();
    blank.push(Buffer.from('\r'));
    assert.equal(blank.finish(), INCOMPLETE);
  });

  test('what is no JSON, or no UTF-8, is malformed', () => {
    for (const text of ['{a:1}', "'a'", '[1,]', 'NaN', '\ufeff1', ' ', 'undefined', '{} {}', '"\t"']) {
      assert.equal(read(text), MALFORMED, JSON.stringify(text));
    }
    assert.equal(read(Buffer.from('22ff22', 'hex')), MALFORMED);
    const empty = feed(new JsonFramer({ layout: 'u32' }), [Buffer.alloc(4)]);
    assert.equal(empty.error?.code, MALFORMED);
    assert.ok(empty.error.cause instanceof SyntaxError);
  });

  test('keys that could change a prototype are refused, however they are spelt, unless they are asked for', () => {
    const unsafe = [
      '{"__proto__":{"admin":true}}',
      '[{"a":[{"__proto__":1}]}]',
      '{"\\u005f_proto__":1}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"constructor":{"\\u0070rototype":1}}',
    ];
    for (const text of unsafe) {
      assert.equal(read(text), MALFORMED, text);
      assert.equal(typeof read(text, { unsafeKeys: 'keep' }), 'object');
    }
    const kept = read('{"__proto__":{"admin":true}}', { unsafeKeys: 'keep' });
    assert.equal(Object.getPrototypeOf(kept), Object.prototype, 'a key like any other');
    assert.equal(({} as { admin?: boolean }).admin, undefined);
    for (const text of [
      '{"constructor":"Williams"}',
      '{"prototype":1}',
      '["__proto__"]',
      '{"a":"\\u005f"}',
      '{"constructor":null}',
    ]) {
      assert.deepEqual(read(text), JSON.parse(text), text);
    }
  });

  test('a value deeper than its limit is refused before it is parsed; brackets in strings do not count', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    assert.notEqual(read(nested(128)), TOO_LARGE);
    assert.equal(read(nested(129)), TOO_LARGE);
    assert.equal(read('['.repeat(100_000)), TOO_LARGE);
    assert.equal(read(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`), TOO_LARGE);
    const { error } = feed(new JsonFramer({ maxDepth: 2 }), [Buffer.from('[[[1]]]\n')]);
    assert.deepEqual(error?.details, { option: 'maxDepth', limit: 2, seen: 3 });
    assert.deepEqual(read('["[[[[\\"[[[["]', { maxDepth: 1 }), ['[[[["[[[[']);
    assert.deepEqual(read('[1,[2],[3],{"a":4}]', { maxDepth: 2 }), [1, [2], [3], { a: 4 }]);
  });

  test('what has no JSON is not encodable', () => {
    const framer = new JsonFramer();
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const value of [undefined, () => 1, Symbol('s'), 1n, cycle, { toJSON: () => assert.fail('no') }]) {
      assert.throws(() => framer.encode(value), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
    assert.equal(joined(framer.encode({ text: 'two\nlines' })).toString(), '{"text":"two\\nlines"}\n');
  });

  test('wrong options are refused', () => {
    for (const options of [{ layout: 'ndjson' }, { maxDepth: 0 }, { maxFrameBytes: 0 }, { delimiter: '\n' }]) {
      assert.throws(() => new JsonFramer(options as JsonFramerOptions), {
        code: 'ERR_PACKET_OPTION',
        message: /^JsonFramer: /,
      });
    }
  });
});
