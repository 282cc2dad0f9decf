import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { test } from 'node:test';
import { scaled, testSeed } from '@packet/testing';
import fc from 'fast-check';
import { resolveOptions } from '../../src/options.ts';
import { FrameDecoder } from '../../src/workers/frame-decoder.ts';
import { BatchEncoder, encodeEnd, FrameCutter } from '../../src/workers/frame-encoder.ts';
import type { Frame } from '../../src/workers/index.ts';
import { LANE_OPTIONS } from '../../src/workers/index.ts';
import { toOutgoing } from '../../src/workers/outgoing.ts';
import { Snapshotter } from '../../src/workers/snapshot.ts';
import type { TestedOptions } from './lane-conformance.ts';

const limitsOf = (options: TestedOptions) => resolveOptions('test', LANE_OPTIONS, options);
const SMALL = limitsOf({ sliceBytes: 1024, attachmentBytes: 100, textAttachmentUnits: 100, maxFrameBytes: 1_000_000 });

/** All records of these frames, small ones in one batch, large ones taking turns. */
function encode(frames: readonly Frame[], limits = SMALL): Buffer {
  const snapshotter = new Snapshotter(limits, false);
  const outgoing = frames.map((frame) => toOutgoing(frame, snapshotter, limits));
  const encoder = new BatchEncoder();
  const records: Uint8Array[] = [];
  const small = outgoing.filter((frame) => !frame.big);
  if (small.length > 0) records.push(Buffer.from(encoder.encode(small)));
  let cutters = outgoing.filter((frame) => frame.big).map((frame, id) => new FrameCutter(frame, id));
  while (cutters.length > 0) {
    for (const cutter of cutters) records.push(...cutter.next(limits.sliceBytes));
    cutters = cutters.filter((cutter) => !cutter.done);
  }
  return Buffer.concat(records);
}

function decode(
  chunks: readonly Buffer[],
  limits = SMALL,
): { readonly frames: Frame[]; readonly decoder: FrameDecoder } {
  const decoder = new FrameDecoder(limits);
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    // The decoder must not keep the chunk: it is overwritten as the reader's slab is.
    const slab = Buffer.from(chunk);
    decoder.push(slab);
    for (let batch = decoder.next(); batch !== undefined; batch = decoder.next()) frames.push(...batch);
    slab.fill(0xaa);
  }
  return { frames, decoder };
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const offsets = [
    0,
    ...[...at].map((offset) => offset % (bytes.byteLength + 1)).sort((a, b) => a - b),
    bytes.byteLength,
  ];
  return offsets.slice(1).map((to, index) => bytes.subarray(offsets[index], to));
}

const EXAMPLES: readonly Frame[] = [
  { type: 'CALL', stream: 1, value: { method: 'run', args: [1, 'two', null, true] } },
  { type: 'PING', stream: 0, value: undefined },
  { type: 'RESULT', stream: 2 ** 40, value: new Map([[1n, new Date(5)]]) },
  { type: 'EVENT', stream: 7, value: { small: Buffer.from('abc'), floats: new Float64Array([1.5]) } },
  {
    type: 'CHUNK',
    stream: 3,
    value: { body: Buffer.alloc(3000, 3), text: 'wide € '.repeat(500), one: 'latin ÿ'.repeat(300) },
  },
  { type: 'CHUNK', stream: 4, value: 'tail', attachments: [Buffer.alloc(1500, 4), new Uint8Array(0)] },
  { type: 'RESULT', stream: 5, value: Array.from({ length: 80 }, (_, index) => ({ index, name: `node ${index} ü` })) },
];

test('records cut at every offset give the same frames', () => {
  const bytes = encode(EXAMPLES);
  const { frames } = decode([bytes]);
  assert.deepEqual(
    [...frames].sort((a, b) => a.stream - b.stream),
    [...EXAMPLES].sort((a, b) => a.stream - b.stream),
  );
  for (let at = 0; at <= bytes.byteLength; at++) {
    assert.deepEqual(
      decode([bytes.subarray(0, at), bytes.subarray(at)]).frames.length,
      EXAMPLES.length,
      `cut at ${at}`,
    );
  }
  const single = decode(Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)));
  assert.deepEqual(single.frames, frames);
});

test('any plain values survive any cutting', () => {
  const anything = fc.anything({
    withBigInt: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  });
  const values = fc.array(fc.oneof(anything, fc.date({ noInvalidDate: true })), { maxLength: 8 });
  fc.assert(
    fc.property(values, fc.array(fc.nat(), { maxLength: 20 }), (list, at) => {
      const frames = list.map((value, index): Frame => ({ type: 'CALL', stream: index, value }));
      const decoded = decode(cut(encode(frames), at)).frames.sort((a, b) => a.stream - b.stream);
      assert.equal(decoded.length, frames.length);
      for (const [index, { value }] of decoded.entries()) {
        assert.deepEqual(value, plain(list[index]));
      }
    }),
    { seed: testSeed, numRuns: scaled(2000, 100) },
  );
});

