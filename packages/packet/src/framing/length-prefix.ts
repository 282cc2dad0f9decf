import type { PacketError } from '../errors.ts';
import { resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { gather } from './gather.ts';
import { type LengthWidth, lengthPrefixRows } from './options.ts';
import { frameMalformed, frameTooLarge, frameTruncated, notEncodable } from './refusals.ts';

/** Size of the header, the greatest one if it varies, and the greatest length it can express, bytes. */
const WIDTHS: Readonly<Record<LengthWidth, { readonly headerBytes: number; readonly maxLength: number }>> = {
  u8: { headerBytes: 1, maxLength: 0xff },
  u16: { headerBytes: 2, maxLength: 0xffff },
  u32: { headerBytes: 4, maxLength: 0xffff_ffff },
  u64: { headerBytes: 8, maxLength: Number.MAX_SAFE_INTEGER },
  varint: { headerBytes: 10, maxLength: Number.MAX_SAFE_INTEGER },
  ascii9: { headerBytes: 9, maxLength: 999_999_999 },
};
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** Options of {@link LengthPrefixFramer}. */
export interface LengthPrefixFramerOptions {
  /**
   * How the length is written. `'varint'`: unsigned LEB128, as protobuf's delimited messages have it. `'ascii9'`: exactly nine
   * ASCII digits, zero-padded, up to 999,999,999.
   * @defaultValue 'u32'
   */
  readonly width?: LengthWidth | undefined;
  /** Byte order of the length; no effect on `'u8'`, `'varint'` and `'ascii9'`. @defaultValue 'big' */
  readonly endian?: 'big' | 'little' | undefined;
  /** Longest message without its header, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
}

/**
 * Messages preceded by their length. The length counts the message, not itself; empty messages are messages.
 *
 * A declared length over `maxFrameBytes` is refused as soon as the header is complete, a wrong digit at once; nothing is
 * allocated for a length that is only declared. Holds at most `maxFrameBytes`, one header, and one chunk.
 *
 * Messages are safe to keep: views of the chunks received, or own memory where a message spans chunks. A view keeps its
 * whole chunk alive; copy what you keep long.
 *
 * `next` throws `ERR_PACKET_FRAME_TOO_LARGE`, with the declared length in `details.seen` (a decimal string beyond 2^53), or
 * `ERR_PACKET_FRAME_MALFORMED`, with the offset of the wrong byte in `details.offset`: no digit (`'ascii9'`), a length of more than
 * 64 bits or in more bytes than it needs (`'varint'`).
 * @see RFC 1035 4.2.2 for a u16 one (DNS over TCP)
 */
export class LengthPrefixFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #width: LengthWidth;
  readonly #littleEndian: boolean;
  readonly #maxFrameBytes: number;
  /** Size of a header, bytes; of the one at the front, where it varies. */
  #headerBytes: number;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: LengthPrefixFramerOptions = {}) {
    const resolved = resolveOptions('LengthPrefixFramer', lengthPrefixRows, options);
    this.#width = resolved.width;
    this.#littleEndian = resolved.endian === 'little';
    this.#maxFrameBytes = resolved.maxFrameBytes;
    this.#headerBytes = WIDTHS[resolved.width].headerBytes;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): Buffer | typeof INCOMPLETE {
    const declared = this.#readLength();
    if (declared === undefined || this.#queue.length < this.#headerBytes + declared) {
      this.#queue.compact();
      return INCOMPLETE;
    }
    this.#queue.skip(this.#headerBytes);
    return this.#queue.take(declared);
  }

  finish(): Buffer | typeof INCOMPLETE {
    const message = this.next();
    if (message !== INCOMPLETE || this.#queue.length === 0) return message;
    throw this.#spend(frameTruncated(this.#queue.length));
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    return this.#queue.release();
  }

  /**
   * Header and message: one buffer of its own, or, from 16 KiB, the header and the message itself, which must then not be
   * changed any more.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE` over `maxFrameBytes`, `ERR_PACKET_NOT_ENCODABLE` over what the width can
   * express.
   */
  encode(message: Uint8Array): Uint8Array | readonly Uint8Array[] {
    if (!(message instanceof Uint8Array)) throw notEncodable('a length-prefixed message must be a Uint8Array');
    const size = message.length;
    if (size > this.#maxFrameBytes) throw frameTooLarge(this.#maxFrameBytes, size);
    const { maxLength } = WIDTHS[this.#width];
    if (size > maxLength) {
      throw notEncodable(`a ${this.#width} length cannot express ${size} bytes`, { limit: maxLength, seen: size });
    }
    const headerBytes = this.#width === 'varint' ? varintBytes(size) : this.#headerBytes;
    return gather(headerBytes, (frame) => this.#writeHeader(frame, size), message);
  }

  // The length at the front of the queue, read anew at each pull: ten bytes at most, and no state to keep in step.
  #readLength(): number | undefined {
    if (this.#width === 'ascii9') return this.#readDigits();
    return this.#width === 'varint' ? this.#readVarint() : this.#readInteger();
  }

  #readInteger(): number | undefined {
    if (this.#queue.length < this.#headerBytes) return undefined;
    let length = 0;
    for (let index = 0; index < this.#headerBytes; index++) length = length * 256 + this.#headerByte(index);
    if (length <= this.#maxFrameBytes) return length;
    throw this.#spend(frameTooLarge(this.#maxFrameBytes, Number.isSafeInteger(length) ? length : this.#exactLength()));
  }

  /** A length that no number holds: rounding it would report a size nobody sent. */
  #exactLength(): string {
    let length = 0n;
    for (let index = 0; index < this.#headerBytes; index++) length = length * 256n + BigInt(this.#headerByte(index));
    return length.toString();
  }

  /** Header byte `index`, the most significant first. */
  #headerByte(index: number): number {
    return this.#queue.byteAt(this.#littleEndian ? this.#headerBytes - 1 - index : index) ?? 0;
  }

  #readDigits(): number | undefined {
    let length = 0;
    for (let index = 0; index < this.#headerBytes; index++) {
      const digit = this.#queue.byteAt(index);
      if (digit === undefined) return undefined;
      if (digit < DIGIT_0 || digit > DIGIT_9) {
        throw this.#spend(frameMalformed(`byte ${index} of a length is no ASCII digit`, { offset: index }));
      }
      length = length * 10 + digit - DIGIT_0;
    }
    if (length <= this.#maxFrameBytes) return length;
    throw this.#spend(frameTooLarge(this.#maxFrameBytes, length));
  }

  /** Seven bits a byte, the least significant first; the top bit says that another byte follows. */
  #readVarint(): number | undefined {
    let length = 0;
    for (let index = 0; ; index++) {
      const byte = this.#queue.byteAt(index);
      if (byte === undefined) return undefined;
      if (index + 1 === WIDTHS.varint.headerBytes && byte > 1) {
        throw this.#spend(frameMalformed('a varint length has more than 64 bits', { offset: index }));
      }
      length += (byte & 0x7f) * 2 ** (7 * index);
      if (byte >= 0x80) continue;
      if (byte === 0 && index > 0) {
        throw this.#spend(frameMalformed('a varint length is longer than it needs to be', { offset: index }));
      }
      this.#headerBytes = index + 1;
      if (length <= this.#maxFrameBytes) return length;
      throw this.#spend(
        frameTooLarge(this.#maxFrameBytes, Number.isSafeInteger(length) ? length : this.#exactVarint()),
      );
    }
  }

  #exactVarint(): string {
    let length = 0n;
    for (let index = 0; index < this.#headerBytes; index++) {
      length += BigInt((this.#queue.byteAt(index) ?? 0) & 0x7f) << BigInt(7 * index);
    }
    return length.toString();
  }

  #writeHeader(frame: Buffer, length: number): void {
    if (this.#width === 'ascii9') {
      frame.write(String(length).padStart(this.#headerBytes, '0'), 'latin1');
      return;
    }
    let rest = length;
    if (this.#width === 'varint') {
      let at = 0;
      for (; rest >= 0x80; rest = Math.floor(rest / 128)) frame[at++] = (rest % 128) + 0x80;
      frame[at] = rest;
      return;
    }
    for (let index = 0; index < this.#headerBytes; index++) {
      frame[this.#littleEndian ? index : this.#headerBytes - 1 - index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  #spend(error: PacketError): PacketError {
    this.#queue.close();
    return error;
  }
}

/** How many bytes a length takes as a varint. */
function varintBytes(length: number): number {
  let bytes = 1;
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
