import type { ByteQueue } from './byte-queue.ts';
import { frameMalformed, frameOverLimit, frameTooLarge } from './refusals.ts';

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
/** No value is shorter: a type and a line end. */
const LEAST_VALUE_BYTES = 3;
/** Longest line of a scalar that is parsed as a whole: reading huge numbers takes more than linear time. */
const MOST_NUMBER_BYTES = 4_096;

/** Stands for a line that is a command in words. */
const INLINE = 0;
const ARRAY = code('*');
const BULK = code('$');
const PUSH = code('>');
const ATTRIBUTE = code('|');
/** Followed by a length or a count. */
const SIZED: ReadonlySet<number> = codes('$!=*~>%|');
/** Of these, the length says how many bytes follow, else how many values. */
const BODIES: ReadonlySet<number> = codes('$!=');
/** Of these, the count is that of pairs. */
const PAIRED: ReadonlySet<number> = codes('%|');
/** Of these, a length of -1 says that there is no value (RESP2). */
const NULLABLE: ReadonlySet<number> = codes('$*');
const NUMBERS: ReadonlySet<number> = codes(':,(#_');
const TEXTS: ReadonlySet<number> = codes('+-');

/** What a frame may hold. */
export interface RespLimits {
  readonly maxFrameBytes: number;
  readonly maxElements: number;
  readonly maxDepth: number;
  /** Longest inline command, or 0 when there are none. */
  readonly maxInlineBytes: number;
}

/**
 * Finds where the frame at the front of a queue ends, looking at each byte once however they arrive.
 *
 * ```
 *   line ── a length, $5 ──▶ body ── CRLF ──▶ value done ──▶ all open counts at zero: the frame ends here
 *    ▲  └── a count, *3 ──▶ open a level ──▶ line           └─ else the next line
 *    └── anything else: value done
 * ```
 *
 * Lengths, counts, limits and line ends are checked here, when their byte arrives; the text of a line by the parser.
 */
export class RespScanner {
  readonly #queue: ByteQueue;
  readonly #grammar: 'command' | 'value';
  readonly #limits: RespLimits;
  /** Bytes of the frame looked at. */
  #at = 0;
  /** Values still to come, of each array, map, … that is open. */
  readonly #open: number[] = [];
  #elements = 0;
  /** The line being read: where it begins, its first byte, the byte before, and the number in it. */
  #lineFrom = 0;
  #type = 0;
  #before = 0;
  #number = 0;
  #digits = 0;
  #negative = false;
  /** Where the body being read ends; none is read while it is 0. */
  #bodyEnd = 0;

  constructor(queue: ByteQueue, grammar: 'command' | 'value', limits: RespLimits) {
    this.#queue = queue;
    this.#grammar = grammar;
    this.#limits = limits;
  }

  /**
   * Size of the frame at the front, bytes; undefined while it is incomplete. After a size, it begins with the next frame.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE` or `ERR_PACKET_FRAME_MALFORMED`.
   */
  scan(): number | undefined {
    for (;;) {
      const ended = this.#bodyEnd > 0 ? this.#scanBody() : this.#scanLine();
      if (ended === undefined) return undefined;
      if (!ended) continue;
      const size = this.#at;
      this.restart();
      return size;
    }
  }

  /** From here on, the queue begins with another frame. */
  restart(): void {
    this.#at = 0;
    this.#open.length = 0;
    this.#elements = 0;
    this.#lineFrom = 0;
    this.#bodyEnd = 0;
  }

  /** Reads on to the end of a body; whether the frame ends there. */
  #scanBody(): boolean | undefined {
    if (this.#queue.length <= this.#bodyEnd) return undefined;
    this.#expect(this.#bodyEnd, CARRIAGE_RETURN);
    if (this.#queue.length <= this.#bodyEnd + 1) return undefined;
    this.#expect(this.#bodyEnd + 1, LINE_FEED);
    this.#at = this.#bodyEnd + 2;
    this.#bodyEnd = 0;
    return this.#valueDone();
  }

  #expect(position: number, byte: number): void {
    if (this.#queue.byteAt(position) !== byte) throw malformed(position, 'is no end of a bulk string');
  }

  /** Reads on to the end of a line; whether the frame ends there. */
  #scanLine(): boolean | undefined {
    for (let ended = false; !ended; this.#at += 1) {
      const byte = this.#queue.byteAt(this.#at);
      if (byte === undefined) return undefined;
      if (this.#at === this.#lineFrom) this.#begin(byte);
      ended = this.#type === INLINE ? this.#readInline(byte) : this.#readOn(byte);
      this.#before = byte;
    }
    return SIZED.has(this.#type) ? this.#sized() : this.#valueDone();
  }

  #begin(byte: number): void {
    if (!this.#mayBegin(byte)) throw malformed(this.#at, 'begins no value here');
    this.#type = this.#grammar === 'command' && this.#open.length === 0 && byte !== ARRAY ? INLINE : byte;
    this.#number = 0;
    this.#digits = 0;
    this.#negative = false;
  }

  #mayBegin(byte: number): boolean {
    if (this.#grammar === 'command') {
      return this.#open.length > 0 ? byte === BULK : byte === ARRAY || this.#limits.maxInlineBytes > 0;
    }
    // A push is never inside another value.
    if (byte === PUSH) return this.#open.length === 0;
    return SIZED.has(byte) || NUMBERS.has(byte) || TEXTS.has(byte);
  }

  /** Reads one byte of an inline command; whether it is the last. */
  #readInline(byte: number): boolean {
    const { maxInlineBytes } = this.#limits;
    const size = this.#at + 1;
    this.#allowBytes(size);
    if (byte === LINE_FEED) return true;
    // Of the words alone: their end does not count here, and may be CRLF.
    const most = byte === CARRIAGE_RETURN ? maxInlineBytes + 1 : maxInlineBytes;
    if (size > most) throw frameOverLimit('maxInlineBytes', maxInlineBytes, size);
    return false;
  }

