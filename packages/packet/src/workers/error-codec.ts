import { types } from 'node:util';
import { ERROR_CODES, PacketError, type PacketErrorCode } from '../errors.ts';
import { codecOf } from './class-codecs.ts';
import { isPlain, ownFields, type Plain, plainFields } from './error-fields.ts';
import { seal, unseal } from './seal.ts';
import { serviceRows } from './worker-options.ts';

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
  /** The probe ends of it, and what it prints says more. */
  readonly printed?: true;
  /** The error itself, where its class has a codec. What is above serves those who do not know the codec. */
  readonly sealed?: Uint8Array;
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

/**
 * Builds the error again: same name, message, code, causes, parts, own fields and remote stack; built-in classes and those
 * with a codec keep their class.
 */
export function decodeError(wire: WireError): unknown {
  if (wire.thrown !== undefined) return wire.thrown.value;
  const cause = wire.cause === undefined ? undefined : { cause: decodeError(wire.cause) };
  const error = unsealed(wire, cause) ?? construct(wire, cause);
  if (error.name !== wire.name) define(error, 'name', wire.name);
  if (wire.stack !== undefined) define(error, 'stack', wire.stack);
  if (wire.errors !== undefined && !('errors' in error)) define(error, 'errors', wire.errors.map(decodeError));
  for (const [key, value] of Object.entries(wire.fields ?? {})) {
    if (!(key in error))
      Reflect.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: true });
  }
  return error;
}

function encodeReal(error: Error, depth: number): WireError {
  const { cause } = error;
  const errors: unknown = 'errors' in error ? error.errors : undefined;
  const details: unknown = error instanceof PacketError ? error.details : undefined;
  const fields = ownFields(error);
  const sealed = sealedError(error);
  const deep = depth < CAUSES;
  return {
    name: cut(String(error.name)),
    message: cut(String(error.message)),
    ...(typeof error.stack === 'string' ? { stack: cut(error.stack) } : {}),
    ...(fields === undefined ? {} : { fields }),
    ...(details === undefined ? {} : { details: plainFields(details as object) ?? {} }),
    ...(cause === undefined || !deep ? {} : { cause: encodeError(cause, depth + 1) }),
    ...(Array.isArray(errors) && deep
      ? { errors: errors.slice(0, PARTS).map((part: unknown) => encodeError(part, depth + 1)) }
      : {}),
    ...(sealed === undefined ? {} : { sealed }),
  };
}

/** What its codec makes of it, if it has one that does. */
function sealedError(error: Error): Uint8Array | undefined {
  if (codecOf(Object.getPrototypeOf(error)) === undefined) return undefined;
  try {
    return seal(error);
  } catch {
    // A codec that fails must not hide the error it was for.
    return undefined;
  }
}

function unsealed(wire: WireError, init: { cause: unknown } | undefined): Error | undefined {
  if (wire.sealed === undefined) return undefined;
  try {
    const error = unseal(wire.sealed);
    if (!(error instanceof Error)) return undefined;
    if (init !== undefined && error.cause === undefined) define(error, 'cause', init.cause);
    return error;
  } catch {
    return undefined;
  }
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

/** As the built-in fields are: there, but not listed. An error that a codec has frozen stays as it is. */
function define(error: Error, key: 'name' | 'stack' | 'cause' | 'errors', value: unknown): void {
  Reflect.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false });
}

function text(value: unknown): string {
  return cut(typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value));
}

function cut(value: string): string {
  return value.length <= TEXT ? value : `${value.slice(0, TEXT)}… (${value.length - TEXT} more characters were cut)`;
}
