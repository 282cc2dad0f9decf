import { messageOf, PacketError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import {
  deserialize,
  FORM,
  formOfHead,
  patchedValueOf,
  RECORD,
  RECORD_HEAD_BYTES,
  SLICE_HEAD_BYTES,
  streamOfHead,
  typeOfHead,
  VALUE,
} from './frame-codec.ts';
import type { Frame } from './lane.ts';
import { LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { OpenFrame } from './open-frame.ts';
import { patchedFrame } from './patches.ts';

/** Longest SLICE record, whatever slice size the sender chose. */
const MAX_SLICE_BYTES = SLICE_HEAD_BYTES + LANE_OPTIONS.sliceBytes.max;
// A batch ends with the frame that makes it full, and what JSON escapes takes six times its estimate.
const MAX_BATCH_BYTES = 8 * (LANE_OPTIONS.flushBytes.max + LANE_OPTIONS.sliceBytes.max + 1024);
// Frames and JSON bytes come before.
const BATCH_TEXT_AT = 6;
const END_BYTES = 4;
// Partly received records up to this size are put together in one reused place.
const SCRATCH_BYTES = 128 * 1024;

/**
 * Bytes of one lane in, frames out: pure, pulled like a framer.
 *
 * It holds at most one partly received record and the unfinished large frames, `maxFrameBytes` in all; memory is
 * allocated only after the announced lengths were checked. Nothing it returns refers to the bytes it was given.
 *
 * ```
 * head ──► slice head ──► slice ──┐
 *   │                             ├──► head
 *   └────► whole record ──────────┘
 * ```
 */
export class FrameDecoder {
  readonly #limits: LaneLimits;
  readonly #open = new IdTable<OpenFrame>();
  readonly #head = Buffer.alloc(SLICE_HEAD_BYTES);
  #headHeld = 0;
  #headNeeded = RECORD_HEAD_BYTES;
  #scratch: Buffer | undefined;
  /** The record, or slice of text, being put together. */
  #partial: Buffer | undefined;
  #partialHeld = 0;
  #slice: Slice | undefined;
  #openBytes = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #failed = false;
  #graceMs: number | undefined;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** The grace the sender gave when it closed the lane; `undefined` while it has not. */
  get endGraceMs(): number | undefined {
    return this.#graceMs;
  }

  /**
   * Takes the next bytes, the first `length` of `chunk`. Call {@link next} until it says `undefined` before the chunk is
   * reused and before the next push.
   */
  push(chunk: Buffer, length: number = chunk.byteLength): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.#end = length;
  }

  /**
   * The next frames, in order; `undefined` when more bytes are needed.
   * @throws PacketError `ERR_PACKET_LANE_FRAME`; the decoder is spent.
   */
  next(): readonly Frame[] | undefined {
    if (this.#failed) return undefined;
    try {
      while (this.#at < this.#end) {
        if (this.#graceMs !== undefined) throw new RangeError('bytes after the end');
        const frames = this.#step();
        if (frames !== undefined) return frames;
      }
      return undefined;
    } catch (error) {
      this.#failed = true;
      this.#open.clear();
      this.#partial = undefined;
      throw new PacketError('ERR_PACKET_LANE_FRAME', `malformed bytes on a worker's lane: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  #step(): readonly Frame[] | undefined {
    if (this.#slice !== undefined) return this.#takeSlice(this.#slice);
    if (this.#partial !== undefined) return this.#takePartial(this.#partial);
    // A record that is whole in this chunk is read where it lies.
    if (this.#headHeld > 0 || this.#end - this.#at < SLICE_HEAD_BYTES) {
      if (!this.#gatherHead()) return undefined;
      this.#headHeld = 0;
      this.#headNeeded = RECORD_HEAD_BYTES;
      return this.#begin(this.#head, 0, false);
    }
    return this.#begin(this.#chunk, this.#at, true);
  }

  /** Byte by byte: heads are rarely cut. @returns true when the head is whole. */
  #gatherHead(): boolean {
    while (this.#headHeld < this.#headNeeded) {
      const byte = this.#chunk[this.#at];
      if (byte === undefined || this.#at >= this.#end) return false;
      this.#head[this.#headHeld++] = byte;
      this.#at++;
      const isSlice = this.#headHeld === RECORD_HEAD_BYTES && byte === RECORD.slice;
      if (isSlice) this.#headNeeded = SLICE_HEAD_BYTES;
    }
    return true;
  }

  #begin(source: Buffer, from: number, inChunk: boolean): readonly Frame[] | undefined {
    const length = source.readUInt32LE(from);
    const kind = source[from + 4];
    if (kind === RECORD.slice) {
      if (inChunk) this.#at += SLICE_HEAD_BYTES;
      this.#beginSlice(source, from, length);
      return undefined;
    }
    const size = length - 1;
    if (size < 0 || size > MAX_BATCH_BYTES) throw new RangeError('record length out of bounds');
    if (inChunk) {
      this.#at += RECORD_HEAD_BYTES;
      const end = this.#at + size;
      if (end <= this.#end) {
        const start = this.#at;
        this.#at = end;
        return this.#record(kind, this.#chunk, start, end);
      }
      this.#head[4] = kind ?? 0;
    }
    if (size === 0) return this.#record(kind, this.#head, 0, 0);
    this.#partial = this.#room(size);
    this.#partialHeld = 0;
    return undefined;
  }

  #room(size: number): Buffer {
    if (size > SCRATCH_BYTES) return Buffer.allocUnsafeSlow(size);
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    return this.#scratch.subarray(0, size);
  }

  /** @returns true when `partial` is full. */
  #fill(partial: Buffer): boolean {
    const copied = this.#chunk.copy(partial, this.#partialHeld, this.#at, this.#end);
    this.#at += copied;
    this.#partialHeld += copied;
    return this.#partialHeld === partial.byteLength;
  }

  #takePartial(partial: Buffer): readonly Frame[] | undefined {
    if (!this.#fill(partial)) return undefined;
    this.#partial = undefined;
    return this.#record(this.#head[4], partial, 0, partial.byteLength);
  }

  #record(kind: number | undefined, bytes: Buffer, start: number, end: number): readonly Frame[] | undefined {
    if (kind === RECORD.batch) return readBatch(bytes, start, end);
    if (kind === RECORD.open) return this.#openFrame(bytes.subarray(start, end));
    if (kind !== RECORD.end || end - start !== END_BYTES) throw new RangeError('unknown record kind');
    this.#graceMs = bytes.readUInt32LE(start);
    return undefined;
  }

  #openFrame(payload: Buffer): undefined {
    const frame = new OpenFrame(payload, this.#limits);
    if (this.#open.get(frame.id) !== undefined || this.#open.size >= this.#limits.maxOpenFrames) {
      throw new RangeError('too many open frames');
    }
    this.#openBytes += frame.bytes;
    if (this.#openBytes > this.#limits.maxFrameBytes) throw new RangeError('longer than maxFrameBytes');
    this.#open.add(frame);
    return undefined;
  }

  #beginSlice(source: Buffer, from: number, length: number): void {
    const left = length - (SLICE_HEAD_BYTES - 4);
    const id = source.readUInt32LE(from + RECORD_HEAD_BYTES);
    const form = source.readUInt8(from + RECORD_HEAD_BYTES + 4);
    const frame = this.#open.get(id);
    if (left <= 0 || left > MAX_SLICE_BYTES) throw new RangeError('slice length out of bounds');
    if (frame === undefined) throw new RangeError('slice of no open frame');
    frame.expect(left, form);
    this.#slice = { id, frame, form, left };
  }

  #takeSlice(slice: Slice): readonly Frame[] | undefined {
    const here = Math.min(slice.left, this.#end - this.#at);
    if (slice.form === FORM.raw) {
      slice.frame.fill(this.#chunk, this.#at, this.#at + here);
      this.#at += here;
      slice.left -= here;
      if (slice.left > 0) return undefined;
    } else if (this.#partial === undefined && here === slice.left) {
      slice.frame.append(this.#chunk.subarray(this.#at, this.#at + here), slice.form);
      this.#at += here;
    } else {
      // A two-byte unit may be cut by the end of the chunk.
      if (this.#partial === undefined) this.#partialHeld = 0;
      this.#partial ??= this.#room(slice.left);
      if (!this.#fill(this.#partial)) return undefined;
      slice.frame.append(this.#partial, slice.form);
      this.#partial = undefined;
    }
    this.#slice = undefined;
    if (!slice.frame.done) return undefined;
    this.#open.delete(slice.id);
    this.#openBytes -= slice.frame.bytes;
    return [slice.frame.take()];
  }
}

interface Slice {
  readonly id: number;
  readonly frame: OpenFrame;
  readonly form: number;
  left: number;
}

function readBatch(bytes: Buffer, start: number, end: number): readonly Frame[] {
  if (end - start < BATCH_TEXT_AT) throw new RangeError('batch without a head');
  const count = bytes.readUInt16LE(start);
  const textAt = start + BATCH_TEXT_AT;
  const v8At = textAt + bytes.readUInt32LE(start + 2);
  if (v8At > end) throw new RangeError('JSON length out of bounds');
  const list: unknown = JSON.parse(bytes.toString('utf8', textAt, v8At));
  if (!Array.isArray(list) || list.length !== 2 * count) throw new RangeError('wrong number of frames');
  const rest = v8At === end ? [] : deserialize(bytes.subarray(v8At, end));
  if (!Array.isArray(rest)) throw new RangeError('values without their list');
  let taken = 0;
  const frames: Frame[] = [];
  for (let at = 0; at < list.length; at += 2) {
    const head: unknown = list[at];
    const type = typeOfHead(head);
    const form = formOfHead(Number(head));
    const stream = streamOfHead(Number(head));
    if (form === VALUE.patched) {
      const [value, patches, coded] = patchedValueOf(rest[taken++]);
      frames.push(patchedFrame({ type, stream, value }, patches, [], coded));
    } else {
      frames.push({
        type,
        stream,
        value: form === VALUE.json ? list[at + 1] : form === VALUE.v8 ? rest[taken++] : undefined,
      });
    }
  }
  if (taken !== rest.length) throw new RangeError('wrong number of values');
  return frames;
}
