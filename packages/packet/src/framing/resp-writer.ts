import { GATHER_FROM_BYTES } from './gather.ts';
import { frameOverLimit, frameTooLarge, notEncodable } from './refusals.ts';
import type { RespLimits } from './resp-scanner.ts';
import { RespAttributed, RespError, RespPush, RespStatus, type RespValue, RespVerbatim } from './resp-values.ts';

/** A body shorter than this is copied into the text around it: a part of its own would cost more. */
const PART_FROM_BYTES = 512;
const LINE_END = /[\r\n]/;
const BEYOND_ASCII = /[^\0-\x7f]/;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** One of a command's words. */
export type RespArgument = string | Uint8Array | number | bigint;

/** Writes one frame. A writer is used once. */
export class RespWriter {
  readonly #version: number;
  readonly #limits: Omit<RespLimits, 'maxInlineBytes'>;
  readonly #parts: Uint8Array[] = [];
  /** Bytes not in a part yet, one character each. */
  #text = '';
  #size = 0;
  #elements = 0;

  constructor(version: number, limits: Omit<RespLimits, 'maxInlineBytes'>) {
    this.#version = version;
    this.#limits = limits;
  }

  command(args: readonly RespArgument[]): this {
    if (!Array.isArray(args) || args.length === 0)
      throw notEncodable('a command must be an array of at least one word');
    this.#open('*', args.length, args.length, 0);
    for (const argument of args as readonly unknown[]) {
      if (typeof argument === 'string' || argument instanceof Uint8Array) this.#bulk(argument);
      else if (typeof argument === 'number' || typeof argument === 'bigint') this.#bulk(String(argument));
      else throw notEncodable('a word of a command must be a string, a Uint8Array, a number or a bigint');
    }
    return this;
  }

  value(value: RespValue, depth: number = 0): this {
    if (typeof value === 'string' || value instanceof Uint8Array) this.#bulk(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (value === null) this.#write(this.#version === 2 ? '$-1\r\n' : '_\r\n');
    else if (typeof value === 'boolean') this.#boolean(value);
    else if (value instanceof RespStatus) this.#line('+', value.text);
    else if (value instanceof RespError) this.#error(value.message);
    else if (value instanceof RespVerbatim) this.#verbatim(value);
    else this.#aggregate(value, depth);
    return this;
  }

  /** @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE`. */
  finish(): Uint8Array | readonly Uint8Array[] {
    const { maxFrameBytes } = this.#limits;
    if (this.#size > maxFrameBytes) throw frameTooLarge(maxFrameBytes, this.#size);
    this.#flush();
    const [only, another] = this.#parts;
    if (only !== undefined && another === undefined) return only;
    return this.#size < GATHER_FROM_BYTES ? Buffer.concat(this.#parts) : this.#parts;
  }

  #aggregate(value: RespValue, depth: number): void {
    if (Array.isArray(value)) this.#values('*', value, depth);
    else if (value instanceof Set) this.#values(this.#version === 2 ? '*' : '~', [...value], depth);
    else if (value instanceof Map) this.#pairs(value, depth);
    else if (value instanceof RespPush) this.#push(value, depth);
    else if (value instanceof RespAttributed) this.#attributed(value, depth);
    else throw notEncodable('the value has no form in RESP');
  }

  #values(type: string, values: readonly RespValue[], depth: number): void {
    this.#open(type, values.length, values.length, depth);
    for (const value of values) this.value(value, depth + 1);
  }

  #pairs(pairs: ReadonlyMap<RespValue, RespValue>, depth: number): void {
    if (this.#version === 2) this.#open('*', pairs.size * 2, pairs.size * 2, depth);
    else this.#open('%', pairs.size, pairs.size * 2, depth);
    this.#members(pairs, depth);
  }

  #members(pairs: ReadonlyMap<RespValue, RespValue>, depth: number): void {
    for (const [key, value] of pairs) {
      this.value(key, depth + 1);
      this.value(value, depth + 1);
    }
  }

  #push({ values }: RespPush, depth: number): void {
    if (depth > 0) throw notEncodable('a push cannot be inside another value');
    this.#values(this.#version === 2 ? '*' : '>', values, depth);
  }

  #attributed({ attributes, value }: RespAttributed, depth: number): void {
    if (this.#version === 2) {
      // Attributes are what a client may ignore. One level all the same, or a cycle would not end.
      this.#allowDepth(depth + 1);
      this.value(value, depth + 1);
      return;
    }
    this.#open('|', attributes.size, attributes.size * 2 + 1, depth);
    this.#members(attributes, depth);
    this.value(value, depth + 1);
  }

  /** Begins an aggregate; refuses one that its reader would. */
  #open(type: string, count: number, children: number, depth: number): void {
    const { maxElements } = this.#limits;
    if (children > 0) this.#allowDepth(depth + 1);
    this.#elements += children;
    if (this.#elements > maxElements) throw frameOverLimit('maxElements', maxElements, this.#elements);
    this.#write(`${type}${count}\r\n`);
  }

  #allowDepth(depth: number): void {
    const { maxDepth } = this.#limits;
    if (depth > maxDepth) throw frameOverLimit('maxDepth', maxDepth, depth);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.#write(`:${value}\r\n`);
    else if (this.#version === 2) this.#bulk(doubleText(value));
    else this.#write(`,${doubleText(value)}\r\n`);
  }

  #bigint(value: bigint): void {
    if (this.#version === 3) this.#write(`(${value}\r\n`);
    else if (value >= INT64_MIN && value <= INT64_MAX) this.#write(`:${value}\r\n`);
    else this.#bulk(String(value));
  }

  #boolean(value: boolean): void {
    if (this.#version === 3) this.#write(value ? '#t\r\n' : '#f\r\n');
    else this.#write(value ? ':1\r\n' : ':0\r\n');
  }

  #error(message: string): void {
    if (this.#version === 3 && typeof message === 'string' && LINE_END.test(message)) this.#bulk(message, '!');
    else this.#line('-', message);
  }

  #verbatim({ format, text }: RespVerbatim): void {
    if (typeof format !== 'string' || typeof text !== 'string') throw notEncodable('verbatim text must be a string');
    if (!/^[\x20-\x39\x3b-\x7e]{3}$/.test(format))
      throw notEncodable('the format of verbatim text must be three characters');
    if (this.#version === 3) this.#bulk(`${format}:${text}`, '=');
    else this.#bulk(text);
  }

  #line(type: string, text: string): void {
    if (typeof text !== 'string' || LINE_END.test(text))
      throw notEncodable('a status or error must be one line of text');
    this.#write(`${type}${asBytes(text)}\r\n`);
  }

  #bulk(body: string | Uint8Array, type: string = '$'): void {
    const bytes = typeof body === 'string' && BEYOND_ASCII.test(body) ? Buffer.from(body) : body;
    this.#write(`${type}${bytes.length}\r\n`);
    if (typeof bytes === 'string' || bytes.length < PART_FROM_BYTES) {
      this.#write(typeof bytes === 'string' ? bytes : bufferOf(bytes).toString('latin1'));
    } else {
      this.#flush();
      this.#parts.push(bytes);
      this.#size += bytes.length;
    }
    this.#write('\r\n');
  }

  #write(text: string): void {
    this.#text += text;
    this.#size += text.length;
  }

  #flush(): void {
    if (this.#text === '') return;
    this.#parts.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** UTF-8, one character for each byte. */
function asBytes(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
