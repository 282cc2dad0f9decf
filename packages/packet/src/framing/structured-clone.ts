import { deserialize, serialize } from 'node:v8';
import { resolveOptions } from '../options.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { LengthPrefixFramer } from './length-prefix.ts';
import { framingRows } from './options.ts';
import { frameMalformed, notEncodable } from './refusals.ts';

/** Options of {@link StructuredCloneFramer}. */
export interface StructuredCloneFramerOptions {
  /** Longest encoded value, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
}

/**
 * Values of any kind the structured clone algorithm knows (maps, sets, dates, buffers, bigints, cycles), behind their length in
 * four bytes.
 *
 * **For trusted peers only: programs of your own, on a channel nobody else can write to.** Reading is done by `v8.deserialize`,
 * which was not made for hostile input: a few bytes can make it take a great deal of memory or end the process. Use
 * {@link JsonFramer} for everyone else. Both sides should run the same major version of Node.
 *
 * `next` throws `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_FRAME_MALFORMED` with the reader's error as the cause. Buffers inside a
 * message may be views of the chunks received.
 * @see https://nodejs.org/api/v8.html#serialization-api
 */
export class StructuredCloneFramer<In = unknown, Out = In> implements Framer<In, Out> {
  readonly #frames: LengthPrefixFramer;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: StructuredCloneFramerOptions = {}) {
    this.#frames = new LengthPrefixFramer(resolveOptions('StructuredCloneFramer', framingRows, options));
  }

  push(chunk: Buffer): void {
    this.#frames.push(chunk);
  }

  next(): In | typeof INCOMPLETE {
    return this.#read(this.#frames.next());
  }

  finish(): In | typeof INCOMPLETE {
    return this.#read(this.#frames.finish());
  }

  get heldBytes(): number {
    return this.#frames.heldBytes;
  }

  release(): Buffer {
    return this.#frames.release();
  }

  /**
   * The message as of now: later changes to it are not sent.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for what cannot be cloned, such as a function.
   */
  encode(message: Out): Uint8Array | readonly Uint8Array[] {
    let bytes: Buffer;
    try {
      bytes = serialize(message);
    } catch (error) {
      throw notEncodable('the message cannot be cloned', {}, { cause: error });
    }
    return this.#frames.encode(bytes);
  }

  #read(bytes: Buffer | typeof INCOMPLETE): In | typeof INCOMPLETE {
    if (bytes === INCOMPLETE) return INCOMPLETE;
    try {
      return deserialize(bytes) as In;
    } catch (cause) {
      this.#frames.release();
      throw frameMalformed('the frame holds no cloned value', { cause });
    }
  }
}
