import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ByteQueue,
  type Framer,
  RespAttributed,
  RespClientFramer,
  type RespClientFramerOptions,
  RespError,
  RespPush,
  RespServerFramer,
  type RespServerFramerOptions,
  RespStatus,
  type RespValue,
  RespVerbatim,
} from '../../src/framing/index.ts';
import { cut, feed, joined } from './pull.ts';

const MALFORMED = 'ERR_PACKET_FRAME_MALFORMED';
const TOO_LARGE = 'ERR_PACKET_FRAME_TOO_LARGE';

/** What a reader makes of bytes: the same wherever they are cut. */
function outcome<In>(
  create: () => Framer<In, never>,
  wire: string,
): { readonly messages: readonly In[]; readonly error: unknown } {
  const bytes = Buffer.from(wire, 'latin1');
  const whole = feed(create(), [bytes]);
  const facts = [whole.error?.code, whole.error?.details];
  for (let at = 0; at <= bytes.length; at++) {
    const split = feed(create(), [bytes.subarray(0, at), bytes.subarray(at)]);
    assert.deepEqual(
      [split.messages, split.error?.code, split.error?.details],
      [whole.messages, ...facts],
      `cut at ${at}`,
    );
  }
  return { messages: whole.messages, error: whole.error?.code };
}

function replies(wire: string, options: RespClientFramerOptions = {}): readonly RespValue[] {
  const { messages, error } = outcome(() => new RespClientFramer(options), wire);
  assert.equal(error, undefined);
  return messages;
}

function commands(wire: string, options: RespServerFramerOptions = {}): readonly (readonly string[])[] {
  const { messages, error } = outcome(() => new RespServerFramer(options), wire);
  assert.equal(error, undefined);
  return messages.map((command) => command.map((word) => word.toString('latin1')));
}

