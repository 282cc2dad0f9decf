import { constants } from 'node:buffer';
import {
  FORM,
  headOf,
  OPEN_HEAD_BYTES,
  type PatchedValue,
  PIECE_BYTES,
  RECORD,
  RECORD_HEAD_BYTES,
  SLICE_HEAD_BYTES,
  serialize,
  TEXT,
  VALUE,
} from './frame-codec.ts';
import type { Outgoing } from './outgoing.ts';
import { placesOf } from './part-places.ts';
import type { Snapshot } from './snapshot.ts';

const BATCH_HEAD_BYTES = RECORD_HEAD_BYTES + 6;
// Room for what may wait for a slow reader; fresh memory costs more than what is written to it.
const SLAB_BYTES = 256 * 1024;
// Of one UTF-16 unit.
const MAX_UTF8_BYTES = 3;
// Of one byte a snapshot counts: a control character is written \u0001.
const MAX_JSON_UNITS = 6;

/** Encodes BATCH records into one slab, reused as soon as nothing of it is on its way. */
export class BatchEncoder {
  readonly #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;
  #inUse = 0;

  /** One record; tell {@link written} when it has left. */
  encode(frames: readonly Outgoing[]): Uint8Array {
    const list: unknown[] = [];
    const rest: unknown[] = [];
    for (const { type, stream, snapshot } of frames) {
      if (snapshot.json) {
        list.push(headOf(type, stream, VALUE.json), snapshot.value);
      } else if (snapshot.value === undefined) {
        list.push(headOf(type, stream, VALUE.none), 0);
      } else if (snapshot.patches.length === 0) {
        list.push(headOf(type, stream, VALUE.v8), 0);
        rest.push(snapshot.value);
      } else {
        list.push(headOf(type, stream, VALUE.patched), 0);
        rest.push(patched(snapshot));
      }
    }
    const json = JSON.stringify(list);
    const v8 = rest.length === 0 ? undefined : serialize(rest);
    const most = BATCH_HEAD_BYTES + MAX_UTF8_BYTES * json.length + (v8?.byteLength ?? 0);
    // Written where it stays: every view of the slab costs as much as a small frame.
    const inSlab = this.#used + most <= SLAB_BYTES;
    const into = inSlab ? this.#slab : Buffer.allocUnsafeSlow(most);
    const start = inSlab ? this.#used : 0;
    const jsonAt = start + BATCH_HEAD_BYTES;
    const jsonBytes = into.write(json, jsonAt);
    let end = jsonAt + jsonBytes;
    if (v8 !== undefined) end += v8.copy(into, end);
    writeRecordHead(into, start, end, RECORD.batch);
    into.writeUInt16LE(frames.length, start + RECORD_HEAD_BYTES);
    into.writeUInt32LE(jsonBytes, start + RECORD_HEAD_BYTES + 2);
    if (inSlab) this.#used = end;
    this.#inUse++;
    return into.subarray(start, end);
  }

  /** One record has left. */
  written(): void {
    this.#inUse--;
    if (this.#inUse === 0) this.#used = 0;
  }
}

/** The END record. */
export function encodeEnd(graceMs: number): Uint8Array {
  const record = Buffer.allocUnsafe(RECORD_HEAD_BYTES + 4);
  writeRecordHead(record, 0, record.byteLength, RECORD.end);
  record.writeUInt32LE(graceMs, RECORD_HEAD_BYTES);
  return record;
}

type Piece =
  | { readonly kind: number; readonly bytes: Uint8Array; readonly length: number }
  | { readonly kind: typeof TEXT; readonly text: string; readonly length: number };

/** Cuts one large frame into its records. Lent memory is read when its slice is cut, and written from where it lies. */
export class FrameCutter {
  /** Unique among the unfinished ones. */
  readonly id: number;
  readonly #head: number;
  readonly #pieces: readonly Piece[];
  readonly #parts: number;
  #opened = false;
  #current = 0;
  #offset = 0;

