import { isUtf8 } from 'node:buffer';
import type { PacketError } from '../errors.ts';
import { type Resolved, resolveOptions } from '../options.ts';
import { type Framer, INCOMPLETE } from './framer.ts';
import { LengthPrefixFramer } from './length-prefix.ts';
import { ByteLineFramer } from './lines.ts';
import { jsonRows } from './options.ts';
import { frameMalformed, frameOverLimit, frameTruncated, notEncodable } from './refusals.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/** Options of {@link JsonFramer}. */
export interface JsonFramerOptions {
  /** One text a line (NDJSON), or each behind its length in four bytes, network order. @defaultValue 'lines' */
  readonly layout?: 'lines' | 'u32' | undefined;
  /** Longest text, bytes; up to the longest string there is, 536,870,888. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
  /** How deep arrays and objects may be inside each other; code that walks a value by recursion depends on it. @defaultValue 128 */
  readonly maxDepth?: number | undefined;
  /**
   * What happens to objects with a key `__proto__`, or `constructor` with `prototype` in it. As parsed they are harmless, but copying
   * them key by key into another object can change the prototype of that one, or of all.
   * @defaultValue 'refuse'
   */
  readonly unsafeKeys?: 'refuse' | 'keep' | undefined;
}

/**
 * Values as JSON, for peers that need not be trusted: by default one text a line, as in NDJSON and JSON Lines.
 *
 * Text must be UTF-8. Lines may end in LF or CRLF, empty ones are passed over, and the last one needs no end when the peer ends,
 * unless it is a bare number, which may have been cut. What a message holds is not checked: it is `unknown`.
 *
 * `next` throws `ERR_PACKET_FRAME_TOO_LARGE`, with `maxDepth` in `details.option` if it was that, or `ERR_PACKET_FRAME_MALFORMED`,
 * with the parser's error as the cause.
 * @see RFC 8259
 */
export class JsonFramer<Out = unknown> implements Framer<unknown, Out> {
  readonly #texts: ByteLineFramer | LengthPrefixFramer;
  readonly #options: Resolved<typeof jsonRows>;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: JsonFramerOptions = {}) {
    this.#options = resolveOptions('JsonFramer', jsonRows, options);
    const { layout, maxFrameBytes } = this.#options;
    this.#texts =
      layout === 'lines' ? new ByteLineFramer({ maxFrameBytes }) : new LengthPrefixFramer({ maxFrameBytes });
  }

  push(chunk: Buffer): void {
    this.#texts.push(chunk);
  }

  next(): unknown {
    for (;;) {
      const text = this.#texts.next();
      if (text === INCOMPLETE) return INCOMPLETE;
      if (text.length > 0 || this.#options.layout === 'u32') return this.#parse(text);
    }
  }

  finish(): unknown {
    const message = this.next();
    if (message !== INCOMPLETE) return message;
    const held = this.#texts.heldBytes;
    const text = this.#texts.finish();
    if (text === INCOMPLETE || text.length === 0) return INCOMPLETE;
    // The last line has no end: what is no text, and a number that may go on, was cut.
    const cut = (): PacketError => frameTruncated(held);
    const last = this.#parse(text, cut);
    if (typeof last !== 'number') return last;
    this.#texts.release();
    throw cut();
  }

  get heldBytes(): number {
    return this.#texts.heldBytes;
  }

  release(): Buffer {
    return this.#texts.release();
  }

  /**
   * What `JSON.stringify` makes of the message, as one frame.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`, or `ERR_PACKET_NOT_ENCODABLE` for what has no JSON: `undefined`, a function, a
   * bigint, a cycle, or a `toJSON` that throws, with that as the cause.
   */
  encode(message: Out): Uint8Array | readonly Uint8Array[] {
    let text: string | undefined;
    try {
      text = JSON.stringify(message);
    } catch (error) {
      throw notEncodable('the message has no JSON', {}, { cause: error });
    }
    if (text === undefined) throw notEncodable(`a ${typeof message} has no JSON`);
    return this.#texts.encode(Buffer.from(text));
  }

  #parse(bytes: Buffer, noJson: NoJson = frameMalformed): unknown {
    try {
      return parseJson(bytes, this.#options, noJson);
    } catch (error) {
      this.#texts.release();
      throw error;
    }
  }
}

/** The error for bytes that are no JSON text. */
type NoJson = (why: string, init?: { readonly cause: unknown }) => PacketError;

function parseJson(bytes: Buffer, { maxDepth, unsafeKeys }: Resolved<typeof jsonRows>, noJson: NoJson): unknown {
  if (!isUtf8(bytes)) throw noJson('the text is not UTF-8');
  // A text this short cannot be deeper.
  if (bytes.length > 2 * maxDepth && isDeeper(bytes, maxDepth))
    throw frameOverLimit('maxDepth', maxDepth, maxDepth + 1);
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw noJson('the text is no JSON', { cause });
  }
  // Only a text with these words, or with escapes that could spell them, is walked.
  if (unsafeKeys === 'refuse' && /__proto__|prototype|\\u/.test(text) && hasUnsafeKey(value)) {
    throw frameMalformed('an object has a key that could change a prototype');
  }
  return value;
}

function isDeeper(bytes: Buffer, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) return true;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth--;
    }
  }
  return false;
}

function hasUnsafeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasUnsafeKey);
  return Object.entries(value).some(([key, inner]: [string, unknown]) => {
    if (key === '__proto__') return true;
    if (key === 'constructor' && typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) {
      return true;
    }
    return hasUnsafeKey(inner);
  });
}