describe('RESP replies', () => {
  test('every type is read from the bytes of the specification', () => {
    const pairs: readonly (readonly [string, RespValue])[] = [
      ['+OK\r\n', new RespStatus('OK')],
      ['+\r\n', new RespStatus('')],
      ["-ERR unknown command 'asdf'\r\n", new RespError("ERR unknown command 'asdf'")],
      [':0\r\n', 0],
      [':-0\r\n', 0],
      [':+1000\r\n', 1000],
      [':-9223372036854775808\r\n', -(2n ** 63n)],
      [':9007199254740993\r\n', 9007199254740993n],
      ['$5\r\nhello\r\n', Buffer.from('hello')],
      ['$0\r\n\r\n', Buffer.alloc(0)],
      ['$-1\r\n', null],
      ['*-1\r\n', null],
      ['_\r\n', null],
      ['*0\r\n', []],
      [
        '*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n',
        [
          [1, 2, 3],
          [new RespStatus('Hello'), new RespError('World')],
        ],
      ],
      ['#t\r\n', true],
      ['#f\r\n', false],
      [',1.23\r\n', 1.23],
      [',10\r\n', 10],
      [',-1.5E-3\r\n', -0.0015],
      [',1.\r\n', 1],
      [',inf\r\n', Infinity],
      [',-inf\r\n', -Infinity],
      [',nan\r\n', Number.NaN],
      ['(3492890328409238509324850943850943825024385\r\n', 3492890328409238509324850943850943825024385n],
      ['(-1\r\n', -1n],
      ['(+1\r\n', 1n],
      ['!21\r\nSYNTAX invalid syntax\r\n', new RespError('SYNTAX invalid syntax')],
      ['=15\r\ntxt:Some string\r\n', new RespVerbatim('txt', 'Some string')],
      [
        '%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n',
        new Map([
          [new RespStatus('first'), 1],
          [new RespStatus('second'), 2],
        ]),
      ],
      ['%0\r\n', new Map()],
      ['~2\r\n#t\r\n:7\r\n', new Set([true, 7])],
      ['>2\r\n+message\r\n+hi\r\n', new RespPush([new RespStatus('message'), new RespStatus('hi')])],
      ['|1\r\n+ttl\r\n:3600\r\n*1\r\n:5\r\n', new RespAttributed(new Map([[new RespStatus('ttl'), 3600]]), [5])],
      ['*2\r\n|0\r\n:1\r\n:2\r\n', [new RespAttributed(new Map(), 1), 2]],
    ];
    for (const [wire, expected] of pairs) {
      const [message, ...more] = replies(wire);
      assert.deepEqual(message, expected, JSON.stringify(wire));
      assert.deepEqual(more, []);
    }
    assert.equal(Object.is(replies(':-0\r\n')[0], 0), true);
    assert.equal(replies(pairs.map(([wire]) => wire).join('')).length, pairs.length, 'one after the other');
  });

  test('an error says its code, and is a value, not a throw', () => {
    assert.equal(new RespError('WRONGTYPE Operation against a key').code, 'WRONGTYPE');
    assert.equal(new RespError('').code, '');
    assert.equal(new RespError('x') instanceof Error, false);
  });

  test('as text, bulk strings are keys to look up', () => {
    const [hello] = replies('%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n', { bulk: 'text' });
    assert.ok(hello instanceof Map);
    assert.equal(hello.get('server'), 'redis');
    assert.equal(hello.get('proto'), 3);
    const [proto] = replies('%1\r\n$9\r\n__proto__\r\n:1\r\n', { bulk: 'text' });
    assert.deepEqual(proto, new Map([['__proto__', 1]]));
  });

  test('every type is written as the bytes of the specification, in RESP3 and in RESP2', () => {
    const rows: readonly (readonly [RespValue, string, string])[] = [
      ['hi', '$2\r\nhi\r\n', '$2\r\nhi\r\n'],
      ['é', '$2\r\n\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
      [Buffer.of(0xff), '$1\r\n\xff\r\n', '$1\r\n\xff\r\n'],
      [new RespStatus('OK'), '+OK\r\n', '+OK\r\n'],
      [new RespError('ERR é'), '-ERR \xc3\xa9\r\n', '-ERR \xc3\xa9\r\n'],
      [null, '_\r\n', '$-1\r\n'],
      [true, '#t\r\n', ':1\r\n'],
      [42, ':42\r\n', ':42\r\n'],
      [1.5, ',1.5\r\n', '$3\r\n1.5\r\n'],
      [-0, ',-0\r\n', '$2\r\n-0\r\n'],
      [Number.NaN, ',nan\r\n', '$3\r\nnan\r\n'],
      [-Infinity, ',-inf\r\n', '$4\r\n-inf\r\n'],
      [2n ** 63n, '(9223372036854775808\r\n', '$19\r\n9223372036854775808\r\n'],
      [5n, '(5\r\n', ':5\r\n'],
      [new RespVerbatim('txt', 'é'), '=6\r\ntxt:\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
      [new Map([['a', 1]]), '%1\r\n$1\r\na\r\n:1\r\n', '*2\r\n$1\r\na\r\n:1\r\n'],
      [new Set([1]), '~1\r\n:1\r\n', '*1\r\n:1\r\n'],
      [new RespPush([1]), '>1\r\n:1\r\n', '*1\r\n:1\r\n'],
      [new RespAttributed(new Map([['a', 1]]), []), '|1\r\n$1\r\na\r\n:1\r\n*0\r\n', '*0\r\n'],
    ];
    const framer = new RespServerFramer();
    for (const [sent, resp3, resp2] of rows) {
      framer.version = 3;
      assert.equal(joined(framer.encode(sent)).toString('latin1'), resp3);
      framer.version = 2;
      assert.equal(joined(framer.encode(sent)).toString('latin1'), resp2);
    }
    framer.version = 3;
    assert.equal(joined(framer.encode(new RespError('ERR a\nb'))).toString(), '!7\r\nERR a\nb\r\n');
    assert.throws(
      () => {
        framer.version = 4;
      },
      { code: 'ERR_PACKET_OPTION' },
    );
    assert.equal(framer.version, 3);
  });

  test('what cannot be said is not encodable: a status of two lines cannot forge a second reply', () => {
    const framer: { encode(message: unknown): unknown; version: number } = new RespServerFramer();
    const never = [
      undefined,
      {},
      () => 1,
      Symbol('s'),
      [undefined],
      new RespStatus('OK\r\n+OK'),
      new RespStatus('a\n'),
      new RespStatus(5 as unknown as string),
      new RespVerbatim('text', 'x'),
      new RespVerbatim('a:b', 'x'),
      [new RespPush([])],
      new RespAttributed(new Map(), new RespPush([])),
    ];
    for (const version of [2, 3]) {
      framer.version = version;
      for (const sent of never) assert.throws(() => framer.encode(sent), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
    framer.version = 2;
    assert.throws(() => framer.encode(new RespError('ERR a\nb')), { code: 'ERR_PACKET_NOT_ENCODABLE' });
  });

  test('values deeper or of more elements than their reader allows are not sent, and a cycle ends', () => {
    const cycle: RespValue[] = [];
    cycle.push(cycle);
    const attributed: { value: RespValue } & object = new RespAttributed(new Map(), null);
    attributed.value = attributed as RespValue;
    for (const version of [2, 3]) {
      const framer = new RespServerFramer({ version, maxElements: 3, maxDepth: 4 });
      assert.throws(() => framer.encode(cycle), { code: TOO_LARGE });
      assert.throws(() => framer.encode(attributed as RespValue), { code: TOO_LARGE });
      assert.throws(() => framer.encode([1, [2, 3]]), {
        code: TOO_LARGE,
        details: { option: 'maxElements', limit: 3, seen: 4 },
      });
      assert.ok(framer.encode([1, [2]]));
      const deep = new RespServerFramer({ version, maxDepth: 2 });
      assert.throws(() => deep.encode([[[1]]]), {
        code: TOO_LARGE,
        details: { option: 'maxDepth', limit: 2, seen: 3 },
      });
      assert.ok(deep.encode([[1, []]]));
    }
  });

  test('long byte values are sent without copying', () => {
    const long = Buffer.alloc(16_384);
    const encoded = new RespServerFramer().encode([long, 'and']);
    assert.ok(Array.isArray(encoded));
    assert.ok(encoded.includes(long));
  });

  test('what is no RESP is refused, at the byte that shows it where a length is wrong', () => {
    const offsets: readonly (readonly [string, number])[] = [
      ['x', 0],
      ['\r', 0],
      ['$x', 1],
      ['$+', 1],
      ['$01', 2],
      ['$1x', 2],
      ['$-2', 2],
      ['$-11', 3],
      ['$-1x', 3],
      ['$--', 2],
      ['$\r\n', 1],
      ['$-\r\n', 2],
      ['!-', 1],
      ['%-', 1],
      ['$?', 1],
      ['*?', 1],
      ['$1\n', 2],
      ['$1\rx', 3],
      ['$1\r\nab', 5],
      ['$1\r\na\rb', 6],
      ['+a\n', 2],
      ['+a\rb', 3],
      ['*1\r\n>', 4],
      ['*1\r\nx', 4],
    ];
    for (const [wire, offset] of offsets) {
      const framer = new RespClientFramer();
      const early = feed(framer, cut(Buffer.from(wire.slice(0, -1), 'latin1'), [1]));
      const wrongLength = wire.endsWith('\r\n');
      if (!wrongLength) assert.equal(early.error, undefined, JSON.stringify(wire));
      const { error } = feed(new RespClientFramer(), cut(Buffer.from(wire, 'latin1'), [1]));
      assert.deepEqual([error?.code, error?.details], [MALFORMED, { offset }], JSON.stringify(wire));
    }
    for (const wire of [
      ':\r\n',
      ':1x\r\n',
      ':1.5\r\n',
      ':9223372036854775808\r\n',
      ':99999999999999999999\r\n',
      '#\r\n',
      '#x\r\n',
      '#tt\r\n',
      '_x\r\n',
      ',\r\n',
      ',.\r\n',
      ',1e\r\n',
      ',0x10\r\n',
      ',Infinity\r\n',
      ', 1\r\n',
      '(\r\n',
      '(1.5\r\n',
      '(0x1\r\n',
      '=3\r\ntxt\r\n',
      '=4\r\ntxt-\r\n',
      '=1\r\nx\r\n',
      `(${'9'.repeat(5_000)}\r\n`,
    ]) {
      assert.equal(feed(new RespClientFramer(), [Buffer.from(wire)]).error?.code, MALFORMED, wire.slice(0, 20));
    }
  });

  test('limits are enforced at the byte that breaks them, and nothing is set aside for what is only declared', () => {
    const refused: readonly (readonly [RespClientFramerOptions, string, object])[] = [
      [{ maxFrameBytes: 50 }, '$60', { limit: 50, seen: 60 }],
      [{ maxFrameBytes: 50 }, '$45\r\n', { limit: 50, seen: 52 }],
      [{ maxFrameBytes: 50 }, '*16\r\n', { limit: 50, seen: 53 }],
      [{}, '$99999999', { limit: 1_048_576, seen: 9_999_999 }],
      [{ maxElements: 10 }, '*11', { option: 'maxElements', limit: 10, seen: 11 }],
      [{ maxElements: 10 }, '%6\r\n', { option: 'maxElements', limit: 10, seen: 12 }],
      [{ maxElements: 10 }, '*6\r\n*6\r\n', { option: 'maxElements', limit: 10, seen: 12 }],
      [{ maxElements: 10 }, '|5\r\n', { option: 'maxElements', limit: 10, seen: 11 }],
      [{ maxDepth: 2 }, '*1\r\n*1\r\n*1\r\n', { option: 'maxDepth', limit: 2, seen: 3 }],
      [{}, '*1\r\n'.repeat(33), { option: 'maxDepth', limit: 32, seen: 33 }],
      [{}, '|0\r\n'.repeat(33), { option: 'maxDepth', limit: 32, seen: 33 }],
    ];
    for (const [options, wire, details] of refused) {
      const { error } = feed(new RespClientFramer(options), cut(Buffer.from(wire), [1]));
      assert.deepEqual([error?.code, error?.details], [TOO_LARGE, details], JSON.stringify(wire));
    }
    assert.equal(replies(`${'*1\r\n'.repeat(32)}*0\r\n`).length, 1, 'an empty one is no level');
    assert.equal(replies(`*10\r\n${':1\r\n'.repeat(10)}`, { maxElements: 10 }).length, 1);
    const framer = new RespClientFramer({ maxFrameBytes: 2_147_483_647 });
    assert.equal(feed(framer, [Buffer.from('$2000000000\r\n')]).error, undefined);
    assert.equal(framer.heldBytes, 13);
  });
});

describe('RESP commands', () => {
  test('they are read as arrays of bulk strings', () => {
    assert.deepEqual(commands('*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n*1\r\n$4\r\nPING\r\n'), [
      ['LLEN', 'mylist'],
      ['PING'],
    ]);
    assert.deepEqual(commands('*0\r\n*-1\r\n*1\r\n$0\r\n\r\n'), [['']], 'empty ones are passed over');
  });

  test('words on a line are a command too, with the quotes of redis-cli', () => {
    const wire = [
      'PING\n',
      '\r\n',
      '  \t\n',
      ' EXISTS  a\tb \r\n',
      'SET "a b" \'c d\'\r\n',
      '"\\x41\\n\\"\\q\\x4" \'\\n\\\'\' a"b"\r\n',
      '"" \'\'\n',
      'é\n',
    ].join('');
    assert.deepEqual(commands(Buffer.from(wire).toString('latin1')), [
      ['PING'],
      ['EXISTS', 'a', 'b'],
      ['SET', 'a b', 'c d'],
      ['A\n"qx4', "\\n'", 'ab'],
      ['', ''],
      ['\xc3\xa9'],
    ]);
  });

  test('quotes that do not end, or end inside a word, are malformed', () => {
    for (const [wire, offset] of [
      ['"a\n', 0],
      ["a 'b\r\n", 2],
      ['"a"b\n', 2],
      ["''x\n", 1],
      ['"\\"\n', 0],
      ['"\\\n', 0],
    ] as const) {
      const { error } = feed(new RespServerFramer(), [Buffer.from(wire)]);
      assert.deepEqual([error?.code, error?.details], [MALFORMED, { offset }], JSON.stringify(wire));
    }
  });

  test('a line of words has its own limit, and may be switched off', () => {
    const options = { maxInlineBytes: 4 };
    assert.deepEqual(commands('PING\r\nPING\n', options), [['PING'], ['PING']]);
    const over = new RespServerFramer(options);
    assert.equal(feed(over, [Buffer.from('PING')]).error, undefined);
    const { error } = feed(over, [Buffer.from('S')]);
    assert.deepEqual(error?.details, { option: 'maxInlineBytes', limit: 4, seen: 5 });
    const off = feed(new RespServerFramer({ inline: false }), [Buffer.from('P')]);
    assert.deepEqual([off.error?.code, off.error?.details], [MALFORMED, { offset: 0 }]);
    assert.deepEqual(commands('*1\r\n$4\r\nPING\r\n', { inline: false }), [['PING']]);
  });

  test('a line of words is under the limits of every frame, its end counted', () => {
    const small = { maxFrameBytes: 6 };
    assert.deepEqual(commands('PING\r\n12345\n', small), [['PING'], ['12345']]);
    for (const [wire, seen] of [
      ['PINGS\r\n', 7],
      ['123456\n', 7],
      ['1234567', 7],
    ] as const) {
      const { error } = feed(new RespServerFramer(small), cut(Buffer.from(wire), [1]));
      assert.deepEqual([error?.code, error?.details], ['ERR_PACKET_FRAME_TOO_LARGE', { limit: 6, seen }], wire);
    }
    const few = { maxElements: 2 };
    assert.deepEqual(commands('GET key\r\n', few), [['GET', 'key']]);
    const { error } = feed(new RespServerFramer(few), [Buffer.from(`${'x '.repeat(1_000)}\r\n`)]);
    assert.deepEqual(error?.details, { option: 'maxElements', limit: 2, seen: 3 });
  });

  test('inside a command there is nothing but bulk strings', () => {
    for (const wire of ['*1\r\n:', '*1\r\n*', '*1\r\n$-', '*1\r\n+', '*1\r\nP']) {
      const { error } = feed(new RespServerFramer(), cut(Buffer.from(wire), [1]));
      assert.deepEqual([error?.code, error?.details], [MALFORMED, { offset: wire.length - 1 }]);
    }
  });

  test('an array of 100,000 words is read in linear time, however it arrives', () => {
    const words = 100_000;
    const wire = Buffer.from(`*${words}\r\n${'$3\r\nabc\r\n'.repeat(words)}`);
    const { byteAt } = ByteQueue.prototype;
    for (const sizes of [[wire.length], [1_000], [7], [1]]) {
      let looks = 0;
      Object.assign(ByteQueue.prototype, {
        byteAt(this: ByteQueue, position: number): number | undefined {
          looks += 1;
          return byteAt.call(this, position);
        },
      });
      try {
        const chunks = cut(wire, sizes);
        const { messages } = feed(new RespServerFramer(), chunks);
        assert.equal(messages[0]?.length, words);
        // Once each, and once in vain for each chunk.
        assert.ok(
          looks <= wire.length + chunks.length,
          `${looks} looks at ${wire.length} bytes in ${chunks.length} chunks`,
        );
      } finally {
        Object.assign(ByteQueue.prototype, { byteAt });
      }
    }
  });

  test('a command needs words, and words that have bytes', () => {
    const framer: { encode(message: unknown): unknown } = new RespClientFramer();
    for (const sent of [[], 'PING', undefined, ['GET', null], ['GET', {}], [['GET']]]) {
      assert.throws(() => framer.encode(sent), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
    assert.equal(
      joined(new RespClientFramer().encode(['SET', 'k', 1.5, 2n])).toString(),
      '*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n1.5\r\n$1\r\n2\r\n',
    );
  });

  test('wrong options are refused', () => {
    const wrong: readonly unknown[] = [{ version: 1 }, { maxDepth: 0 }, { inline: 'no' }, { bulk: 'text' }];
    for (const options of wrong) {
      assert.throws(() => new RespServerFramer(options as object), {
        code: 'ERR_PACKET_OPTION',
        message: /^RespServerFramer: /,
      });
    }
    const bulk: unknown = { bulk: 'buffer' };
    assert.throws(() => new RespClientFramer(bulk as object), {
      code: 'ERR_PACKET_OPTION',
      message: /^RespClientFramer: bulk/,
    });
  });
});
