/*
 * The wire between a master and a worker process. Both run the same Node, so the codecs are V8's own.
 *
 *   record  u32 length of the rest | u8 kind | payload               all numbers little-endian
 *
 *   BATCH   u16 frames | u32 JSON bytes | JSON | V8                  small frames: one serializer call each for all
 *   OPEN    u32 id | f64 head | u32 value bytes | u16 parts | u16 attachments | per piece: u8 kind | f64 length
 *   SLICE   u32 id | u8 form | bytes                                 the next bytes of an opened frame
 *   END     u32 grace in ms                                          the sender closed the lane; nothing follows
 *
 * head = stream * 64 + frame type * 4 + value form. In a BATCH the JSON is [head, value, head, value, …]: the value is
 * there when its form is JSON, which is faster and takes all that it can carry without loss; 0 stands for the value that
 * is undefined, or that is the next in the V8 array, there as it is or as [value, patches, instances], see patches.ts.
 * An opened frame is its value (JSON: [value] or [value, places], see part-places.ts; V8: [value, patches, instances]),
 * then its large parts, then its attachments; slices fill these pieces in this order and none crosses a piece. The kind
 * of a piece is the number in binary.ts, or TEXT with its length in UTF-16 units; slices of text say whether they are
 * Latin-1 or UTF-16, each for itself. Pieces of length 0 get no slice. Records of several opened frames may alternate.
 */
import { Deserializer, Serializer } from 'node:v8';
import { type Binary, binaryFits, binaryFrom, binaryKindOf, bytesOf, newMemory } from './binary.ts';
import type { FrameType } from './lane.ts';

/** What a record is; see the top of this file. */
export const RECORD = { batch: 1, open: 2, slice: 3, end: 4 } as const;
/** How a slice holds its bytes. */
export const FORM = { raw: 0, latin1: 1, utf16: 2 } as const;
/** The piece kind of long strings; all others are numbers of binary.ts. */
export const TEXT = 255;
/** Length and kind. */
export const RECORD_HEAD_BYTES = 5;
/** Length, kind, id and form. */
export const SLICE_HEAD_BYTES = 10;
/** OPEN up to its list of pieces, without the record head. */
export const OPEN_HEAD_BYTES = 20;
/** One piece in OPEN. */
export const PIECE_BYTES = 9;

// The position is the number on the wire: append only, 16 at most.
const FRAME_TYPES: readonly FrameType[] = [
  'HELLO',
  'CALL',
  'RESULT',
  'ERROR',
  'EVENT',
  'CHUNK',
  'CREDIT',
  'CANCEL',
  'STATUS',
  'PING',
  'PONG',
  'HANDLE',
  'DRAIN',
  'BYE',
  'LEASE',
];
const STREAM_UNIT = 64;
const TYPE_UNIT = 4;
const TYPE_NUMBERS: ReadonlyMap<FrameType, number> = new Map(FRAME_TYPES.map((type, number) => [type, number]));

/** How a frame holds its value. */
export const VALUE = { json: 0, v8: 1, none: 2, patched: 3 } as const;

/** Type, stream and value form of a frame in one number. */
export function headOf(type: FrameType, stream: number, form: number): number {
  return stream * STREAM_UNIT + (TYPE_NUMBERS.get(type) ?? 0) * TYPE_UNIT + form;
}

/** @throws RangeError for a number that is no head. */
export function typeOfHead(head: unknown): FrameType {
  if (typeof head !== 'number' || !Number.isSafeInteger(head) || head < 0) throw new RangeError('not a frame head');
  const type = FRAME_TYPES[Math.floor((head % STREAM_UNIT) / TYPE_UNIT)];
  if (type === undefined) throw new RangeError('unknown frame type');
  return type;
}

/** The stream of a head that {@link typeOfHead} accepted. */
export function streamOfHead(head: number): number {
  return Math.floor(head / STREAM_UNIT);
}

/** The value form of a head that {@link typeOfHead} accepted. */
export function formOfHead(head: number): number {
  return head % TYPE_UNIT;
}

/**
 * Serializes with V8. It keeps what it serialized from the garbage collector until the next full collection, and costs
 * several µs a call.
 * @param value Made by a Snapshotter: it holds nothing V8 would refuse.
 */
export function serialize(value: unknown): Buffer {
  const serializer = new ValueSerializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/** A value with what is to be put into it, as it travels. */
export type PatchedValue = readonly [value: unknown, patches: readonly unknown[], coded: readonly unknown[]];

/** @throws RangeError for anything else. */
export function patchedValueOf(read: unknown): PatchedValue {
  if (Array.isArray(read) && read.length === 3 && Array.isArray(read[1]) && Array.isArray(read[2])) {
    return read as unknown[] as [unknown, unknown[], unknown[]];
  }
  throw new RangeError('not a value');
}

/**
 * Reads what {@link serialize} wrote. Nothing of the result refers to `bytes`.
 * @throws Error for anything else.
 */
export function deserialize(bytes: Uint8Array): unknown {
  const deserializer = new ValueDeserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

// Node calls the underscored methods; they are part of its documented interface for subclasses.
class ValueSerializer extends Serializer {
  constructor() {
    super();
    (this as BinaryHook)._setTreatArrayBufferViewsAsHostObjects?.(true);
  }

  _writeHostObject(binary: Binary): void {
    const kind = binaryKindOf(binary);
    if (kind === undefined) throw new TypeError('a host object');
    this.writeUint32(kind);
    this.writeUint32(binary.byteLength);
    this.writeRawBytes(bytesOf(binary));
  }
}

interface BinaryHook {
  _setTreatArrayBufferViewsAsHostObjects?(on: boolean): void;
}

class ValueDeserializer extends Deserializer {
  _readHostObject(): Binary {
    const kind = this.readUint32();
    const bytes = this.readRawBytes(this.readUint32());
    if (!binaryFits(kind, bytes.byteLength)) throw new RangeError('memory of an unknown kind');
    // A copy: what was read belongs to a whole batch, and is overwritten by the next.
    const memory = newMemory(bytes.byteLength);
    memory.set(bytes);
    return binaryFrom(kind, memory);
  }
}
