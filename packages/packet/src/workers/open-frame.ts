import { constants } from 'node:buffer';
import { type Binary, binaryFits, binaryFrom, newMemory } from './binary.ts';
import {
  deserialize,
  FORM,
  formOfHead,
  OPEN_HEAD_BYTES,
  PIECE_BYTES,
  patchedValueOf,
  streamOfHead,
  TEXT,
  typeOfHead,
  VALUE,
} from './frame-codec.ts';
import type { Frame } from './lane.ts';
import type { LaneLimits } from './lane-options.ts';
import { putParts } from './part-places.ts';
import { patchedFrame } from './patches.ts';

/** A large frame on its way in: its pieces, filled slice by slice. Memory is allocated when a piece begins. */
export class OpenFrame {
  /** Unique among the unfinished ones. */
  readonly id: number;
  readonly #head: number;
  readonly #parts: number;
  readonly #kinds: number[] = [0];
  readonly #lengths: number[];
  readonly #filled: (Uint8Array | string)[] = [];
  #current = 0;
  #offset = 0;
  /** What it may hold when it is whole. */
  readonly bytes: number;

  /** @throws Error when the OPEN record makes no sense or is beyond the limits. */
  constructor(open: Buffer, limits: LaneLimits) {
    this.id = open.readUInt32LE(0);
    this.#head = open.readDoubleLE(4);
    typeOfHead(this.#head);
    const valueBytes = open.readUInt32LE(12);
    this.#parts = open.readUInt16LE(16);
    const pieces = this.#parts + open.readUInt16LE(18);
    if (open.byteLength !== OPEN_HEAD_BYTES + pieces * PIECE_BYTES) throw new RangeError('wrong number of pieces');
    if (pieces > limits.maxAttachments) throw new RangeError('more than maxAttachments');
    this.#lengths = [valueBytes];
    let bytes = valueBytes;
    for (let at = OPEN_HEAD_BYTES; at < open.byteLength; at += PIECE_BYTES) {
      const kind = open.readUInt8(at);
      const length = open.readDoubleLE(at + 1);
      if (!Number.isSafeInteger(length) || length < 0) throw new RangeError('piece length is no length');
      if (kind === TEXT ? length > constants.MAX_STRING_LENGTH : !binaryFits(kind, length)) {
        throw new RangeError('piece of an impossible kind or length');
      }
      bytes += kind === TEXT ? 2 * length : length;
      this.#kinds.push(kind);
      this.#lengths.push(length);
    }
    if (bytes > limits.maxFrameBytes) throw new RangeError('longer than maxFrameBytes');
    if (valueBytes === 0) throw new RangeError('frame without a value');
    this.bytes = bytes;
  }

  /** True when every piece is full. */
  get done(): boolean {
    return this.#current >= this.#lengths.length;
  }

  /**
   * Checks an announced slice against what is missing of the current piece.
   * @throws Error when it does not fit.
   */
  expect(bytes: number, form: number): void {
    const missing = (this.#lengths[this.#current] ?? 0) - this.#offset;
    const isText = this.#kinds[this.#current] === TEXT;
    const units = form === FORM.utf16 ? bytes / 2 : bytes;
    if (isText !== (form === FORM.latin1 || form === FORM.utf16)) throw new RangeError('slice of the wrong form');
    if (!Number.isInteger(units) || units > missing || form > FORM.utf16)
      throw new RangeError('slice beyond its piece');
  }

  /** Takes bytes of the current piece. */
  fill(chunk: Buffer, from: number, to: number): void {
    chunk.copy(this.#memory(), this.#offset, from, to);
    this.#advance(to - from);
  }

  /** Takes one slice of text, whole. */
  append(bytes: Buffer, form: number): void {
    const piece = bytes.toString(form === FORM.latin1 ? 'latin1' : 'utf16le');
    this.#filled[this.#current] = String(this.#filled[this.#current] ?? '') + piece;
    this.#advance(piece.length);
  }

  /** @throws Error when its value cannot be read. */
  take(): Frame {
    const pieces = this.#kinds.map((_, index) => this.#piece(index));
    const type = typeOfHead(this.#head);
    const stream = streamOfHead(this.#head);
    const attachments = pieces.slice(1 + this.#parts).map(asBytes);
    const frame = attachments.length === 0 ? { type, stream } : { type, stream, attachments };
    const [bytes] = this.#filled;
    if (typeof bytes !== 'object') throw new RangeError('frame without a value');
    const parts = pieces.slice(1, 1 + this.#parts);
    if (formOfHead(this.#head) === VALUE.json) {
      const read: unknown = JSON.parse(Buffer.from(bytes.buffer).toString());
      if (!Array.isArray(read)) throw new RangeError('JSON without its value');
      const [value, places = []] = read as unknown[];
      return { ...frame, value: putParts(value, places, parts) };
    }
    const [value, patches, coded] = patchedValueOf(deserialize(bytes));
    return patchedFrame({ ...frame, value }, patches, parts, coded);
  }

  #piece(index: number): Binary | string {
    const kind = this.#kinds[index] ?? 0;
    const filled = this.#filled[index];
    if (kind === TEXT) return typeof filled === 'string' ? filled : '';
    return binaryFrom(kind, typeof filled === 'object' ? filled : newMemory(0));
  }

  #memory(): Uint8Array {
    const known = this.#filled[this.#current];
    if (typeof known === 'object') return known;
    const memory = newMemory(this.#lengths[this.#current] ?? 0);
    this.#filled[this.#current] = memory;
    return memory;
  }

  #advance(by: number): void {
    this.#offset += by;
    while (!this.done && this.#offset === this.#lengths[this.#current]) {
      this.#current++;
      this.#offset = 0;
    }
  }
}

function asBytes(piece: Binary | string): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new RangeError('attachment that is no bytes');
}