test('random bytes give a lane error or nothing, never anything else', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(bytes, fc.constantFrom(0, 1, 2, 3, 4), (body, kind) => {
      const record = Buffer.concat([Buffer.alloc(5), body]);
      record.writeUInt32LE(body.byteLength + 1);
      record[4] = kind;
      survives([kind === 0 ? Buffer.from(body) : record]);
    }),
    { seed: testSeed, numRuns: scaled(20_000, 500) },
  );
});

test('good records with bytes changed, lost or repeated give a lane error or frames, never anything else', () => {
  const good = encode(EXAMPLES);
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'drop', 'repeat', 'end')), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(damage, fc.array(fc.nat(), { maxLength: 5 }), (changes, at) => {
      let bytes = Buffer.from(good);
      for (const [where, byte, how] of changes) {
        const offset = where % bytes.byteLength;
        if (how === 'set') bytes[offset] = byte;
        if (how === 'drop') bytes = Buffer.concat([bytes.subarray(0, offset), bytes.subarray(offset + 1)]);
        if (how === 'repeat')
          bytes = Buffer.concat([bytes.subarray(0, offset), bytes.subarray(Math.max(0, offset - byte))]);
        if (how === 'end') bytes = bytes.subarray(0, Math.max(1, offset));
      }
      survives(cut(bytes, at));
    }),
    { seed: testSeed, numRuns: scaled(20_000, 500) },
  );
});

test('what is not a record is refused by name', () => {
  const open = (changes: (record: Buffer) => void): Buffer => {
    const record = Buffer.alloc(5 + 20 + 9);
    record.writeUInt32LE(record.byteLength - 4);
    record[4] = 2;
    record.writeDoubleLE(4, 9); // CALL on stream 0
    record.writeUInt32LE(10, 17);
    record.writeUInt16LE(1, 21);
    record[25] = 2;
    record.writeDoubleLE(1000, 26);
    changes(record);
    return record;
  };
  const slice = (id: number, form: number, bytes: number): Buffer => {
    const record = Buffer.alloc(10 + Math.min(bytes, 2000));
    record.writeUInt32LE(6 + bytes);
    record[4] = 3;
    record.writeUInt32LE(id, 5);
    record[9] = form;
    return record;
  };
  const batch = (count: number, json: string, jsonBytes = json.length): Buffer => {
    const record = Buffer.concat([Buffer.alloc(11), Buffer.from(json)]);
    record.writeUInt32LE(record.byteLength - 4);
    record[4] = 1;
    record.writeUInt16LE(count, 5);
    record.writeUInt32LE(jsonBytes, 7);
    return record;
  };
  const ok = open(() => {});
  assert.deepEqual(decode([ok, slice(0, 0, 10)]).frames, []);
  assert.equal(decode([batch(1, '[4,1]')]).frames.length, 1);
  const cases: [string, Buffer[]][] = [
    ['a length of zero', [Buffer.alloc(10)]],
    ['a huge length', [Buffer.alloc(10, 0xff)]],
    ['an unknown kind', [Buffer.from([1, 0, 0, 0, 9, 0, 0, 0, 0, 0])]],
    ['a batch that is no JSON', [batch(1, '[4,')]],
    ['a batch that is no list', [batch(1, '{}')]],
    ['a batch of another count', [batch(2, '[4,1]')]],
    ['a batch whose JSON is longer than itself', [batch(1, '[4,1]', 6)]],
    ['a batch without its V8 values', [batch(1, '[5,0]').fill(0, 99)]],
    ['a frame of unknown type', [batch(1, '[60,1]')]],
    ['a frame of unknown form', [batch(1, '[7,1]')]],
    ['a head that is no number', [batch(1, '["4",1]')]],
    ['a negative stream', [batch(1, '[-60,1]')]],
    ['a stream that is no whole number', [batch(1, '[4.5,1]')]],
    ['an opened frame with a head that is none', [open((record) => record.writeDoubleLE(Number.NaN, 9))]],
    ['a frame opened twice', [ok, ok]],
    ['an opened frame without a value', [open((record) => record.writeUInt32LE(0, 17))]],
    ['more pieces than listed', [open((record) => record.writeUInt16LE(2, 21))]],
    ['a piece of unknown kind', [open((record) => record.fill(99, 25, 26))]],
    [
      'a piece that is no whole number of elements',
      [open((record) => record.fill(11, 25, 26).writeDoubleLE(1001, 26))],
    ],
    ['a negative piece', [open((record) => record.writeDoubleLE(-1, 26))]],
    ['a piece beyond maxFrameBytes', [open((record) => record.writeDoubleLE(1_000_001, 26))]],
    ['a text beyond what a string can be', [open((record) => record.fill(255, 25, 26).writeDoubleLE(2 ** 40, 26))]],
    [
      'frames that together are beyond maxFrameBytes',
      [0, 1].map((id) =>
        open((record) => {
          record.writeUInt32LE(id, 5);
          record.writeDoubleLE(600_000, 26);
        }),
      ),
    ],
    ['a slice of nothing', [ok, slice(1, 0, 10)]],
    ['an empty slice', [ok, slice(0, 0, 0)]],
    ['a slice beyond its piece', [ok, slice(0, 0, 11)]],
    ['a slice longer than any', [ok, slice(0, 0, 2_000_000)]],
    ['text in a slice of bytes', [ok, slice(0, 1, 10)]],
    ['a slice of unknown form', [ok, slice(0, 3, 10)]],
    ['a value that is none', [open((record) => record.writeDoubleLE(0, 26)), slice(0, 0, 10)]],
    ['bytes after the end', [Buffer.from(encodeEnd(0)), batch(1, '[4,1]')]],
  ];
  for (const [name, chunks] of cases) {
    assert.throws(() => decode(chunks), { code: 'ERR_PACKET_LANE_FRAME' }, name);
  }
});

