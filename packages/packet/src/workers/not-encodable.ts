import { EventEmitter } from 'node:events';
import { types } from 'node:util';
import { messageOf, PacketError } from '../errors.ts';

const ERROR_CLASSES = new Map<string, ErrorConstructor>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [type.name, type]),
);

/** The standard error class of that name that keeps its class on the way. */
export function errorClass(name: string): ErrorConstructor | undefined {
  return ERROR_CLASSES.get(name);
}

/** Thrown while a value is walked; gathers the path on its way out. */
export class NotEncodable extends Error {
  path = '';
}

/** The error as seen from one level further out. */
export function atKey(error: unknown, key: string | number): NotEncodable {
  const refusal = asNotEncodable(error);
  refusal.path = stepOf(key) + refusal.path;
  return refusal;
}

/** What the poster gets: `ERR_PACKET_NOT_ENCODABLE` with `details.path`. */
export function toPacketError(error: unknown): PacketError {
  const { path, message, cause } = asNotEncodable(error);
  const shown = `$${path.length > 200 ? `${path.slice(0, 200)}…` : path}`;
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', `${shown} cannot travel: ${message}`, {
    details: { path: shown },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Runs `take`; where a value cannot travel, the error says what it was to be. */
export function takenFor<T>(what: string, take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!(error instanceof PacketError) || error.code !== 'ERR_PACKET_NOT_ENCODABLE') throw error;
    const { cause, details } = error;
    throw new PacketError(error.code, `${what}: ${error.message}`, { cause, details });
  }
}

/** A refusal as whoever gave the value sees it, whose own was part of a larger one: `seen` makes their path of the one told. */
export function seenAs(error: unknown, seen: (told: string) => string): unknown {
  if (!(error instanceof PacketError) || typeof error.details.path !== 'string') return error;
  const { code, message, cause, details } = error;
  const told = error.details.path;
  const path = seen(told);
  const text = message.replace(told, () => path);
  return new PacketError(code, text, { ...(cause === undefined ? {} : { cause }), details: { ...details, path } });
}

/**
 * Why instances do not travel as plain data, in words; `undefined` when they do. Classes written in JavaScript do; what the engine or Node made
 * holds state no copy could carry, and so does what emits events, which is of no use where nothing emits them.
 */
export function whyNotPlain(prototype: object): string | undefined {
  let emits = false;
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    // Before anything is asked of it.
    if (types.isProxy(at)) return "what is made of a Proxy, as a worker's proxy is: workers have this.workers";
    emits ||= at === EventEmitter.prototype;
  }
  const name = classNameOf(prototype);
  if (emits) return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}, as any event emitter or stream`;
  for (let at: object | null = prototype; at !== null; ) {
    const next: object | null = Object.getPrototypeOf(at);
    if (next === null) return undefined; // some realm's Object.prototype
    if (Object.getOwnPropertySymbols(at).some((symbol) => symbol.description === 'messaging_deserialize_symbol')) {
      return `a ${name}`;
    }
    const maker: unknown = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof maker !== 'function') {
      if (Object.hasOwn(at, Symbol.toStringTag)) return kindOfIterator(at) ?? `a ${name}`;
    } else if (!isErrorClass(maker) && /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(maker))) {
      return `a ${name}`;
    }
    at = next;
  }
  return undefined;
}

/** Of iterators and generators, whose prototypes have a tag and no constructor that is a function. */
function kindOfIterator(prototype: object): string | undefined {
  const tag: unknown = Reflect.get(prototype, Symbol.toStringTag);
  if (tag === 'Generator' || tag === 'AsyncGenerator') {
    return `${tag === 'Generator' ? 'a generator' : 'an async generator'}: send what it yields, in a list or through a function that is lent`;
  }
  return undefined;
}

function isErrorClass(maker: { readonly name?: unknown }): boolean {
  return ERROR_CLASSES.has(String(maker.name));
}

/** For messages. */
export function classNameOf(prototype: object): string {
  const maker: unknown = Reflect.get(prototype, 'constructor');
  return typeof maker === 'function' && maker.name !== '' ? maker.name : 'host object';
}

function asNotEncodable(error: unknown): NotEncodable {
  if (error instanceof NotEncodable) return error;
  return new NotEncodable(`reading it threw: ${messageOf(error)}`, { cause: error });
}

function stepOf(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`;
  return /^(<(entry|member) \d+>|<encoded>|[\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key)}]`;
}
