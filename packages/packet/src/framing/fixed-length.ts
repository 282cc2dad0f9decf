import { checkIsObject, optionError, resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { fixedLengthRows } from './options.ts';
import { frameTruncated, notEncodable } from './refusals.ts';

/** Options of {@link FixedLengthFramer}. */
export interface FixedLengthFramerOptions {
  /** Size of every message, bytes: 1 to 2147483647. */
  readonly size: number;
}

/**
 * Messages that all have the same size: records.
 *
 * Holds less than one message and one chunk. Messages are safe to keep: views of the chunks received, or own memory where a
 * message spans chunks. A view keeps its whole chunk alive; copy what you keep long.
 */
export class FixedLengthFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #size: number;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: FixedLengthFramerOptions) {
    checkIsObject('FixedLengthFramer', options);
    const { min, max } = fixedLengthRows.size;
    if (options.size === undefined)
      throw optionError('FixedLengthFramer', 'size', `given, in ${min}..${max}`, undefined);
    this.#size = resolveOptions('FixedLengthFramer', fixedLengthRows, options).size;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): Buffer | typeof INCOMPLETE {
    if (this.#queue.length >= this.#size) return this.#queue.take(this.#size);
    this.#queue.compact();
    return INCOMPLETE;
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
   * The message itself, which must then not be changed any more.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` for any other size.
   */
  encode(message: Uint8Array): Uint8Array {
    if (!(message instanceof Uint8Array)) throw notEncodable('a record must be a Uint8Array');
    if (message.length === this.#size) return message;
    const details = { size: this.#size, seen: message.length };
    throw notEncodable(`a record has ${this.#size} bytes, not ${message.length}`, details);
  }
}