  constructor(frame: Outgoing, id: number) {
    const { type, stream, snapshot, attachments = [] } = frame;
    const parts = snapshot.parts ?? [];
    const json = jsonOf(snapshot);
    // JSON may be longer than the bound of the snapshot, which the other side holds it to.
    const asJson = json !== undefined && json.byteLength <= snapshot.mostBytes;
    const value = asJson ? json : serialize(patched(snapshot));
    this.id = id;
    this.#head = headOf(type, stream, asJson ? VALUE.json : VALUE.patched);
    this.#parts = parts.length;
    this.#pieces = [
      { kind: 0, bytes: value, length: value.byteLength },
      ...parts.map((part): Piece => {
        if (part.kind === 'text') return { kind: TEXT, text: part.text, length: part.text.length };
        return { kind: part.kind, bytes: part.bytes, length: part.bytes.byteLength };
      }),
      ...attachments.map((bytes): Piece => ({ kind: Buffer.isBuffer(bytes) ? 1 : 2, bytes, length: bytes.byteLength })),
    ];
  }

  /** True when every record was cut. */
  get done(): boolean {
    return this.#opened && this.#current >= this.#pieces.length;
  }

  /** The next record, to be written in one go: OPEN first, then slices of `most` bytes. */
  next(most: number): readonly Uint8Array[] {
    if (!this.#opened) {
      this.#opened = true;
      return [this.#openRecord()];
    }
    const piece = this.#pieces[this.#current];
    if (piece === undefined) return [];
    const slice = 'text' in piece ? this.#textSlice(piece.text, most) : this.#rawSlice(piece.bytes, piece.length, most);
    if (this.#offset >= piece.length) {
      this.#current++;
      this.#offset = 0;
      this.#skipEmpty();
    }
    return slice;
  }

  #openRecord(): Uint8Array {
    const [value, ...others] = this.#pieces;
    const record = Buffer.allocUnsafe(RECORD_HEAD_BYTES + OPEN_HEAD_BYTES + others.length * PIECE_BYTES);
    writeRecordHead(record, 0, record.byteLength, RECORD.open);
    let at = record.writeUInt32LE(this.id, RECORD_HEAD_BYTES);
    at = record.writeDoubleLE(this.#head, at);
    at = record.writeUInt32LE(value?.length ?? 0, at);
    at = record.writeUInt16LE(this.#parts, at);
    at = record.writeUInt16LE(others.length - this.#parts, at);
    for (const { kind, length } of others) {
      at = record.writeUInt8(kind, at);
      at = record.writeDoubleLE(length, at);
    }
    return record;
  }

  #rawSlice(bytes: Uint8Array, length: number, most: number): readonly Uint8Array[] {
    const size = Math.min(most, length - this.#offset);
    const slice = bytes.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    // Shorter when its owner moved or shrank what it had lent: the length that was announced must come all the same.
    const whole = slice.byteLength === size ? slice : Buffer.alloc(size);
    return [this.#sliceHead(FORM.raw, size), whole];
  }

  #textSlice(text: string, most: number): readonly Uint8Array[] {
    let slice = text.slice(this.#offset, this.#offset + most);
    const wide = /[\u0100-\uffff]/.test(slice);
    if (wide) slice = slice.slice(0, Math.max(1, most >> 1));
    this.#offset += slice.length;
    const bytes = Buffer.from(slice, wide ? 'utf16le' : 'latin1');
    return [this.#sliceHead(wide ? FORM.utf16 : FORM.latin1, bytes.byteLength), bytes];
  }

  #sliceHead(form: number, bytes: number): Uint8Array {
    const head = Buffer.allocUnsafe(SLICE_HEAD_BYTES);
    head.writeUInt32LE(SLICE_HEAD_BYTES - 4 + bytes, 0);
    head.writeUInt8(RECORD.slice, 4);
    head.writeUInt32LE(this.id, RECORD_HEAD_BYTES);
    head.writeUInt8(form, RECORD_HEAD_BYTES + 4);
    return head;
  }

  #skipEmpty(): void {
    while (this.#pieces[this.#current]?.length === 0) this.#current++;
  }
}

/** `[value]`, or `[value, places]` of one with large parts. */
function jsonOf({ json, value, bytes, patches }: Snapshot): Buffer | undefined {
  if (!json || MAX_JSON_UNITS * bytes > constants.MAX_STRING_LENGTH) return undefined;
  if (patches.length === 0) return Buffer.from(JSON.stringify([value]));
  const places = placesOf(value, patches, bytes);
  return places === undefined ? undefined : Buffer.from(JSON.stringify([value, places]));
}

function patched({ value, patches, coded = [] }: Snapshot): PatchedValue {
  return [value, patches, coded];
}

function writeRecordHead(into: Buffer, start: number, end: number, kind: number): void {
  into.writeUInt32LE(end - start - 4, start);
  into[start + 4] = kind;
}
