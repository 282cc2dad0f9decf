import { resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { gather } from './gather.ts';
import { framingRows } from './options.ts';
import { frameMalformed, frameTooLarge, frameTruncated, notEncodable } from './refusals.ts';

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const COMMA = 0x2c;
const TRAILER: Buffer = Buffer.of(COMMA);

/** Options of {@link NetstringFramer}. */
export interface NetstringFramerOptions {
  /** Longest message, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
}

/**
 * Netstrings: a decimal length, a colon, so many bytes, a comma, as in `5:hello,`.
 *
 * A length is refused at the digit that takes it over `maxFrameBytes`, a leading zero and any other wrong byte at once, a
 * wrong comma when it arrives. Holds at most `maxFrameBytes`, the length, two bytes and one chunk.
 *
 * Messages are safe to keep, as those of `LengthPrefixFramer`. `next` throws `ERR_PACKET_FRAME_TOO_LARGE`, with the length as far as
 * it was read in `details.seen`, or `ERR_PACKET_FRAME_MALFORMED` with the offset in `details.offset`.
 * @see https://cr.yp.to/proto/netstrings.txt
 */
export class NetstringFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #maxFrameBytes: number;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: NetstringFramerOptions = {}) {
    this.#maxFrameBytes = resolveOptions('NetstringFramer', framingRows, options).maxFrameBytes;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): Buffer | typeof INCOMPLETE {
    // The length is read anew at each pull: ten digits at most, and no state to keep in step.
    let length = 0;
    for (let at = 0; ; at++) {
      const byte = this.#queue.byteAt(at);
      if (byte === undefined) return this.#wait();
      if (byte === COLON && at > 0) return this.#body(at + 1, length);
      if (byte < DIGIT_0 || byte > DIGIT_9) throw this.#malformed(at, 'no digit of a length');
      if (at > 0 && length === 0) throw this.#malformed(at, 'a digit after a leading zero');
      length = length * 10 + byte - DIGIT_0;
      if (length <= this.#maxFrameBytes) continue;
      this.#queue.close();
      throw frameTooLarge(this.#maxFrameBytes, length);
    }
  }

  finish(): Buffer | typeof INCOMPLETE {
    const message = this.next();
    const held = this.#queue.length;
    if (message !== INCOMPLETE || held === 0) return message;
    this.#queue.close();
    throw frameTruncated(held);
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    return this.#queue.release();
  }

  /**
   * One buffer of its own, or, from 16 KiB, three with the message itself between, which must then not be changed any more.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`.
   */
  encode(message: Uint8Array): Uint8Array | readonly Uint8Array[] {
    if (!(message instanceof Uint8Array)) throw notEncodable('a netstring must be a Uint8Array');
    if (message.length > this.#maxFrameBytes) throw frameTooLarge(this.#maxFrameBytes, message.length);
    const header = `${message.length}:`;
    return gather(header.length, (frame) => frame.write(header, 'latin1'), message, TRAILER);
  }

  #body(from: number, length: number): Buffer | typeof INCOMPLETE {
    // Looking for a byte that is not there yet would walk over all chunks held, at each pull.
    if (this.#queue.length <= from + length) return this.#wait();
    if (this.#queue.byteAt(from + length) !== COMMA) throw this.#malformed(from + length, 'no comma after a netstring');
    this.#queue.skip(from);
    const message = this.#queue.take(length);
    this.#queue.skip(1);
    return message;
  }

  #wait(): typeof INCOMPLETE {
    this.#queue.compact();
    return INCOMPLETE;
  }

  #malformed(offset: number, why: string): Error {
    this.#queue.close();
    return frameMalformed(`byte ${offset} is ${why}`, { offset });
  }
}
