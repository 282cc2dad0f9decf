import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Framer, INCOMPLETE } from '../../src/framing/index.ts';
import { fuzz } from './fuzz.ts';
import { cut, feed, joined, pull } from './pull.ts';

/** One framer in one configuration, and what the rules that hold without a limit need to know about it. */
export interface StreamCase<In, Out> {
  readonly name: string;
  /** A new framer with this limit, if it has one. */
  create(maxFrameBytes: number): Framer<In, Out>;
  /** Fixed messages for the exhaustive splits: short, with an empty one if the framing knows empty messages. */
  readonly messages: readonly Out[];
  /** Any message that can be encoded under the limit given. */
  arbitrary(maxFrameBytes: number): fc.Arbitrary<Out>;
  /** What decoding gives back for a message sent. */
  received(message: Out): In;
  /** Most bytes that may be held when there is nothing to give. */
  readonly mostHeld: number;
  /** What the end of the peer does inside a frame. */
  readonly atEnd: 'truncated' | 'deliver';
  /** Error codes garbage may cause. */
  readonly refusals: readonly string[];
  /** Bytes garbage is made of beside random ones: what the framing looks at. */
  readonly markers: readonly number[];
}

/** A framer with a limit, and what the rules on that need. */
export interface FramerCase<In, Out> extends Omit<StreamCase<In, Out>, 'mostHeld'> {
  /** A message of exactly so many bytes, as `maxFrameBytes` counts them. */
  sized(bytes: number): Out;
  /** The limit the limit rules are tried with. */
  readonly limit: number;
  /** How many bytes of an over-long frame must arrive, one by one, until it is refused. */
  readonly refusedAfter: number;
  /** Bytes beside the message that may be held: a header, a begun delimiter. */
  readonly overhead: number;
}

const ROOM = 1_048_576;
const ONE_BYTE = [1];
/** Hostile streams tried on each case. */
const GARBAGE = 100_000;
const sizes: fc.Arbitrary<number[]> = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })), {
  minLength: 1,
  maxLength: 20,
});

/** The rules of the `Framer` contract, run on one case of a framer with a limit. */
export function framerConformance<In, Out>(subject: FramerCase<In, Out>, cases: number): void {
  streamConformance({ ...subject, mostHeld: subject.limit + subject.overhead }, cases, subject.limit);
  limitConformance(subject);
}

/** The rules of the `Framer` contract that need no limit, run on one case. Garbage is fed to a framer with the limit given. */
export function streamConformance<In, Out>(subject: StreamCase<In, Out>, cases: number, limit: number = ROOM): void {
  const create = (given: number = ROOM): Framer<In, Out> => subject.create(given);
  const frames = subject.messages.map((message) => joined(create().encode(message)));
  const stream = Buffer.concat(frames);
  const expected = subject.messages.map((message) => subject.received(message));
  const [firstFrame, firstMessage] = [frames[0] ?? Buffer.alloc(0), expected[0]];

  describe(subject.name, () => {
    test('a stream cut at any one offset gives the same messages', () => {
      for (let at = 0; at <= stream.length; at++) {
        const outcome = feed(create(), [stream.subarray(0, at), stream.subarray(at)]);
        assert.deepEqual(outcome, { messages: expected, error: undefined }, `cut at ${at}`);
      }
      assert.deepEqual(feed(create(), cut(stream, ONE_BYTE)).messages, expected);
    });

    test('encoding and then decoding any split gives the same messages', () => {
      const messages = fc.array(subject.arbitrary(ROOM), { maxLength: 12 });
      fc.assert(
        fc.property(messages, sizes, (sent, chunkSizes) => {
          const framer = create();
          const bytes = Buffer.concat(sent.map((message) => joined(framer.encode(message))));
          const outcome = feed(framer, cut(bytes, chunkSizes));
          assert.deepEqual(outcome, { messages: sent.map((m) => subject.received(m)), error: undefined });
          assert.equal(framer.heldBytes, 0);
          assert.equal(framer.finish(), INCOMPLETE);
        }),
        fuzz(cases),
      );
    });

    test('several chunks pushed before the first pull give the same messages', () => {
      const framer = create();
      for (const chunk of cut(stream, [3, 1, 2])) framer.push(chunk);
      assert.deepEqual(pull(framer), expected);
    });

    test('heldBytes is what was pushed and not returned, to the byte', () => {
      for (let at = 0; at <= stream.length; at++) {
        const framer = create();
        let unreturned = at;
        framer.push(stream.subarray(0, at));
        assert.equal(framer.heldBytes, unreturned);
        for (const frame of frames) {
          if (framer.next() === INCOMPLETE) break;
          unreturned -= frame.length;
          assert.equal(framer.heldBytes, unreturned);
        }
        framer.push(stream.subarray(at));
        pull(framer);
        assert.equal(framer.heldBytes, 0);
      }
    });

    test('release returns the undecoded rest exactly, and the framer is spent', () => {
      for (let at = 0; at <= stream.length; at++) {
        for (let taken = 0; taken <= frames.length; taken++) {
          const framer = create();
          for (const chunk of cut(stream.subarray(0, at), [Math.max(1, at - 2), 1])) framer.push(chunk);
          const before = pull(framer, taken);
          const decoded = Buffer.concat(frames.slice(0, before.length)).length;
          const rest = framer.release();
          assert.deepEqual(rest, stream.subarray(decoded, at));
          assertSpent(framer);
          const after = feed(create(), [rest, stream.subarray(at)]);
          assert.deepEqual([...before, ...after.messages], expected);
        }
      }
    });

    test('the end of the peer between frames is INCOMPLETE, and inside one what the framing says', () => {
      const frame = firstFrame;
      assert.equal(create().finish(), INCOMPLETE);
      for (let at = 1; at < Math.min(5, frame.length); at++) {
        const framer = create();
        framer.push(Buffer.concat([frame, frame.subarray(0, at)]));
        assert.deepEqual(framer.finish(), firstMessage, 'finish gives complete messages first');
        assert.equal(framer.heldBytes, at);
        if (subject.atEnd === 'deliver') {
          assert.notEqual(framer.finish(), INCOMPLETE);
          assert.equal(framer.heldBytes, 0);
          assert.equal(framer.finish(), INCOMPLETE);
        } else {
          assert.throws(() => framer.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED', details: { heldBytes: at } });
          assertSpent(framer);
        }
      }
    });

    test('a waiting framer holds the bytes of its unfinished frame, not the whole chunk they came in', () => {
      const many = Buffer.concat(Array.from({ length: Math.ceil(65_536 / stream.length) }, () => stream));
      const begun = firstFrame.subarray(0, -1);
      const [chunk] = cut(Buffer.concat([many, begun]), [many.length + begun.length]);
      assert.ok(chunk !== undefined);
      const framer = create();
      feed(framer, [chunk]);
      const rest = framer.release();
      assert.deepEqual(rest, begun);
      assert.ok(rest.buffer.byteLength <= Buffer.poolSize, `${rest.buffer.byteLength} bytes kept alive`);
    });

    test('received messages stay as they are, whatever arrives later', () => {
      const framer = create();
      const kept: In[] = [];
      for (let round = 0; round < 40; round++) kept.push(...feed(framer, cut(stream, [7, 1, 64])).messages);
      for (const [index, message] of kept.entries()) assert.deepEqual(message, expected[index % expected.length]);
    });

    test('garbage gives messages or a documented error, within the limit plus one chunk', () => {
      const byte = fc.oneof(fc.constantFrom(...subject.markers), fc.integer({ min: 0, max: 255 }));
      const chunk = fc.array(byte, { minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes));
      fc.assert(
        fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
          const framer = create(limit);
          for (const bytes of chunks) {
            const { error } = feed(framer, [bytes]);
            assert.ok(framer.heldBytes <= subject.mostHeld, `${framer.heldBytes} held`);
            if (error === undefined) continue;
            assert.ok(subject.refusals.includes(error.code), error.code);
            assertSpent(framer);
          }
        }),
        fuzz(GARBAGE),
      );
    });
  });
}