  /** Reads one byte of a line; whether it is the last. */
  #readOn(byte: number): boolean {
    this.#allowBytes(this.#at + 1);
    if (this.#at === this.#lineFrom) return false;
    if (byte === LINE_FEED && this.#before === CARRIAGE_RETURN) return true;
    if (byte === LINE_FEED || this.#before === CARRIAGE_RETURN) throw malformed(this.#at, 'is no end of a line');
    if (byte === CARRIAGE_RETURN) return false;
    if (SIZED.has(this.#type)) this.#readDigit(byte);
    else if (NUMBERS.has(this.#type) && this.#at - this.#lineFrom > MOST_NUMBER_BYTES) {
      throw malformed(this.#at, `makes a number longer than ${MOST_NUMBER_BYTES} bytes`);
    }
    return false;
  }

  #readDigit(byte: number): void {
    if (byte === MINUS && this.#at === this.#lineFrom + 1 && NULLABLE.has(this.#type) && !this.#inCommand) {
      this.#negative = true;
      return;
    }
    const isDigit = byte >= DIGIT_0 && byte <= DIGIT_9;
    if (!isDigit || (this.#digits > 0 && this.#number === 0)) throw malformed(this.#at, 'is no digit of a length');
    this.#number = this.#number * 10 + byte - DIGIT_0;
    this.#digits += 1;
    if (this.#negative && this.#number !== 1) throw malformed(this.#at, 'is no digit of a length');
    // Refused at the digit that proves it, so that no number grows without bound.
    if (BODIES.has(this.#type)) this.#allowBytes(this.#number);
    else this.#allowElements(this.#number);
  }

  /** Whether the value being read is an argument of a command, which cannot be null. */
  get #inCommand(): boolean {
    return this.#grammar === 'command' && this.#open.length > 0;
  }

  /** Goes on after a line with a length or count; whether the frame ends there. */
  #sized(): boolean {
    const { maxDepth } = this.#limits;
    if (this.#digits === 0) throw malformed(this.#at - 2, 'ends a length without digits');
    if (this.#negative) return this.#valueDone();
    const size = this.#number;
    if (BODIES.has(this.#type)) {
      this.#allowBytes(this.#at + size + 2);
      this.#bodyEnd = this.#at + size;
      return false;
    }
    // Attributes come before the value they belong to.
    const children = (PAIRED.has(this.#type) ? 2 * size : size) + (this.#type === ATTRIBUTE ? 1 : 0);
    this.#allowElements(this.#elements + children);
    this.#allowBytes(this.#at + children * LEAST_VALUE_BYTES);
    this.#elements += children;
    if (children === 0) return this.#valueDone();
    if (this.#open.length === maxDepth) throw frameOverLimit('maxDepth', maxDepth, maxDepth + 1);
    this.#open.push(children);
    this.#lineFrom = this.#at;
    return false;
  }

  /** Counts a value that is complete; whether it completes the frame. */
  #valueDone(): boolean {
    this.#lineFrom = this.#at;
    for (let level = this.#open.length - 1; level >= 0; level--) {
      const left = (this.#open[level] ?? 0) - 1;
      this.#open[level] = left;
      if (left > 0) return false;
      this.#open.pop();
    }
    return true;
  }

  #allowBytes(size: number): void {
    const { maxFrameBytes } = this.#limits;
    if (size > maxFrameBytes) throw frameTooLarge(maxFrameBytes, size);
  }

  #allowElements(count: number): void {
    const { maxElements } = this.#limits;
    if (count > maxElements) throw frameOverLimit('maxElements', maxElements, count);
  }
}

function malformed(offset: number, why: string): Error {
  return frameMalformed(`byte ${offset} ${why}`, { offset });
}

function code(type: string): number {
  return type.charCodeAt(0);
}

function codes(types: string): ReadonlySet<number> {
  return new Set(Array.from(types, code));
}
