import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Framer,
  type INCOMPLETE,
  type RespArgument,
  RespAttributed,
  RespClientFramer,
  RespError,
  RespPush,
  RespServerFramer,
  RespStatus,
  type RespValue,
  RespVerbatim,
} from '../../src/framing/index.ts';
import { frameTooLarge } from '../../src/framing/refusals.ts';
import { framerConformance } from './framer-conformance.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined } from './pull.ts';

const MALFORMED = 'ERR_PACKET_FRAME_MALFORMED';
const TOO_LARGE = 'ERR_PACKET_FRAME_TOO_LARGE';
const CASES = 2_000;

/** One side's reader with the other side's writer, which is what a conversation is made of. */
class Pair<In, Out> implements Framer<In, Out> {
  readonly #reader: Framer<In, never>;
  readonly #writer: Framer<unknown, Out>;
  constructor(reader: Framer<In, never>, writer: Framer<unknown, Out>) {
    this.#reader = reader;
    this.#writer = writer;
  }
  get heldBytes(): number {
    return this.#reader.heldBytes;
  }
  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }
  next(): In | typeof INCOMPLETE {
    return this.#reader.next();
  }
  finish(): In | typeof INCOMPLETE {
    return this.#reader.finish();
  }
  release(): Buffer {
    return this.#reader.release();
  }
  encode(message: Out): Uint8Array | readonly Uint8Array[] {
    return this.#writer.encode(message);
  }
}

function bytesOf(argument: RespArgument): Buffer {
  return argument instanceof Uint8Array ? Buffer.from(argument) : Buffer.from(String(argument));
}

const argument: fc.Arbitrary<RespArgument> = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '\r', '\n', '€', '"') }),
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 505, max: 520 }).map((size) => Buffer.alloc(size, 'x')),
  fc.integer(),
  fc.bigInt(),
);

framerConformance<Buffer[], readonly RespArgument[]>(
  {
    name: 'RespServerFramer with the commands of RespClientFramer',
    create: (maxFrameBytes) =>
      new Pair(
        new RespServerFramer({ maxFrameBytes, ...(maxFrameBytes < 100 ? { maxInlineBytes: 20 } : {}) }),
        new RespClientFramer({ maxFrameBytes }),
      ),
    messages: [['GET', '\r\n*1'], [''], ['SET', Buffer.of(0, 0xff), 5, 6n], ['QUIT']],
    arbitrary: () => fc.array(argument, { minLength: 1, maxLength: 6 }),
    received: (message) => message.map(bytesOf),
    sized: (bytes) => ['x'.repeat(bytes - '*1\r\n$50\r\n\r\n'.length)],
    limit: 60,
    refusedAfter: '*1\r\n$50\r\n'.length,
    overhead: 0,
    atEnd: 'truncated',
    refusals: [TOO_LARGE, MALFORMED],
    markers: [...Buffer.from('*$$1120\r\r\n\n-:"')],
  },
  CASES,
);

/** Writes commands as one types them at the server. */
function typed(maxFrameBytes: number): Framer<unknown, readonly string[]> {
  const encode = (words: readonly string[]): Buffer => {
    const line = Buffer.from(`${words.join(' ')}\r\n`);
    if (line.length > maxFrameBytes) throw frameTooLarge(maxFrameBytes, line.length);
    return line;
  };
  return Object.assign(new RespClientFramer(), { encode });
}
const word = fc.string({ unit: fc.constantFrom('a', 'B', '7', '-'), minLength: 1, maxLength: 12 });

framerConformance<Buffer[], readonly string[]>(
  {
    name: 'RespServerFramer with commands as words on a line',
    create: (maxFrameBytes) => new Pair(new RespServerFramer({ maxFrameBytes }), typed(maxFrameBytes)),
    messages: [['GET', 'key'], ['QUIT'], ['SET', 'a', '1']],
    arbitrary: () => fc.array(word, { minLength: 1, maxLength: 6 }),
    received: (message) => message.map((text) => Buffer.from(text)),
    sized: (bytes) => ['x'.repeat(bytes - 2)],
    limit: 60,
    refusedAfter: 61,
    overhead: 0,
    atEnd: 'truncated',
    refusals: [TOO_LARGE, MALFORMED],
    markers: [...Buffer.from('*$11ab  "\'\\\r\r\n\n')],
  },
  CASES,
);

const line = fc.string({ unit: fc.constantFrom('a', ' ', '€', '+', '$'), maxLength: 10 });
const lines = fc.string({ unit: fc.constantFrom('a', '\r', '\n', 'é'), maxLength: 10 });

