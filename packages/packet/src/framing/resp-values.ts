/**
 * A value of RESP2 or RESP3.
 *
 * | sent | as | received as |
 * |---|---|---|
 * | `string`, `Uint8Array` | bulk string | `Buffer`, or `string` where text is asked for |
 * | {@link RespStatus} | simple string | the same |
 * | {@link RespError} | simple error, or bulk error with line ends in it | the same |
 * | a safe integer | integer | `number` |
 * | any other `number` | double | `number` |
 * | `bigint` | big number | `bigint`, as are integers beyond the safe ones |
 * | `boolean`, `null`, arrays, `Map`, `Set` | the type of that name | the same |
 * | {@link RespVerbatim}, {@link RespPush}, {@link RespAttributed} | the type of that name | the same |
 *
 * RESP2 has simple strings, errors, integers up to 64 bits, bulk strings, arrays and null only. There, a boolean is sent as 1 or 0,
 * a double, a greater bigint and verbatim text as a bulk string, maps, sets and pushes as arrays, and attributes are left out.
 */
export type RespValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | RespStatus
  | RespError
  | RespVerbatim
  | RespPush
  | RespAttributed
  | readonly RespValue[]
  | ReadonlyMap<RespValue, RespValue>
  | ReadonlySet<RespValue>;

/** A short text that is no data: `OK`, `PONG`, `QUEUED`. */
export class RespStatus {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An error as a value, such as `ERR unknown command`. It is not thrown: it is what the other side answered. */
export class RespError {
  /** By convention a word in capitals, a space, and a sentence. */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  /** The first word: `ERR`, `WRONGTYPE`, `MOVED`. */
  get code(): string {
    return this.message.split(/\s/, 1)[0] ?? '';
  }
}

/** Text that says what it is written in. */
export class RespVerbatim {
  /** Three characters: `txt`, `mkd`. */
  readonly format: string;
  readonly text: string;

  constructor(format: string, text: string) {
    this.format = format;
    this.text = text;
  }
}

/** What a server sends without being asked: the kind (`message`, `invalidate`) first. Never inside another value. */
export class RespPush {
  readonly values: readonly RespValue[];

  constructor(values: readonly RespValue[]) {
    this.values = values;
  }
}

/** A value with facts about it that a client may ignore. */
export class RespAttributed {
  readonly attributes: ReadonlyMap<RespValue, RespValue>;
  readonly value: RespValue;

  constructor(attributes: ReadonlyMap<RespValue, RespValue>, value: RespValue) {
    this.attributes = attributes;
    this.value = value;
  }
}
