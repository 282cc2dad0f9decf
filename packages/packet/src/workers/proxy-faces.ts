import { PacketError } from '../errors.ts';
import { optionError, unknownOption } from '../options.ts';
import type { AskOptions } from '../reactor/index.ts';
import type { AdoptSource, HandedConnection } from './live-source.ts';
import type { OriginCalls } from './origins.ts';
import type { CellName } from './protocol.ts';
import type { WorkerCell } from './worker-cells.ts';
import { workerRows } from './worker-options.ts';
import type { WorkerProxy } from './worker-proxy.ts';
import type { CallOptions } from './worker-registry.ts';

/** What a face needs of the workers behind it. */
export interface FaceHost {
  /** Makes a call; the promise settles exactly once. */
  call(
    worker: string,
    method: string,
    args: readonly unknown[],
    options: CallOptions,
    origin: OriginCalls | undefined,
  ): Promise<unknown>;
  /** Makes a call to every instance that is ready; the promise settles when all have. */
  broadcast(
    worker: string,
    method: string,
    args: readonly unknown[],
    options: CallOptions,
    origin: OriginCalls | undefined,
  ): Promise<PromiseSettledResult<unknown>[]>;
  /** Resolves when there is room for a call. */
  room(worker: string, options: CallOptions, origin: OriginCalls | undefined): Promise<void>;
  proxy(worker: string, key: string | undefined): WorkerProxy;
  cell(worker: string, key: string | undefined, name: CellName): WorkerCell;
  /** Hands a live connection to an instance of the worker. */
  handOver(worker: string, key: string | undefined, source: AdoptSource): Promise<HandedConnection>;
  /** Of all workers found, sorted. */
  readonly names: readonly string[];
  methodsOf(worker: string): readonly string[];
}

const NO_OPTIONS: CallOptions = Object.freeze({});

/** Where the object of all faces keeps its connection: under no name a worker could have. */
const ORIGIN: unique symbol = Symbol('origin');

type Face = object;
type FaceMaker = (options: CallOptions, origin: OriginCalls | undefined) => Face;

/** Typed proxies at run time: plain objects with one function a method, and an error that says so for anything else. */
export class ProxyFaces {
  readonly #host: FaceHost;
  readonly #makers = new Map<string, FaceMaker>();
  readonly #all: object;

  constructor(host: FaceHost) {
    this.#host = host;
    for (const worker of host.names) this.#makers.set(worker, this.#makerOf(worker));
    const unknown = guard((name) => {
      throw unknownWorkerError(name, host.names);
    });
    this.#all = Object.create(unknown);
    for (const [worker, make] of this.#makers) {
      // Made when first asked for, then kept: a connection seldom needs more than one.
      Object.defineProperty(this.#all, worker, {
        enumerable: true,
        get(this: OriginFaces) {
          const face = make(NO_OPTIONS, this[ORIGIN]);
          Object.defineProperty(this, worker, { value: face, enumerable: true });
          return face;
        },
      });
    }
    const get = (name: string, origin: OriginCalls | undefined): Face => this.#get(name, origin);
    Object.defineProperty(this.#all, '$get', {
      value(this: OriginFaces, name: string) {
        return get(name, this[ORIGIN]);
      },
    });
  }

  /** The faces of all workers; calls through them are cancelled with `origin`. */
  for(origin: OriginCalls | undefined): object {
    return Object.create(this.#all, { [ORIGIN]: { value: origin } }) as object;
  }

  #get(name: string, origin: OriginCalls | undefined): Face {
    const make = this.#makers.get(name);
    if (make === undefined) throw unknownWorkerError(name, this.#host.names);
    return make(NO_OPTIONS, origin);
  }

  #makerOf(worker: string): FaceMaker {
    const host = this.#host;
    const unknown = guard((method) => {
      return () => Promise.reject(unknownMethodError(worker, method, host.methodsOf(worker)));
    });
    const make: FaceMaker = (options, origin) => {
      const face: Record<string, unknown> = Object.create(unknown);
      for (const method of host.methodsOf(worker)) {
        face[method] = (...args: unknown[]) => host.call(worker, method, args, options, origin);
      }
      return Object.defineProperties(face, {
        $with: { value: (more: CallOptions) => make({ ...options, ...checkCallOptions(worker, more) }, origin) },
        $proxy: { get: () => host.proxy(worker, options.key) },
        $status: { get: () => host.cell(worker, options.key, 'status') },
        $result: { get: () => host.cell(worker, options.key, 'result') },
        $adopt: { value: (source: AdoptSource) => host.handOver(worker, options.key, source) },
        $broadcast: { get: () => this.#broadcast(worker, unknown, options, origin) },
        $room: { value: () => host.room(worker, options, origin) },
      });
    };
    return make;
  }

  #broadcast(worker: string, unknown: object, options: CallOptions, origin: OriginCalls | undefined): Face {
    const face: Record<string, unknown> = Object.create(unknown);
    for (const method of this.#host.methodsOf(worker)) {
      face[method] = (...args: unknown[]) => this.#host.broadcast(worker, method, args, options, origin);
    }
    return face;
  }
}