/** Any value of RESP3 but a push, which is only outermost. */
const inner: fc.Arbitrary<RespValue> = fc.letrec<{ value: RespValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(
      fc.constantFrom(null, true, false, 0, -0, Infinity, -Infinity, Number.NaN, 2 ** 53, 5e-324, 1e300),
      fc.integer(),
      fc.double(),
      fc.bigInt(),
      lines,
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      line.map((text) => new RespStatus(text)),
      line.map((text) => new RespError(text)),
      lines.map((text) => new RespVerbatim('txt', text)),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(tie('value'), { maxLength: 4 }).map((values) => new Set(values)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc
      .tuple(fc.array(fc.tuple(line, tie('value')), { maxLength: 2 }), tie('value'))
      .map(([pairs, value]) => new RespAttributed(new Map(pairs), value)),
  ),
})).value;
const value: fc.Arbitrary<RespValue> = fc.oneof(
  { arbitrary: inner, weight: 9 },
  { arbitrary: fc.array(inner, { maxLength: 4 }).map((values) => new RespPush(values)), weight: 1 },
  { arbitrary: lines.map((text) => new RespError(text)), weight: 1 },
);

/** What a value is when it was sent with RESP3. */
function received3(sent: RespValue): RespValue {
  if (typeof sent === 'string') return Buffer.from(sent);
  if (sent instanceof Uint8Array) return Buffer.from(sent);
  if (sent instanceof RespPush) return new RespPush(sent.values.map(received3));
  if (sent instanceof RespAttributed) {
    return new RespAttributed(received3(sent.attributes) as ReadonlyMap<RespValue, RespValue>, received3(sent.value));
  }
  if (sent instanceof Map) return new Map([...sent].map(([key, of]) => [received3(key), received3(of)]));
  if (sent instanceof Set) return new Set([...sent].map(received3));
  return Array.isArray(sent) ? sent.map(received3) : sent;
}

/** The same with RESP2. */
function received2(sent: RespValue): RespValue {
  if (typeof sent === 'boolean') return sent ? 1 : 0;
  if (typeof sent === 'number' && (!Number.isSafeInteger(sent) || Object.is(sent, -0))) {
    const words = new Map([
      [Infinity, 'inf'],
      [-Infinity, '-inf'],
      [Number.NaN, 'nan'],
    ]);
    return Buffer.from(Object.is(sent, -0) ? '-0' : (words.get(sent) ?? String(sent)));
  }
  if (typeof sent === 'bigint') {
    if (BigInt.asIntN(64, sent) !== sent) return Buffer.from(String(sent));
    return Number.isSafeInteger(Number(sent)) ? Number(sent) : sent;
  }
  if (sent instanceof RespVerbatim) return Buffer.from(sent.text);
  if (sent instanceof RespPush) return sent.values.map(received2);
  if (sent instanceof RespAttributed) return received2(sent.value);
  if (sent instanceof Map) return [...sent].flat().map(received2);
  if (sent instanceof Set) return [...sent].map(received2);
  return Array.isArray(sent) ? sent.map(received2) : received3(sent);
}

framerConformance<RespValue, RespValue>(
  {
    name: 'RespClientFramer with the replies of RespServerFramer in RESP3',
    create: (maxFrameBytes) =>
      new Pair(new RespClientFramer({ maxFrameBytes }), new RespServerFramer({ version: 3, maxFrameBytes })),
    messages: [
      ['a', [1, null], new Map([['k', true]])],
      new RespStatus('OK'),
      new RespPush(['message', new Set([1.5])]),
      new RespAttributed(new Map([['ttl', 1]]), 2n ** 70n),
      new RespError('ERR two\r\nlines'),
      new RespVerbatim('mkd', '# hi'),
      '',
    ],
    arbitrary: () => value,
    received: received3,
    sized: (bytes) => new RespStatus('x'.repeat(bytes - 3)),
    limit: 60,
    refusedAfter: 61,
    overhead: 0,
    atEnd: 'truncated',
    refusals: [TOO_LARGE, MALFORMED],
    markers: [...Buffer.from('+-:$*_#,(!=%~>|0112t\r\r\n\n')],
  },
  CASES,
);

framerConformance<RespValue, RespValue>(
  {
    name: 'RespClientFramer with the replies of RespServerFramer in RESP2',
    create: (maxFrameBytes) =>
      new Pair(new RespClientFramer({ maxFrameBytes }), new RespServerFramer({ maxFrameBytes })),
    messages: [[true, null, 1.5, new Map([['k', 2n ** 64n]])], new RespError('ERR no'), 'text'],
    arbitrary: () => value.filter((sent) => !(sent instanceof RespError && /[\r\n]/.test(sent.message))),
    received: received2,
    sized: (bytes) => new RespStatus('x'.repeat(bytes - 3)),
    limit: 60,
    refusedAfter: 61,
    overhead: 0,
    atEnd: 'truncated',
    refusals: [TOO_LARGE, MALFORMED],
    markers: [...Buffer.from('+-:$*011\r\r\n\n')],
  },
  CASES,
);

describe('RESP', () => {
  test('frames changed anywhere give messages or a documented error', () => {
    const framer = new RespServerFramer({ version: 3 });
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
    fc.assert(
      fc.property(value, changes, fc.integer({ min: 1, max: 9 }), (sent, edits, size) => {
        const bytes = joined(framer.encode(sent));
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        for (const reader of [new RespClientFramer(), new RespServerFramer()]) {
          const { error } = feed<unknown>(reader, cut(bytes, [size]));
          assert.ok(error === undefined || [MALFORMED, TOO_LARGE].includes(error.code));
        }
      }),
      fuzz(100_000),
    );
  });
});
