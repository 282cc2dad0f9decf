import { frameMalformed } from './refusals.ts';
import { RespAttributed, RespError, RespPush, RespStatus, type RespValue, RespVerbatim } from './resp-values.ts';

const CARRIAGE_RETURN = 0x0d;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const INTEGER = /^[+-]?\d{1,19}$/;
const BIG_NUMBER = /^[+-]?\d+$/;
const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const WORDS: ReadonlyMap<string, number> = new Map([
  ['inf', Infinity],
  ['+inf', Infinity],
  ['-inf', -Infinity],
  ['nan', Number.NaN],
  ['-nan', Number.NaN],
]);

/**
 * Reads a frame the scanner measured: its lengths, counts, depth and line ends are right; what its lines say may not be.
 * @throws PacketError `ERR_PACKET_FRAME_MALFORMED` with the place of the line in `details.offset`.
 */
export function parseRespValue(frame: Buffer, bulk: 'bytes' | 'text'): RespValue {
  return new RespParser(frame, bulk).value();
}

/** Reads a command the scanner measured. Its arguments are views of the frame. */
export function parseRespCommand(frame: Buffer): Buffer[] {
  return new RespParser(frame, 'bytes').command();
}

class RespParser {
  readonly #frame: Buffer;
  readonly #bulk: 'bytes' | 'text';
  #at = 0;

  constructor(frame: Buffer, bulk: 'bytes' | 'text') {
    this.#frame = frame;
    this.#bulk = bulk;
  }

  command(): Buffer[] {
    this.#at = 1;
    const count = Number(this.#line());
    const args: Buffer[] = [];
    for (let index = 0; index < count; index++) {
      this.#at += 1;
      args.push(this.#body(this.#line()));
    }
    return args;
  }

  value(): RespValue {
    const from = this.#at;
    const type = String.fromCharCode(this.#frame[from] ?? 0);
    this.#at += 1;
    switch (type) {
      case '+':
        return new RespStatus(this.#line('utf8'));
      case '-':
        return new RespError(this.#line('utf8'));
      case '$':
        return this.#bulkString(this.#line());
      case '!':
        return new RespError(this.#body(this.#line()).toString());
      case '=':
        return this.#verbatim(from);
      case '*': {
        const count = this.#line();
        return count === '-1' ? null : this.#values(count);
      }
      case '>':
        return new RespPush(this.#values(this.#line()));
      case '~':
        return new Set(this.#values(this.#line()));
      case '%':
        return this.#pairs();
      case '|':
        return new RespAttributed(this.#pairs(), this.value());
      default:
        return this.#scalar(type, from);
    }
  }

  #scalar(type: string, offset: number): RespValue {
    const text = this.#line();
    if (type === '_' && text === '') return null;
    if (type === '#' && (text === 't' || text === 'f')) return text === 't';
    if (type === ',' && DOUBLE.test(text)) return Number(text);
    if (type === ',' && WORDS.has(text)) return WORDS.get(text) ?? null;
    if (type === '(' && BIG_NUMBER.test(text)) return bigint(text);
    if (type === ':' && INTEGER.test(text)) {
      const number = Number(text);
      if (Number.isSafeInteger(number)) return number + 0;
      const exact = bigint(text);
      if (exact >= INT64_MIN && exact <= INT64_MAX) return exact;
    }
    throw frameMalformed(`the value at byte ${offset} is no ${type} value`, { offset });
  }

  #bulkString(length: string): Buffer | string | null {
    if (length === '-1') return null;
    const body = this.#body(length);
    return this.#bulk === 'bytes' ? body : body.toString();
  }

  #verbatim(offset: number): RespVerbatim {
    const text = this.#body(this.#line()).toString();
    if (/^[^:]{3}:/.test(text)) return new RespVerbatim(text.slice(0, 3), text.slice(4));
    throw frameMalformed(`the verbatim text at byte ${offset} does not say its format`, { offset });
  }

  #values(count: string): RespValue[] {
    const values: RespValue[] = [];
    for (let left = Number(count); left > 0; left--) values.push(this.value());
    return values;
  }

  #pairs(): Map<RespValue, RespValue> {
    const pairs = new Map<RespValue, RespValue>();
    for (let left = Number(this.#line()); left > 0; left--) pairs.set(this.value(), this.value());
    return pairs;
  }

  #line(encoding: 'utf8' | 'latin1' = 'latin1'): string {
    const end = this.#frame.indexOf(CARRIAGE_RETURN, this.#at);
    const line = this.#frame.toString(encoding, this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #body(length: string): Buffer {
    const end = this.#at + Number(length);
    const body = this.#frame.subarray(this.#at, end);
    this.#at = end + 2;
    return body;
  }
}

/** `BigInt` itself takes no plus sign. */
function bigint(text: string): bigint {
  return BigInt(text.startsWith('+') ? text.slice(1) : text);
}
