/*
 * What travels over the port between a master and a worker thread, by structured clone. A number acknowledges so many bytes
 * taken in; everything else is a list:
 *
 *   [BATCH, bytes, acknowledged, buffers, head, value, head, value, …]    small frames, cloned all at once
 *   [TEXT, bytes, acknowledged, id, part, text]                           the next piece of a long string of a large frame
 *   [LARGE, bytes, acknowledged, id, buffers, head, value, parts, attachments]     a large frame, its memory moved
 *   [END, 0, acknowledged, grace in ms]                                   the sender closed the lane; nothing follows
 *
 * `bytes` is what the receiver shall acknowledge for it. head is that of frame-codec.ts; a value is there as it is, or as [value,
 * patches, instances] (patches.ts), as that of a large frame always is. `buffers` are the Uint8Arrays within
 * the values that were Buffers, 0 for none: a clone keeps identity and forgets that. Parts and attachments are four entries
 * each: kind, memory, offset, length; a long string has its kind and 0, 0, 0.
 */
import { constants } from 'node:buffer';
import { types } from 'node:util';
import { BUFFER, binaryFits, binaryOver } from './binary.ts';
import { formOfHead, headOf, patchedValueOf, streamOfHead, TEXT, typeOfHead, VALUE } from './frame-codec.ts';
import type { Frame } from './lane.ts';
import type { LaneLimits } from './lane-options.ts';
import type { Outgoing } from './outgoing.ts';
import { patchedFrame } from './patches.ts';
import { SlowCopy } from './slow-copy.ts';

const BATCH = 1;
const TEXT_PIECE = 2;
const LARGE = 3;
const END = 4;

// Places in a message: which, bytes and acknowledged come first.
const BYTES = 1;
const ACKNOWLEDGED = 2;
const BODY = 3;

const NONE = 0;
const PIECE_ENTRIES = 4;
const UINT8 = 2;
const UNIT_BYTES = 2;

/** A message of which the first entries are still to be set. */
export type PortMessage = unknown[];

/** Fills in what every message says. */
export function stamp(message: PortMessage, bytes: number, acknowledged: number): void {
  message[BYTES] = bytes;
  message[ACKNOWLEDGED] = acknowledged;
}

/** Small frames in one message. */
export function batchMessage(batch: readonly Outgoing[]): PortMessage {
  const message: PortMessage = [BATCH, 0, 0, NONE];
  let buffers: Uint8Array[] | undefined;
  for (const { type, stream, snapshot } of batch) {
    const { value, patches, coded = [] } = snapshot;
    if (patches.length === 0) message.push(headOf(type, stream, VALUE.v8), value);
    else message.push(headOf(type, stream, VALUE.patched), [value, patches, coded]);
    if (snapshot.buffers !== undefined) buffers = (buffers ?? []).concat(snapshot.buffers);
  }
  if (buffers !== undefined) message[BODY] = buffers;
  return message;
}

/** The last message of a direction. */
export function endMessage(graceMs: number): PortMessage {
  return [END, 0, 0, graceMs];
}

/** A large frame on its way out: its texts first, piece by piece, then all the rest at once when its memory was copied. */
export class LargeDeparture {
  /** Unique among the unfinished ones. */
  readonly id: number;
  readonly #frame: Outgoing;
  readonly #copy: SlowCopy;
  readonly #texts: { readonly part: number; readonly text: string }[] = [];
  #offset = 0;

  constructor(frame: Outgoing, id: number) {
    this.id = id;
    this.#frame = frame;
    this.#copy = new SlowCopy(frame);
    for (const [index, part] of (frame.snapshot.parts ?? []).entries()) {
      if (part.kind === 'text') this.#texts.push({ part: index, text: part.text });
    }
  }