interface OriginFaces {
  readonly [ORIGIN]: OriginCalls | undefined;
}

/** The error for a worker that does not exist. */
export function unknownWorkerError(worker: string, names: readonly string[]): PacketError {
  const known = names.length === 0 ? 'the folder has none' : `known are ${names.join(', ')}`;
  return new PacketError('ERR_PACKET_WORKER_UNKNOWN', `there is no worker "${worker}"; ${known}`, {
    details: { worker, known: names },
  });
}

function unknownMethodError(worker: string, method: string, methods: readonly string[]): PacketError {
  return new PacketError(
    'ERR_PACKET_WORKER_METHOD',
    `worker "${worker}" has no method "${method}"; it has: ${methods.join(', ')}`,
    { details: { worker, method, methods } },
  );
}

/** Checks the options of a call. @throws PacketError `ERR_PACKET_OPTION`. */
export function checkCallOptions(worker: string, options: CallOptions): CallOptions {
  checkOptions(worker, options, CALL_OPTIONS);
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw optionError(`worker "${worker}" call`, 'signal', 'an AbortSignal', signal);
  }
  return options;
}

/** Checks the options of an ask, which has its own `cancel()` and no signal. @throws PacketError `ERR_PACKET_OPTION`. */
export function checkAskOptions(worker: string, options: AskOptions): void {
  checkOptions(worker, options, ASK_OPTIONS);
}

const ASK_OPTIONS: readonly string[] = ['deadlineMs', 'key', 'pickKey'];
const CALL_OPTIONS: readonly string[] = [...ASK_OPTIONS, 'signal'];

function checkOptions(worker: string, options: AskOptions, known: readonly string[]): void {
  const owner = `worker "${worker}" call`;
  for (const name in options) {
    if (!known.includes(name)) throw unknownOption(owner, name, known);
  }
  const { deadlineMs, key, pickKey } = options;
  if (deadlineMs !== undefined) checkDeadline(worker, deadlineMs);
  if (key !== undefined && typeof key !== 'string') throw optionError(owner, 'key', 'a string', key);
  if (pickKey !== undefined && typeof pickKey !== 'string') throw optionError(owner, 'pickKey', 'a string', pickKey);
}

function checkDeadline(worker: string, deadlineMs: number): void {
  const { min, max, off, unit } = workerRows.deadlineMs;
  if (Number.isInteger(deadlineMs) && (deadlineMs === off || (deadlineMs >= min && deadlineMs <= max))) return;
  const bounds = `an integer in ${min}..${max} (${unit}) or ${off} for off`;
  throw optionError(`worker "${worker}" call`, 'deadlineMs', bounds, deadlineMs);
}

/** Names that others look for in any object: to promise, to print and to compare it. They are never a worker's. */
const ASKED_OF_ANY_OBJECT = new Set([
  'then',
  'toJSON',
  'constructor',
  'toString',
  'valueOf',
  'inspect',
  'asymmetricMatch',
]);

/** A prototype that answers for names the object does not have; those it has never get here. */
function guard(missing: (name: string) => unknown): object {
  return new Proxy(Object.prototype, {
    get(target, name, receiver) {
      if (typeof name === 'symbol' || ASKED_OF_ANY_OBJECT.has(name) || name in target) {
        return Reflect.get(target, name, receiver) as unknown;
      }
      return missing(name);
    },
  });
}
