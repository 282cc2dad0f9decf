import { checkIsObject, optionError, resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Framer, INCOMPLETE } from './framer.ts';
import { isLatin1 } from './latin1.ts';
import { LineCutter, type LineRules } from './line-cutter.ts';
import { byteLineRows, lineRows } from './options.ts';
import { notEncodable } from './refusals.ts';

const MAX_DELIMITER_BYTES = 256;

/** Options of {@link ByteLineFramer}. */
export interface ByteLineFramerOptions {
  /** What ends a line, 1 to 256 bytes. @defaultValue '\n' */
  readonly delimiter?: string | Uint8Array | undefined;
  /**
   * Whether a carriage return before the delimiter belongs to the delimiter: with `'\n'`, lines may end in LF or CRLF.
   * @defaultValue true for `'\n'`, else false
   */
  readonly stripCarriageReturn?: boolean | undefined;
  /**
   * Whether lines are sent with a carriage return before the delimiter: `LF` and `CRLF` are read and `CRLF` is sent, as FTP
   * and SMTP servers do. Needs `stripCarriageReturn`.
   * @defaultValue false
   */
  readonly sendCarriageReturn?: boolean | undefined;
  /** Longest message without its delimiter, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
  /**
   * What happens to a last line that has no delimiter when the peer ends: it is delivered, as `printf '6*7' | nc` expects,
   * or refused as truncated, where a half command must not run.
   * @defaultValue 'deliver'
   */
  readonly lastLine?: 'deliver' | 'truncated' | undefined;
}

/** Options of {@link LineFramer}. `maxFrameBytes` ends at the longest string there is, 536,870,888. */
export interface LineFramerOptions extends ByteLineFramerOptions {
  /** How bytes and characters map. @defaultValue 'utf8' */
  readonly encoding?: 'utf8' | 'latin1' | undefined;
}

/**
 * Lines of text: messages are strings without their delimiter, empty lines included.
 *
 * Malformed UTF-8 is read as U+FFFD. A line is refused at the first byte that makes it longer than `maxFrameBytes`; the
 * lines before it are delivered first. Holds at most `maxFrameBytes`, a begun delimiter, and one chunk.
 *
 * `next` throws `ERR_PACKET_FRAME_TOO_LARGE` with the bytes of the line seen so far in `details.seen`. `finish` may be
 * called again until it returns INCOMPLETE; it strips the carriage return of a last line like that of any other.
 * @see RFC 5321 2.3.8 and RFC 9112 2.2 on CRLF and lone LF
 */
export class LineFramer implements Framer<string> {
  readonly #queue = new ByteQueue();
  readonly #lines: LineCutter<string>;
  readonly #encoding: 'utf8' | 'latin1';

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: LineFramerOptions = {}) {
    const { rules, encoding } = textLineRules('LineFramer', options);
    this.#lines = new LineCutter(this.#queue, rules, (size) => this.#queue.takeText(size, encoding));
    this.#encoding = encoding;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): string | typeof INCOMPLETE {
    return this.#lines.next();
  }

  finish(): string | typeof INCOMPLETE {
    return this.#lines.finish();
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    return this.#queue.release();
  }

  /**
   * The line with its delimiter, in one buffer of its own. In UTF-8, a lone surrogate is sent as U+FFFD.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for a message that would not come back
   * as one line: it contains the delimiter, ends with a carriage return that is stripped, or has characters latin1 lacks.
   */
  encode(message: string): Buffer {
    return encodeTextLine(this.#lines, message, this.#encoding);
  }
}

/**
 * Lines of bytes: like {@link LineFramer}, with Buffers as messages and a delimiter of any bytes.
 *
 * Messages are safe to keep: views of the chunks received, or own memory where a line spans chunks. A view keeps its whole
 * chunk alive; copy what you keep long.
 */