test('a decoder that has failed stays silent', () => {
  const decoder = new FrameDecoder(SMALL);
  decoder.push(Buffer.alloc(10, 0xff));
  assert.throws(() => decoder.next(), { code: 'ERR_PACKET_LANE_FRAME' });
  decoder.push(encode(EXAMPLES));
  assert.equal(decoder.next(), undefined);
});

test('more frames opened than maxOpenFrames are refused', () => {
  const limits = limitsOf({ ...SMALL, maxOpenFrames: 2 });
  const opens = [1, 2, 3].map((stream, id) => {
    const outgoing = toOutgoing(
      { type: 'CALL', stream, value: Buffer.alloc(5000) },
      new Snapshotter(limits, false),
      limits,
    );
    return Buffer.concat(new FrameCutter(outgoing, id).next(1024));
  });
  decode(opens.slice(0, 2), limits);
  assert.throws(() => decode(opens, limits), { code: 'ERR_PACKET_LANE_FRAME' });
});

test('a lying length allocates nothing above the limit', () => {
  const before = process.memoryUsage().arrayBuffers;
  const limits = limitsOf({ maxFrameBytes: 1_000_000 });
  const sent = encode([{ type: 'CALL', stream: 1, value: Buffer.alloc(900_000_000 / 1000) }], limits);
  const lying = Buffer.from(sent.subarray(0, 40));
  lying.writeDoubleLE(900_000_000, 26);
  assert.throws(() => decode([lying], limits), { code: 'ERR_PACKET_LANE_FRAME' });
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
});

test('the end tells the grace of the sender', () => {
  const { decoder } = decode([Buffer.from(encodeEnd(1234))]);
  assert.equal(decoder.endGraceMs, 1234);
});

test('the slab is not written over while a batch of it has not left', () => {
  const encoder = new BatchEncoder();
  const snapshotter = new Snapshotter(SMALL, false);
  const record = (value: unknown): Uint8Array =>
    encoder.encode([toOutgoing({ type: 'CALL', stream: 1, value }, snapshotter, SMALL)]);
  const records = Array.from({ length: 20_000 }, (_, index) => record(index));
  for (const [index, bytes] of records.entries()) assert.equal(decode([Buffer.from(bytes)]).frames[0]?.value, index);
  for (const _ of records) encoder.written();
  const [first, again] = [records[0], record('again')];
  assert.equal(again.buffer, first?.buffer);
  assert.equal(again.byteOffset, first?.byteOffset, 'it is used again when all have left');
});

function survives(chunks: readonly Buffer[]): void {
  try {
    decode(chunks);
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'ERR_PACKET_LANE_FRAME', String(error));
  }
}

/** The value as it arrives: objects without a prototype get one. */
function plain(value: unknown): unknown {
  return new Snapshotter(limitsOf({}), false).take(value).value;
}

test('a value whose JSON would be longer than a string can be leaves all the same', () => {
  const limits = limitsOf({});
  // In JSON each of these characters takes six.
  const text = '\u0001'.repeat(limits.textAttachmentUnits);
  const value = new Array<string>(Math.ceil(constants.MAX_STRING_LENGTH / 6 / text.length)).fill(text);
  const outgoing = toOutgoing({ type: 'CALL', stream: 1, value }, new Snapshotter(limits, false), limits);
  const cutter = new FrameCutter(outgoing, 0);
  const decoder = new FrameDecoder(limits);
  let frame: Frame | undefined;
  while (!cutter.done) {
    for (const record of cutter.next(limits.sliceBytes)) {
      decoder.push(Buffer.from(record.buffer, record.byteOffset, record.byteLength));
      for (let batch = decoder.next(); batch !== undefined; batch = decoder.next()) [frame] = batch;
    }
  }
  const arrived = frame?.value as readonly string[];
  assert.equal(arrived.length, value.length);
  assert.ok(arrived.every((one) => one === text));
});
