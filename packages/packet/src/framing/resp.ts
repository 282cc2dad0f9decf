import { type Resolved, resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { respClientRows, respServerRows } from './options.ts';
import { frameTruncated } from './refusals.ts';
import { parseInlineCommand } from './resp-inline.ts';
import { parseRespCommand, parseRespValue } from './resp-parser.ts';
import { RespScanner } from './resp-scanner.ts';
import type { RespValue } from './resp-values.ts';
import { type RespArgument, RespWriter } from './resp-writer.ts';

const ASTERISK = 0x2a;

interface RespFramerOptions {
  /** Longest frame, all its values and their lengths together, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
  /** Most values inside one frame. @defaultValue 1048576 */
  readonly maxElements?: number | undefined;
  /** How deep arrays, maps, … may be inside each other. @defaultValue 32 */
  readonly maxDepth?: number | undefined;
}

/** Options of {@link RespServerFramer}. */
export interface RespServerFramerOptions extends RespFramerOptions {
  /** The protocol replies are written in: 2, or 3 for peers that asked for it with `HELLO 3`. @defaultValue 2 */
  readonly version?: number | undefined;
  /**
   * Whether commands may come as words on a line, as one types them. A browser can be made to send such lines: where it could
   * reach the server, switch them off or end the connection at a command named `POST` or `Host:`.
   * @defaultValue true
   */
  readonly inline?: boolean | undefined;
  /** Longest line of words without its end, bytes; `maxFrameBytes` and `maxElements` hold for it too. @defaultValue 65536 */
  readonly maxInlineBytes?: number | undefined;
}

/** Options of {@link RespClientFramer}. */
export interface RespClientFramerOptions extends RespFramerOptions {
  /** What bulk strings are given as: as text, they can be keys to look up in a map, and bytes that are no UTF-8 are lost. @defaultValue 'bytes' */
  readonly bulk?: 'bytes' | 'text' | undefined;
}

/** What both sides share: a queue, a scanner, and what to do with a frame it found. */
class RespReader<In> {
  readonly #queue = new ByteQueue();
  readonly #scanner: RespScanner;
  readonly #parse: (frame: Buffer) => In | undefined;

  constructor(makeScanner: (queue: ByteQueue) => RespScanner, parse: (frame: Buffer) => In | undefined) {
    this.#scanner = makeScanner(this.#queue);
    this.#parse = parse;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): In | typeof INCOMPLETE {
    try {
      for (let size = this.#scanner.scan(); size !== undefined; size = this.#scanner.scan()) {
        const message = this.#parse(this.#queue.take(size));
        if (message !== undefined) return message;
      }
    } catch (error) {
      throw this.#spend(error);
    }
    this.#queue.compact();
    return INCOMPLETE;
  }

  finish(): In | typeof INCOMPLETE {
    const message = this.next();
    const held = this.#queue.length;
    if (message !== INCOMPLETE || held === 0) return message;
    throw this.#spend(frameTruncated(held));
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    this.#scanner.restart();
    return this.#queue.release();
  }

  #spend(error: unknown): unknown {
    this.#scanner.restart();
    this.#queue.close();
    return error;
  }
}

/**
 * The server's side of RESP, the protocol of Redis: receives commands, as arrays of their words, and sends replies.
 *
 * Commands come as arrays of bulk strings, or inline; empty ones are passed over. Words are safe to keep: views of the chunks
 * received, or own memory where a command spans chunks. A view keeps its whole chunk alive; copy what you keep long.
 *
 * Each byte is looked at once, however it arrives. Holds at most `maxFrameBytes` and one chunk. `next` throws
 * `ERR_PACKET_FRAME_TOO_LARGE`, with the option's name in `details.option` unless it is `maxFrameBytes`, or
 * `ERR_PACKET_FRAME_MALFORMED` with `details.offset`.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class RespServerFramer implements Framer<Buffer[], RespValue> {
  readonly #reader: RespReader<Buffer[]>;
  readonly #limits: Resolved<typeof respServerRows>;
  #version: number;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: RespServerFramerOptions = {}) {
    this.#limits = resolveOptions('RespServerFramer', respServerRows, options);
    this.#version = this.#limits.version;
    const { inline, maxInlineBytes, maxElements } = this.#limits;
    const limits = { ...this.#limits, maxInlineBytes: inline ? maxInlineBytes : 0 };
    this.#reader = new RespReader(
      (queue) => new RespScanner(queue, 'command', limits),
      (frame) => commandOf(frame, maxElements),
    );
  }

  /** The protocol replies are written in from here on, 2 or 3: set it when the peer says `HELLO`. */
  get version(): number {
    return this.#version;
  }

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  set version(version: number) {
    this.#version = resolveOptions('RespServerFramer', { version: respServerRows.version }, { version }).version;
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  next(): Buffer[] | typeof INCOMPLETE {
    return this.#reader.next();
  }

  finish(): Buffer[] | typeof INCOMPLETE {
    return this.#reader.finish();
  }

  get heldBytes(): number {
    return this.#reader.heldBytes;
  }

  release(): Buffer {
    return this.#reader.release();
  }

  /**
   * A reply, or a push. Long byte values are sent without copying and must then not be changed any more.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, also for `maxDepth` and `maxElements`, or `ERR_PACKET_NOT_ENCODABLE` for a status
   * of several lines, an error of several lines in RESP2, a push inside a value, and what is no {@link RespValue}.
   */
  encode(message: RespValue): Uint8Array | readonly Uint8Array[] {
    return new RespWriter(this.#version, this.#limits).value(message).finish();
  }
}

/**
 * The client's side of RESP: sends commands, as arrays of their words, and receives replies of RESP2 and RESP3.
 *
 * Replies are {@link RespValue}s: nothing of theirs becomes a key of an object, maps are `Map`s. The streamed types of the first
 * drafts of RESP3 (`$?`, `*?`), which no server sends, are refused. Limits, errors and memory as of {@link RespServerFramer}.
 */
export class RespClientFramer implements Framer<RespValue, readonly RespArgument[]> {
  readonly #reader: RespReader<RespValue>;
  readonly #limits: Resolved<typeof respClientRows>;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: RespClientFramerOptions = {}) {
    this.#limits = resolveOptions('RespClientFramer', respClientRows, options);
    const { bulk } = this.#limits;
    this.#reader = new RespReader(
      (queue) => new RespScanner(queue, 'value', { ...this.#limits, maxInlineBytes: 0 }),
      (frame) => parseRespValue(frame, bulk),
    );
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  next(): RespValue | typeof INCOMPLETE {
    return this.#reader.next();
  }

  finish(): RespValue | typeof INCOMPLETE {
    return this.#reader.finish();
  }

  get heldBytes(): number {
    return this.#reader.heldBytes;
  }

  release(): Buffer {
    return this.#reader.release();
  }

  /**
   * A command, such as `['SET', 'key', value]`. Long byte values are sent without copying and must then not be changed any more.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for no words, and for words that are neither text,
   * bytes nor numbers.
   */
  encode(message: readonly RespArgument[]): Uint8Array | readonly Uint8Array[] {
    return new RespWriter(2, this.#limits).command(message).finish();
  }
}

/** The words of a command; undefined for one without any. */
function commandOf(frame: Buffer, maxElements: number): Buffer[] | undefined {
  const args = frame[0] === ASTERISK ? parseRespCommand(frame) : parseInlineCommand(frame, maxElements);
  return args.length === 0 ? undefined : args;
}
