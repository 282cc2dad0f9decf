import type { ByteQueue } from './byte-queue.ts';
import { INCOMPLETE } from './framer.ts';
import { frameTooLarge, frameTruncated, notEncodable } from './refusals.ts';

const CARRIAGE_RETURN = 0x0d;

/** What ends a line, and how long one may be. */
export interface LineRules {
  readonly delimiter: Buffer;
  readonly stripCarriageReturn: boolean;
  readonly sendCarriageReturn: boolean;
  readonly maxFrameBytes: number;
  readonly lastLine: 'deliver' | 'truncated';
}

/** Finds line ends in a queue and enforces the limit; `cut` takes the line out of the queue in its own form. */
export class LineCutter<T> {
  readonly #queue: ByteQueue;
  readonly #rules: LineRules;
  readonly #cut: (size: number) => T;
  /** Everything a line can end with. */
  readonly #terminators: readonly Buffer[];
  /** What a line that is sent ends with. */
  readonly #sent: Buffer;

  constructor(queue: ByteQueue, rules: LineRules, cut: (size: number) => T) {
    this.#queue = queue;
    this.#rules = rules;
    this.#cut = cut;
    const { delimiter, stripCarriageReturn, sendCarriageReturn } = rules;
    const stripped = Buffer.concat([Buffer.of(CARRIAGE_RETURN), delimiter]);
    this.#terminators = stripCarriageReturn ? [stripped, delimiter] : [delimiter];
    this.#sent = sendCarriageReturn ? stripped : delimiter;
  }

  next(): T | typeof INCOMPLETE {
    const at = this.#queue.find(this.#rules.delimiter);
    if (at >= 0) return this.#line(at, at + this.#rules.delimiter.length);
    const held = this.#queue.length;
    if (held > this.#rules.maxFrameBytes) this.#allow(held - this.#terminatorBegun());
    this.#queue.compact();
    return INCOMPLETE;
  }

  finish(): T | typeof INCOMPLETE {
    const line = this.next();
    const held = this.#queue.length;
    if (line !== INCOMPLETE || held === 0) return line;
    if (this.#rules.lastLine === 'deliver') return this.#line(held, held);
    this.#queue.close();
    throw frameTruncated(held);
  }

  /** A line of `size` bytes, written by `write`, with its end; refused unless it would come back as it is. */
  encode(size: number, write: (frame: Buffer) => void): Buffer {
    const { delimiter, maxFrameBytes } = this.#rules;
    if (size > maxFrameBytes) throw frameTooLarge(maxFrameBytes, size);
    const frame = Buffer.allocUnsafe(size + this.#sent.length);
    write(frame);
    frame.set(this.#sent, size);
    // Searched with its delimiter on: "xa" + "aa" ends one byte early.
    const end = frame.indexOf(delimiter);
    if (end !== frame.length - delimiter.length) throw notEncodable('the message contains the line delimiter');
    // One carriage return is stripped: the one that is sent, or else the message's own.
    if (end === size && this.#endsWithStripped(size, frame[size - 1])) {
      throw notEncodable('the message ends with a carriage return, which the reader would strip');
    }
    return frame;
  }

  /** Takes the line in the first `end` bytes and its delimiter up to `next`. */
  #line(end: number, next: number): T {
    const size = this.#endsWithStripped(end, this.#queue.byteAt(end - 1)) ? end - 1 : end;
    this.#allow(size);
    const line = this.#cut(size);
    this.#queue.skip(next - size);
    return line;
  }

  #endsWithStripped(size: number, last: number | undefined): boolean {
    return this.#rules.stripCarriageReturn && size > 0 && last === CARRIAGE_RETURN;
  }

  #allow(size: number): void {
    if (size <= this.#rules.maxFrameBytes) return;
    this.#queue.close();
    throw frameTooLarge(this.#rules.maxFrameBytes, size);
  }

  /** How many of the last bytes may turn out to begin a terminator: they do not count as message yet. */
  #terminatorBegun(): number {
    const held = this.#queue.length;
    for (let size = this.#rules.delimiter.length; size > 0; size--) {
      for (const terminator of this.#terminators) {
        if (size < terminator.length && this.#endsWith(terminator, held - size)) return size;
      }
    }
    return 0;
  }

  #endsWith(terminator: Buffer, from: number): boolean {
    for (let at = from; at < this.#queue.length; at++) {
      if (this.#queue.byteAt(at) !== terminator[at - from]) return false;
    }
    return true;
  }
}