  /** The next piece of text, of about so many bytes; `undefined` when there is none left. */
  nextText(bytes: number): { readonly bytes: number; readonly message: PortMessage } | undefined {
    const [first] = this.#texts;
    if (first === undefined) return undefined;
    const { part, text } = first;
    const piece = text.slice(this.#offset, this.#offset + bytes / UNIT_BYTES);
    this.#offset += piece.length;
    if (this.#offset >= text.length) {
      this.#texts.shift();
      this.#offset = 0;
    }
    return { bytes: UNIT_BYTES * piece.length, message: [TEXT_PIECE, 0, 0, this.id, part, piece] };
  }

  /** Copies so much of its memory. @returns the bytes copied. */
  copyMore(bytes: number): number {
    return this.#copy.step(bytes);
  }

  /** Whether all its memory was copied. */
  get copied(): boolean {
    return this.#copy.done;
  }

  /** The message with all but the texts, and the memory that moves with it. */
  last(): { readonly message: PortMessage; readonly transfer: readonly ArrayBuffer[] } {
    const { type, stream, snapshot, attachments = [] } = this.#frame;
    const memories = new Set<ArrayBuffer>();
    const put = (into: unknown[], kind: number, bytes: Uint8Array): void => {
      const memory = bytes.buffer as ArrayBuffer;
      memories.add(memory);
      into.push(kind, memory, bytes.byteOffset, bytes.byteLength);
    };
    const parts: unknown[] = [];
    const kept = snapshot.parts ?? [];
    for (const [index, part] of kept.entries()) {
      if (part.kind === 'text') parts.push(TEXT, NONE, NONE, NONE);
      else put(parts, part.kind, part.moves === true ? part.bytes : this.#copy.copy(index));
    }
    const beside: unknown[] = [];
    for (const [index, attachment] of attachments.entries()) {
      put(beside, Buffer.isBuffer(attachment) ? BUFFER : UINT8, this.#copy.copy(kept.length + index));
    }
    const head = headOf(type, stream, VALUE.patched);
    const { value, patches, coded = [], buffers = NONE } = snapshot;
    const message = [LARGE, 0, 0, this.id, buffers, head, [value, patches, coded], parts, beside];
    return { message, transfer: [...memories] };
  }
}

/** What one message brought. */
export interface Arrival {
  /** To be acknowledged. */
  readonly bytes: number;
  /** Of what was sent the other way. */
  readonly acknowledged: number;
  readonly frames?: readonly Frame[];
  /** The other side has ended. */
  readonly endGraceMs?: number;
}

/** Reads the messages of one direction. It keeps the texts of unfinished large frames, within the limits of a frame. */
export class PortDecoder {
  readonly #limits: LaneLimits;
  /** Texts of unfinished frames by id, each at the place of its part. */
  readonly #texts = new Map<number, string[]>();
  #textUnits = 0;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** @throws Error for anything that the other side of a lane does not send. */
  read(message: unknown): Arrival {
    if (!Array.isArray(message)) throw new TypeError('not a message');
    const list: readonly unknown[] = message;
    const bytes = countOf(list[BYTES]);
    const acknowledged = countOf(list[ACKNOWLEDGED]);
    switch (list[0]) {
      case BATCH:
        return { bytes, acknowledged, frames: readBatch(list) };
      case TEXT_PIECE:
        this.#keepText(list);
        return { bytes, acknowledged };
      case LARGE:
        return { bytes, acknowledged, frames: [this.#readLarge(list)] };
      case END:
        return { bytes, acknowledged, endGraceMs: countOf(list[BODY]) };
      default:
        throw new TypeError('a message of an unknown kind');
    }
  }

  #keepText(list: readonly unknown[]): void {
    const [id, part, piece] = list.slice(BODY);
    const index = countOf(part);
    if (typeof piece !== 'string' || index >= this.#limits.maxAttachments) throw new TypeError('not a piece of text');
    this.#textUnits += piece.length;
    if (UNIT_BYTES * this.#textUnits > this.#limits.maxFrameBytes) throw new RangeError('longer than maxFrameBytes');
    const texts = this.#texts.get(countOf(id)) ?? [];
    if (texts.length === 0 && this.#texts.size >= this.#limits.maxOpenFrames) {
      throw new RangeError('more than maxOpenFrames');
    }
    this.#texts.set(countOf(id), texts);
    const text = (texts[index] ?? '') + piece;
    if (text.length > constants.MAX_STRING_LENGTH) throw new RangeError('a text too long');
    texts[index] = text;
  }

  #readLarge(list: readonly unknown[]): Frame {
    const [id, buffers, head, held, parts, beside] = list.slice(BODY);
    if (!Array.isArray(parts) || !Array.isArray(beside)) throw new TypeError('not a frame');
    markBuffers(buffers);
    const texts = this.#texts.get(countOf(id)) ?? [];
    this.#texts.delete(countOf(id));
    for (const text of texts) this.#textUnits -= (text ?? '').length;
    const type = typeOfHead(head);
    const stream = streamOfHead(Number(head));
    const [value, patches, coded] = patchedValueOf(held);
    const pieces = readPieces(parts, texts);
    if (beside.length === 0) return patchedFrame({ type, stream, value }, patches, pieces, coded);
    const attachments = readPieces(beside, []) as Uint8Array[];
    return patchedFrame({ type, stream, value, attachments }, patches, pieces, coded);
  }
}

function readBatch(list: readonly unknown[]): readonly Frame[] {
  markBuffers(list[BODY]);
  const frames: Frame[] = [];
  for (let at = BODY + 1; at < list.length; at += 2) {
    const head = list[at];
    const value = list[at + 1];
    const type = typeOfHead(head);
    const stream = streamOfHead(Number(head));
    if (formOfHead(Number(head)) === VALUE.v8) {
      frames.push({ type, stream, value });
    } else {
      const [held, patches, coded] = patchedValueOf(value);
      frames.push(patchedFrame({ type, stream, value: held }, patches, [], coded));
    }
  }
  return frames;
}

function readPieces(list: readonly unknown[], texts: readonly string[]): readonly unknown[] {
  const pieces: unknown[] = [];
  for (let at = 0; at < list.length; at += PIECE_ENTRIES) {
    const kind = countOf(list[at]);
    const memory = list[at + 1];
    const length = countOf(list[at + 3]);
    if (kind === TEXT) {
      pieces.push(texts[pieces.length] ?? '');
    } else if (types.isArrayBuffer(memory) && binaryFits(kind, length)) {
      pieces.push(binaryOver(kind, memory, countOf(list[at + 2]), length));
    } else {
      throw new TypeError('not a piece of a frame');
    }
  }
  return pieces;
}

/** A Buffer is a Uint8Array with another prototype. */
function markBuffers(buffers: unknown): void {
  if (buffers === NONE) return;
  if (!Array.isArray(buffers)) throw new TypeError('not a list of buffers');
  for (const buffer of buffers as readonly unknown[]) {
    if (!types.isUint8Array(buffer)) throw new TypeError('not a buffer');
    Object.setPrototypeOf(buffer, Buffer.prototype);
  }
}

function countOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError('not a count');
}
