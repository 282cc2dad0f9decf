import { types } from 'node:util';
import { ERROR_CODES, PacketError } from '../errors.ts';
import { serviceRows } from './worker-options.ts';

/** What an error inside a value has beyond what every codec carries: message and stack. */
export interface ErrorFields {
  readonly cause?: unknown;
  /** Its name, where its class does not give it. */
  readonly name?: string | undefined;
  /** The class that is no engine class of its own to the codecs. */
  readonly kind?: 'AggregateError' | 'PacketError' | undefined;
  /** Own fields such as `code`. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly errors?: readonly unknown[] | undefined;
}

/** Values of an error's own fields that cross a lane. Anything else an error holds stays where it is. */
export type Plain = string | number | boolean | bigint | null | undefined;

const TEXT = serviceRows.errorTextUnits.fallback;
const PARTS = serviceRows.errorParts.fallback;
const NOT_FIELDS: readonly string[] = ['name', 'message', 'stack', 'cause', 'errors', 'details'];

/** The own fields of an error that cross, without those every error has. */
export function ownFields(error: object): Record<string, Plain> | undefined {
  return plainFields(error, NOT_FIELDS);
}

/** The fields of `from` that are plain, the first of them; long texts cut. `undefined` when there are none. */
export function plainFields(from: object, except: readonly string[] = []): Record<string, Plain> | undefined {
  const fields: Record<string, Plain> = {};
  let count = 0;
  for (const key of Object.keys(from)) {
    if (except.includes(key) || count === PARTS) continue;
    const value = readField(from, key);
    if (value === UNREADABLE || !isPlain(value)) continue;
    Object.defineProperty(fields, key, { value, writable: true, configurable: true, enumerable: true });
    count++;
  }
  return count === 0 ? undefined : fields;
}

const UNREADABLE: unique symbol = Symbol('unreadable');

/** One field that cannot be read must not hide the others, nor the error. */
function readField(from: object, key: string): unknown {
  try {
    return Reflect.get(from, key);
  } catch {
    return UNREADABLE;
  }
}

/** Whether a value may cross as a field of an error. */
export function isPlain(value: unknown): value is Plain {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string') return value.length <= TEXT;
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
}

/** What is to be told of an error inside a value; `undefined` when the codecs carry all of it. */
export function fieldsOf(source: Error, carriedName: string): ErrorFields | undefined {
  const name = String(source.name);
  const errors: unknown = 'errors' in source ? source.errors : undefined;
  const isPacket = isPacketError(source);
  const told: ErrorFields = {
    ...(Object.hasOwn(source, 'cause') ? { cause: source.cause } : {}),
    ...(name === carriedName ? {} : { name }),
    ...(isPacket ? { kind: 'PacketError', details: plainFields(source.details) ?? {} } : {}),
    ...(Array.isArray(errors) ? { errors: errors.slice(0, PARTS) } : {}),
    ...(source instanceof AggregateError ? { kind: 'AggregateError' } : {}),
  };
  const fields = ownFields(source);
  if (fields !== undefined) return { ...told, fields };
  return Object.keys(told).length === 0 ? undefined : told;
}

/**
 * Gives an error that has arrived what {@link fieldsOf} told of it.
 * @throws TypeError when one of the two is something else.
 */
export function giveErrorFields(error: unknown, told: unknown): void {
  if (!types.isNativeError(error) || typeof told !== 'object' || told === null) {
    throw new TypeError('fields of an error that is none');
  }
  const { name, kind, fields, details, errors } = told as ErrorFields;
  if ('cause' in told) hide(error, 'cause', told.cause);
  if (kind === 'AggregateError') Object.setPrototypeOf(error, AggregateError.prototype);
  if (kind === 'PacketError') Object.setPrototypeOf(error, PacketError.prototype);
  if (name !== undefined) (kind === 'PacketError' ? give : hide)(error, 'name', name);
  if (errors !== undefined) hide(error, 'errors', errors);
  for (const [key, value] of Object.entries(fields ?? {})) give(error, key, value);
  if (details !== undefined) give(error, 'details', details);
}

function isPacketError(error: Error): error is PacketError {
  const { code } = error as { code?: unknown };
  return error.name === 'PacketError' && (ERROR_CODES as readonly unknown[]).includes(code) && 'details' in error;
}

/** As the built-in fields are: there, but not listed. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

function give(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: true });
}