function limitConformance<In, Out>(subject: FramerCase<In, Out>): void {
  const create = (limit: number = ROOM): Framer<In, Out> => subject.create(limit);
  const frames = subject.messages.map((message) => joined(create().encode(message)));
  const stream = Buffer.concat(frames);
  const expected = subject.messages.map((message) => subject.received(message));
  /** A frame over the limit, as a peer with a higher limit would send it. */
  const tooLarge = joined(create().encode(subject.sized(subject.limit + 1)));

  describe(`${subject.name}: its limit`, () => {
    test('a message of exactly the limit passes and one byte more is refused, wherever the bytes are cut', () => {
      const fits = subject.sized(subject.limit);
      const allowed = Buffer.concat([...frames, joined(create(subject.limit).encode(fits)), ...frames]);
      const refused = Buffer.concat([...frames, tooLarge, ...frames]);
      for (let at = 0; at <= refused.length; at++) {
        const good = feed(create(subject.limit), [allowed.subarray(0, at), allowed.subarray(at)]);
        assert.deepEqual(good, { messages: [...expected, subject.received(fits), ...expected], error: undefined });
        const framer = create(subject.limit);
        const bad = feed(framer, [refused.subarray(0, at), refused.subarray(at)]);
        assert.deepEqual(bad.messages, expected, 'the messages before it come first');
        assert.equal(bad.error?.code, 'ERR_PACKET_FRAME_TOO_LARGE');
        assert.equal(bad.error.details.limit, subject.limit);
        assert.ok(Number(bad.error.details.seen) > subject.limit, 'seen is over the limit');
        assertSpent(framer);
      }
    });

    test('an over-long frame is refused at its first violating byte', () => {
      const framer = create(subject.limit);
      const arriving = cut(tooLarge, ONE_BYTE);
      assert.equal(feed(framer, arriving.slice(0, subject.refusedAfter - 1)).error, undefined);
      const outcome = feed(framer, arriving.slice(subject.refusedAfter - 1, subject.refusedAfter));
      assert.equal(outcome.error?.code, 'ERR_PACKET_FRAME_TOO_LARGE');
      assert.equal(outcome.error.details.seen, subject.limit + 1);
    });

    test('encode refuses a message over the limit, and the framer goes on', () => {
      const framer = create(subject.limit);
      framer.push(stream.subarray(0, 1));
      assert.throws(() => framer.encode(subject.sized(subject.limit + 1)), {
        code: 'ERR_PACKET_FRAME_TOO_LARGE',
        details: { limit: subject.limit, seen: subject.limit + 1 },
      });
      framer.push(stream.subarray(1));
      assert.deepEqual(pull(framer), expected);
      assert.ok(joined(framer.encode(subject.sized(subject.limit))).length >= subject.limit);
    });
  });
}

/** Nothing comes out of a spent framer, whatever goes in. */
function assertSpent<In>(framer: Framer<In, never>): void {
  assert.equal(framer.next(), INCOMPLETE);
  framer.push(Buffer.from('000000001x\r\n\0\0\0\0'));
  assert.equal(framer.heldBytes, 0);
  assert.equal(framer.next(), INCOMPLETE);
  assert.equal(framer.finish(), INCOMPLETE);
  assert.equal(framer.release().length, 0);
}
