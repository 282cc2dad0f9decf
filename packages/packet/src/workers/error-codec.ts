import { types } from 'node:util';
import { ERROR_CODES, PacketError, type PacketErrorCode } from '../errors.ts';
import { serviceRows } from './worker-options.ts';

/** Values of an error's own fields that cross a lane. Anything else an error holds stays where it is. */
type Plain = string | number | boolean | bigint | null | undefined;

/** An error as it crosses a lane: only plain values, so it can always be encoded. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Own fields such as `code`, `errno`, `syscall`. */
  readonly fields?: Readonly<Record<string, Plain>>;
  /** `details` of a PacketError. */
  readonly details?: Readonly<Record<string, Plain>>;
  readonly cause?: WireError;
  readonly errors?: readonly WireError[];
  /** What was thrown was no error: its text is the message, and here it is itself if it was plain. */
  readonly thrown?: { readonly value: Plain };
  /** It is the runtime's own refusal, nothing the worker's code threw. */
  readonly own?: true;
}

const TEXT = serviceRows.errorTextUnits.fallback;
const CAUSES = serviceRows.errorCauses.fallback;
const PARTS = serviceRows.errorParts.fallback;

/** Makes anything that was thrown fit to cross a lane. Never throws, whatever the value does when it is read. */
export function encodeError(error: unknown, depth = 0): WireError {
  try {
    return types.isNativeError(error) || error instanceof Error ? encodeReal(error, depth) : encodeOther(error);
  } catch {
    return { name: 'Error', message: 'an error that cannot be read' };
  }
}

/** Reads what came in an error's place; a worker that sends anything else gets a plain error in return. */
export function wireErrorOf(value: unknown): WireError {
  const read = value as WireError | null | undefined;
  if (typeof read?.name === 'string' && typeof read.message === 'string') return read;
  return { name: 'Error', message: 'the worker sent something that is no error' };
}

/** Builds the error again: same name, message, code, causes and remote stack; built-in classes keep their class. */
export function decodeError(wire: WireError): unknown {
  if (wire.thrown !== undefined) return wire.thrown.value;
  const init = wire.cause === undefined ? undefined : { cause: decodeError(wire.cause) };
  const error = construct(wire, init);
  if (error.name !== wire.name) define(error, 'name', wire.name);
  if (wire.stack !== undefined) define(error, 'stack', wire.stack);
  for (const [key, value] of Object.entries(wire.fields ?? {})) {
    if (!(key in error)) Object.assign(error, { [key]: value });
  }
  return error;
}

function encodeReal(error: Error, depth: number): WireError {
  const { cause } = error;
  const errors: unknown = 'errors' in error ? error.errors : undefined;
  const details: unknown = error instanceof PacketError ? error.details : undefined;
  const fields = plainFields(error, ['name', 'message', 'stack', 'cause', 'errors', 'details']);
  const deep = depth < CAUSES;
  return {
    name: cut(String(error.name)),
    message: cut(String(error.message)),
    ...(typeof error.stack === 'string' ? { stack: cut(error.stack) } : {}),
    ...(fields === undefined ? {} : { fields }),
    ...(details === undefined ? {} : { details: plainFields(details as object, []) ?? {} }),
    ...(cause === undefined || !deep ? {} : { cause: encodeError(cause, depth + 1) }),
    ...(Array.isArray(errors) && deep
      ? { errors: errors.slice(0, PARTS).map((part: unknown) => encodeError(part, depth + 1)) }
      : {}),
  };
}

function encodeOther(thrown: unknown): WireError {
  const message = text(thrown);
  if (!isPlain(thrown)) return { name: 'Error', message: `not an error was thrown: ${message}` };
  return { name: 'Error', message, thrown: { value: thrown } };
}

function construct(wire: WireError, init: { cause: unknown } | undefined): Error {
  const code = wire.fields?.code;
  if (wire.name === 'PacketError' && isPacketCode(code)) {
    return new PacketError(code, wire.message, { ...init, details: wire.details ?? {} });
  }
  switch (wire.name) {
    case 'TypeError':
      return new TypeError(wire.message, init);
    case 'RangeError':
      return new RangeError(wire.message, init);
    case 'SyntaxError':
      return new SyntaxError(wire.message, init);
    case 'ReferenceError':
      return new ReferenceError(wire.message, init);
    case 'EvalError':
      return new EvalError(wire.message, init);
    case 'URIError':
      return new URIError(wire.message, init);
    case 'AggregateError':
      return new AggregateError((wire.errors ?? []).map(decodeError), wire.message, init);
    default:
      return new Error(wire.message, init);
  }
}

function isPacketCode(code: unknown): code is PacketErrorCode {
  return (ERROR_CODES as readonly unknown[]).includes(code);
}

/** As the built-in fields are: there, but not listed. */
function define(error: Error, key: 'name' | 'stack', value: string): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

function plainFields(from: object, except: readonly string[]): Record<string, Plain> | undefined {
  const fields: Record<string, Plain> = {};
  let count = 0;
  for (const key of Object.keys(from)) {
    if (except.includes(key) || count === PARTS) continue;
    const value: unknown = (from as Record<string, unknown>)[key];
    if (!isPlain(value)) continue;
    fields[key] = typeof value === 'string' ? cut(value) : value;
    count++;
  }
  return count === 0 ? undefined : fields;
}

function isPlain(value: unknown): value is Plain {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string') return value.length <= TEXT;
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
}

function text(value: unknown): string {
  return cut(typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value));
}

function cut(value: string): string {
  return value.length <= TEXT ? value : `${value.slice(0, TEXT)}… (${value.length - TEXT} more characters were cut)`;
}