export class ByteLineFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #lines: LineCutter<Buffer>;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: ByteLineFramerOptions = {}) {
    const given = resolveOptions('ByteLineFramer', byteLineRows, withStripDefault('ByteLineFramer', options), [
      'delimiter',
    ]);
    const rules = withDelimiter('ByteLineFramer', given, options.delimiter, 'utf8');
    this.#lines = new LineCutter(this.#queue, rules, (size) => this.#queue.take(size));
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): Buffer | typeof INCOMPLETE {
    return this.#lines.next();
  }

  finish(): Buffer | typeof INCOMPLETE {
    return this.#lines.finish();
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    return this.#queue.release();
  }

  /**
   * The line with its delimiter, in one buffer of its own.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for a message that would not come back
   * as one line: it contains the delimiter, or ends with a carriage return that is stripped.
   */
  encode(message: Uint8Array): Buffer {
    if (!(message instanceof Uint8Array)) throw notEncodable('a line must be a Uint8Array');
    return this.#lines.encode(message.length, (frame) => frame.set(message));
  }
}

/** The options with the one default filled in that depends on another option. */
function withStripDefault<O extends ByteLineFramerOptions>(
  owner: string,
  options: O,
): { readonly [K in keyof O]: O[K] } {
  checkIsObject(owner, options);
  const { delimiter = '\n', stripCarriageReturn } = options;
  const isLineFeed =
    typeof delimiter === 'string' ? delimiter === '\n' : delimiter?.length === 1 && delimiter[0] === 0x0a;
  return { ...options, stripCarriageReturn: stripCarriageReturn ?? isLineFeed };
}

/** What the options of a framer of text lines say. @throws PacketError `ERR_PACKET_OPTION`. */
export function textLineRules(
  owner: string,
  options: LineFramerOptions,
): { readonly rules: LineRules; readonly encoding: 'utf8' | 'latin1' } {
  const { encoding, ...given } = resolveOptions(owner, lineRows, withStripDefault(owner, options), ['delimiter']);
  return { rules: withDelimiter(owner, given, options.delimiter, encoding), encoding };
}

/** A text line with its end, in one buffer of its own. */
export function encodeTextLine(lines: LineCutter<unknown>, message: string, encoding: 'utf8' | 'latin1'): Buffer {
  if (typeof message !== 'string') throw notEncodable('a line must be a string');
  if (encoding === 'latin1' && !isLatin1(message)) {
    throw notEncodable('the message has characters that latin1 lacks');
  }
  const size = Buffer.byteLength(message, encoding);
  return lines.encode(size, (frame) => frame.write(message, 0, size, encoding));
}

function withDelimiter(
  owner: string,
  given: Omit<LineRules, 'delimiter'>,
  delimiter: string | Uint8Array | undefined,
  encoding: 'utf8' | 'latin1',
): LineRules {
  if (given.sendCarriageReturn && !given.stripCarriageReturn) {
    throw optionError(owner, 'sendCarriageReturn', 'false unless stripCarriageReturn is true', true);
  }
  return { ...given, delimiter: delimiterBytes(owner, delimiter, encoding) };
}

function delimiterBytes(owner: string, given: string | Uint8Array = '\n', encoding: 'utf8' | 'latin1'): Buffer {
  const bytes = bytesOf(given, encoding);
  if (bytes.length >= 1 && bytes.length <= MAX_DELIMITER_BYTES) return bytes;
  throw optionError(
    owner,
    'delimiter',
    `a string or Uint8Array of 1..${MAX_DELIMITER_BYTES} bytes in ${encoding}`,
    given,
  );
}

/** No bytes for what has none. */
function bytesOf(given: unknown, encoding: 'utf8' | 'latin1'): Buffer {
  if (given instanceof Uint8Array) return Buffer.from(given);
  if (typeof given !== 'string' || (encoding === 'latin1' && !isLatin1(given))) return Buffer.alloc(0);
  return Buffer.from(given, encoding);
}
