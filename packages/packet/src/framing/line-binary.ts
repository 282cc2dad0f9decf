import { optionError } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { LineCutter } from './line-cutter.ts';
import { encodeTextLine, type LineFramerOptions, textLineRules } from './lines.ts';
import { frameTooLarge, frameTruncated } from './refusals.ts';

/**
 * Lines of text with blocks of bytes between them, as in `PUT 5`, a line end, five bytes, and a line again: strings are
 * lines, Buffers are blocks.
 *
 * It reads lines until {@link LineBinaryFramer.expectBytes} announces a block, which takes effect at exactly that byte: call it
 * while handling the line that announces the block. After the block come lines again.
 *
 * ```
 *   lines --expectBytes(size)--> block of size bytes --delivered, or expectLines()--> lines
 * ```
 *
 * Takes the options of `LineFramer`; `maxFrameBytes` holds for lines and blocks. Blocks are safe to keep: views of the
 * chunks received, or own memory where they span chunks.
 */
export class LineBinaryFramer implements Framer<string | Buffer, string | Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #lines: LineCutter<string>;
  readonly #encoding: 'utf8' | 'latin1';
  readonly #maxFrameBytes: number;
  /** Size of the block that comes next; without it, a line does. */
  #block: number | undefined;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: LineFramerOptions = {}) {
    const { rules, encoding } = textLineRules('LineBinaryFramer', options);
    this.#lines = new LineCutter(this.#queue, rules, (size) => this.#queue.takeText(size, encoding));
    this.#encoding = encoding;
    this.#maxFrameBytes = rules.maxFrameBytes;
  }

  /**
   * The next `size` bytes are one block, then lines again. Each call is one block, of no bytes too; a block that has not come
   * yet is replaced.
   * @throws PacketError `ERR_PACKET_OPTION` for what is no size, `ERR_PACKET_FRAME_TOO_LARGE` over `maxFrameBytes`. Nothing was changed.
   */
  expectBytes(size: number): void {
    if (!Number.isInteger(size) || size < 0)
      throw optionError('expectBytes', 'size', 'an integer from 0 (bytes)', size);
    if (size > this.#maxFrameBytes) throw frameTooLarge(this.#maxFrameBytes, size);
    if (!this.#queue.closed) this.#block = size;
  }

  /** Lines from here on: a block that has not come yet is not waited for, and what came of it is read as lines. */
  expectLines(): void {
    this.#block = undefined;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): string | Buffer | typeof INCOMPLETE {
    if (this.#block === undefined) return this.#lines.next();
    if (this.#queue.length < this.#block) {
      this.#queue.compact();
      return INCOMPLETE;
    }
    const block = this.#queue.take(this.#block);
    this.#block = undefined;
    return block;
  }

  finish(): string | Buffer | typeof INCOMPLETE {
    if (this.#block === undefined) return this.#lines.finish();
    const message = this.next();
    if (message !== INCOMPLETE) return message;
    const held = this.#queue.length;
    this.#queue.close();
    this.#block = undefined;
    throw frameTruncated(held);
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    this.#block = undefined;
    return this.#queue.release();
  }

  /**
   * A string as a line with its end; bytes as they are, which must then not be changed any more.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` as `LineFramer`.
   */
  encode(message: string | Uint8Array): Uint8Array {
    if (!(message instanceof Uint8Array)) return encodeTextLine(this.#lines, message, this.#encoding);
    if (message.length > this.#maxFrameBytes) throw frameTooLarge(this.#maxFrameBytes, message.length);
    return message;
  }
}
