import { type Resolved, resolveOptions } from '../options.ts';
import { ByteQueue } from './byte-queue.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { gather } from './gather.ts';
import { type Head, parseHead, writeHead } from './header-block.ts';
import { headerContentRows } from './options.ts';
import { frameOverLimit, frameTooLarge, frameTruncated, notEncodable } from './refusals.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const NOTHING = new Uint8Array(0);

/** Options of {@link HeaderContentFramer}. */
export interface HeaderContentFramerOptions {
  /** Longest content, bytes. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
  /** Longest header block with its line ends, the empty line and the start line, bytes. @defaultValue 16384 */
  readonly maxHeaderBytes?: number | undefined;
  /** Most header lines, `Content-Length` among them. @defaultValue 100 */
  readonly maxHeaders?: number | undefined;
  /** Whether a line that is no header comes first, as the request line of HTTP or SIP. @defaultValue false */
  readonly startLine?: boolean | undefined;
}

/** What {@link HeaderContentFramer} receives. */
export interface HeaderContentMessage {
  /** The line before the headers; empty without the option. */
  readonly startLine: string;
  /** Values by lower-case name, in order; repeated ones joined by `, `. Without `content-length`: `content.length` says it. */
  readonly headers: ReadonlyMap<string, string>;
  readonly content: Buffer;
}

/** What {@link HeaderContentFramer} sends; a received message is one. */
export interface HeaderContentDraft {
  /** The line before the headers; only, and always, with the option. */
  readonly startLine?: string | undefined;
  /** Names and values, written as they are: a `Map`, pairs, or `Object.entries` of an object. Never `Content-Length`. */
  readonly headers?: Iterable<readonly [name: string, value: string]> | undefined;
  readonly content?: Uint8Array | undefined;
}

/**
 * Header lines, an empty line, and content as long as `Content-Length` says, as in the Language Server Protocol, SIP and RTSP.
 * Without that header there is no content.
 *
 * Lines may end in LF or CRLF, and are sent with CRLF; text is latin1, which loses no byte. Strict where leniency lets two readers
 * disagree on where a message ends: a second `Content-Length` is refused even when it says the same, and so are signs and lists
 * in it, any `Transfer-Encoding`, a space before the colon, lines that continue another, and control characters.
 *
 * Holds at most `maxHeaderBytes`, `maxFrameBytes` and one chunk. Content is safe to keep, as a message of `LengthPrefixFramer`.
 * `next` throws `ERR_PACKET_FRAME_TOO_LARGE`, with the option's name in `details.option` unless it is `maxFrameBytes`, or
 * `ERR_PACKET_FRAME_MALFORMED` with the place of the line in `details.offset`.
 * @see RFC 9112 section 5 on header lines, section 6.3 on `Content-Length`
 */
export class HeaderContentFramer implements Framer<HeaderContentMessage, HeaderContentDraft> {
  readonly #queue = new ByteQueue();
  readonly #limits: Resolved<typeof headerContentRows>;
  /** Bytes of the header block looked at, where its current line begins, and lines before that. */
  #scanned = 0;
  #lineFrom = 0;
  #lines = 0;
  /** The header block at the front of the queue, once it is complete. */
  #head: (Head & { readonly size: number }) | undefined;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: HeaderContentFramerOptions = {}) {
    this.#limits = resolveOptions('HeaderContentFramer', headerContentRows, options);
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  next(): HeaderContentMessage | typeof INCOMPLETE {
    this.#head ??= this.#readHead();
    const head = this.#head;
    if (head === undefined || this.#queue.length < head.size + head.contentBytes) {
      this.#queue.compact();
      return INCOMPLETE;
    }
    this.#queue.skip(head.size);
    const content = this.#queue.take(head.contentBytes);
    this.#restart();
    return { startLine: head.startLine, headers: head.headers, content };
  }

  finish(): HeaderContentMessage | typeof INCOMPLETE {
    const message = this.next();
    const held = this.#queue.length;
    if (message !== INCOMPLETE || held === 0) return message;
    throw this.#spend(frameTruncated(held));
  }

  get heldBytes(): number {
    return this.#queue.length;
  }

  release(): Buffer {
    this.#restart();
    return this.#queue.release();
  }

  /**
   * Header block with its `Content-Length`, and content: one buffer of its own, or two as `LengthPrefixFramer`.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for a header that would not come back: line ends
   * or characters beyond latin1 in it, spaces around it, `Content-Length` or `Transfer-Encoding`.
   */
  encode(message: HeaderContentDraft): Uint8Array | readonly Uint8Array[] {
    const { maxFrameBytes, maxHeaderBytes, maxHeaders, startLine } = this.#limits;
    const { content = NOTHING, headers = [] } = message;
    if (!(content instanceof Uint8Array)) throw notEncodable('content must be a Uint8Array');
    if (content.length > maxFrameBytes) throw frameTooLarge(maxFrameBytes, content.length);
    const pairs = [...headers];
    if (pairs.length >= maxHeaders) throw frameOverLimit('maxHeaders', maxHeaders, pairs.length + 1);
    if (!startLine && message.startLine) throw notEncodable('a start line needs the option startLine');
    const head = writeHead(startLine ? (message.startLine ?? '') : undefined, pairs, content.length);
    if (head.length > maxHeaderBytes) throw frameOverLimit('maxHeaderBytes', maxHeaderBytes, head.length);
    return gather(head.length, (frame) => frame.set(head), content);
  }

  /** The header block, once its empty line is there. */
  #readHead(): (Head & { readonly size: number }) | undefined {
    const size = this.#scanHead();
    if (size === undefined) return undefined;
    try {
      const head = parseHead(this.#queue.peek(size).toString('latin1'), this.#limits.startLine);
      const { maxFrameBytes } = this.#limits;
      if (head.contentBytes > maxFrameBytes) throw frameTooLarge(maxFrameBytes, head.contentBytes);
      return { ...head, size };
    } catch (error) {
      throw this.#spend(error);
    }
  }

  /** Looks for the empty line from where it stopped the last time; the size of the block, or undefined. */
  #scanHead(): number | undefined {
    const { maxHeaderBytes, maxHeaders, startLine } = this.#limits;
    for (;;) {
      const byte = this.#queue.byteAt(this.#scanned);
      if (byte === undefined) return undefined;
      this.#scanned += 1;
      if (this.#scanned > maxHeaderBytes)
        throw this.#spend(frameOverLimit('maxHeaderBytes', maxHeaderBytes, this.#scanned));
      if (byte !== LINE_FEED) continue;
      const length = this.#scanned - 1 - this.#lineFrom;
      if (length === 0 || (length === 1 && this.#queue.byteAt(this.#lineFrom) === CARRIAGE_RETURN))
        return this.#scanned;
      this.#lineFrom = this.#scanned;
      this.#lines += 1;
      const headers = startLine ? this.#lines - 1 : this.#lines;
      if (headers > maxHeaders) throw this.#spend(frameOverLimit('maxHeaders', maxHeaders, headers));
    }
  }

  #restart(): void {
    this.#scanned = 0;
    this.#lineFrom = 0;
    this.#lines = 0;
    this.#head = undefined;
  }

  #spend(error: unknown): unknown {
    this.#restart();
    this.#queue.close();
    return error;
  }
}
