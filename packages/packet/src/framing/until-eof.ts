import { resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { framingRows } from './options.ts';
import { frameTooLarge, notEncodable } from './refusals.ts';

/** Options of {@link UntilEofFramer}. */
export interface UntilEofFramerOptions {
  /** Longest message, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
}

/**
 * One message: everything the peer sends until it ends, as in finger, whois, or HTTP/1.0.
 *
 * The message comes from `finish`; a peer that ends without a byte sent none. Bytes over `maxFrameBytes` are refused as they
 * arrive. A connection that is lost and one that is ended on purpose differ in `unbind` only: where a cut message would do
 * harm, use a framing that says where it ends.
 */
export class UntilEofFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #maxFrameBytes: number;
  #encoded = false;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: UntilEofFramerOptions = {}) {
    this.#maxFrameBytes = resolveOptions('UntilEofFramer', framingRows, options).maxFrameBytes;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): typeof INCOMPLETE {
    const held = this.#queue.length;
    if (held > this.#maxFrameBytes) {
      this.#queue.close();
      throw frameTooLarge(this.#maxFrameBytes, held);
    }
    this.#queue.compact();
    return INCOMPLETE;
  }

  finish(): Buffer | typeof INCOMPLETE {
    this.next();
    const held = this.#queue.length;
    return held === 0 ? INCOMPLETE : this.#queue.take(held);
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    return this.#queue.release();
  }

  /**
   * The message itself, which must then not be changed any more. Its sender has to end its side after it.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for an empty message, and for a second one: it
   * would become part of the first.
   */
  encode(message: Uint8Array): Uint8Array {
    if (!(message instanceof Uint8Array)) throw notEncodable('a message until the end must be a Uint8Array');
    if (message.length > this.#maxFrameBytes) throw frameTooLarge(this.#maxFrameBytes, message.length);
    if (message.length === 0) throw notEncodable('no bytes are no message');
    if (this.#encoded) throw notEncodable('there is one message until the end');
    this.#encoded = true;
    return message;
  }
}
