import { AsyncLocalStorage } from 'node:async_hooks';
import { messageOf, PacketError } from '../errors.ts';
import { optionError } from '../options.ts';

/** Where a program keeps what belongs to the work it is at: an `AsyncLocalStorage`, or what looks like one. */
export interface CarriedStorage {
  getStore(): unknown;
  run<R>(store: unknown, callback: () => R): R;
}

/** What the caller of a worker ran in. */
export interface CarriedContext {
  /** What its storages held, by name: a copy, for the worker. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Runs a callback of the caller in what was carried for it: the very values, no copies. */
  readonly reenter: <R>(callback: () => R) => R;
}

const TRACEPARENT = 'traceparent';
/** Version 00 and whatever later ones add behind (W3C Trace Context, 3.2). */
const TRACEPARENT_TEXT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;

/**
 * What is carried belongs to the process, as what it is kept in does; under a symbol of all copies of this package, so that a
 * setup module reaches the one the program runs on.
 */
const REGISTRY = Symbol.for('@packet/core.carried');
const registry: Map<string, CarriedStorage> = registryOf(globalThis);

/**
 * Carries what `storage` holds at a call to a worker along with it: the worker's method runs in `storage.run(value, …)`.
 *
 * Call it with the same name in both, the program and its workers; a module that is both imported by the program and given as its
 * `workerSetup` does. Values travel as arguments do; one that cannot fails the call. `undefined` is not carried.
 * @returns A function that stops it.
 * @throws PacketError `ERR_PACKET_OPTION`, or `ERR_PACKET_STATE` when another storage has that name.
 */
export function carry(name: string, storage: CarriedStorage): () => void {
  if (typeof name !== 'string' || name === '') throw optionError('carry', 'name', 'a name', name);
  if (typeof storage?.getStore !== 'function' || typeof storage.run !== 'function') {
    throw optionError('carry', 'storage', 'an AsyncLocalStorage', storage);
  }
  const known = registry.get(name);
  if (known !== undefined && known !== storage) {
    throw new PacketError('ERR_PACKET_STATE', `carry: another storage is carried as "${name}"`, { details: { name } });
  }
  registry.set(name, storage);
  return () => {
    if (registry.get(name) === storage) registry.delete(name);
  };
}

/**
 * Runs `callback` as part of a trace: calls to workers made in it carry the W3C `traceparent`, and so do the calls of those.
 * Where {@link carry} was given a storage for `traceparent`, such as one that speaks to a tracing library, that is used.
 * @throws PacketError `ERR_PACKET_OPTION` for what is no traceparent.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function withTraceparent<R>(traceparent: string, callback: () => R): R {
  if (typeof traceparent !== 'string' || !TRACEPARENT_TEXT.test(traceparent)) {
    throw optionError('withTraceparent', 'traceparent', 'version-traceid-parentid-flags in hexadecimal', traceparent);
  }
  return storageOf(TRACEPARENT)?.run(traceparent, callback) as R;
}

/** The `traceparent` of the work under way; undefined where it belongs to no trace. */
export function currentTraceparent(): string | undefined {
  return textOf(registry.get(TRACEPARENT)?.getStore());
}

/** What the code that runs now carries; undefined where it carries nothing, which costs next to nothing to find. */
export function captureContext(hold: (value: unknown) => unknown): CarriedContext | undefined {
  if (registry.size === 0) return undefined;
  let stores: Record<string, unknown> | undefined;
  let plain = true;
  for (const [name, storage] of registry) {
    const store = storage.getStore();
    if (store === undefined) continue;
    stores ??= {};
    stores[name] = store;
    plain &&= typeof store === 'string' || typeof store === 'number';
  }
  if (stores === undefined) return undefined;
  try {
    // Not a snapshot of Node's, which costs several times as much as the call.
    const held = stores;
    const values = plain ? held : (hold(held) as Record<string, unknown>);
    return { values, reenter: (callback) => enterContext(held, callback) };
  } catch (error) {
    const details = error instanceof PacketError ? error.details : {};
    throw new PacketError('ERR_PACKET_NOT_ENCODABLE', `what is carried cannot travel: ${messageOf(error)}`, {
      details,
    });
  }
}

/** Runs a callback in what its caller carried; what nothing here was registered for is passed over. */
export function enterContext<R>(values: Readonly<Record<string, unknown>>, callback: () => R): R {
  let entered = callback;
  for (const [name, store] of Object.entries(values)) {
    const storage = storageOf(name);
    if (storage === undefined) continue;
    const inner = entered;
    entered = () => storage.run(store, inner);
  }
  return entered();
}

/**
 * What a worker's call to another carries: what its code ran in, and what only its own caller knew of, for a storage may be known to the
 * first and the last of a chain and not to those between.
 */
export function nestedContext(
  parent: CarriedContext | undefined,
  carried: CarriedContext['values'] | undefined,
): CarriedContext | undefined {
  if (carried === undefined) return parent;
  return { values: { ...parent?.values, ...carried }, reenter: parent?.reenter ?? ((callback) => callback()) };
}

/** The trace a call belongs to. */
export function traceparentOf(context: CarriedContext | undefined): string | undefined {
  return context === undefined ? undefined : textOf(context.values[TRACEPARENT]);
}

function storageOf(name: string): CarriedStorage | undefined {
  const known = registry.get(name);
  if (known !== undefined || name !== TRACEPARENT) return known;
  // Made when there is a first trace: where there is none, nothing is carried.
  const own: CarriedStorage = new AsyncLocalStorage<unknown>();
  registry.set(TRACEPARENT, own);
  return own;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function registryOf(holder: object): Map<string, CarriedStorage> {
  const known: unknown = Reflect.get(holder, REGISTRY);
  if (known instanceof Map) return known as Map<string, CarriedStorage>;
  const made = new Map<string, CarriedStorage>();
  Object.defineProperty(holder, REGISTRY, { value: made });
  return made;
}
