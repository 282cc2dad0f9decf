import type { AskOptions } from '../reactor/index.ts';
import type { AdoptSource, HandedConnection } from './live-source.ts';
import type { Worker } from './worker.ts';
import type { WorkerCell } from './worker-cells.ts';
import type { WorkerProxy } from './worker-proxy.ts';
import type { ProxyMethod } from './worker-travel.ts';

/**
 * The program's workers by name. Empty here; a program declares its own:
 *
 * ```ts
 * declare module '@packet/core' {
 *   interface WorkerRegistry { evaluate: import('./workers/evaluate.ts').Evaluate }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: programs fill it by declaration merging
export interface WorkerRegistry {}

/**
 * Classes with methods that travel all the same, because a codec is registered for them, under any name. Empty here:
 *
 * ```ts
 * declare module '@packet/core' {
 *   interface TravellingClasses { money: Money }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: programs fill it by declaration merging
export interface TravellingClasses {}

/** Options of calls through a typed proxy. */
export interface CallOptions extends AskOptions {
  /** Cancels the call when it fires. */
  readonly signal?: AbortSignal;
}

/** The methods a worker offers. */
export type WorkerMethodName<W extends Worker> = {
  [M in Exclude<keyof W, keyof Worker>]: M extends `$${string}` | `_${string}` | symbol | number
    ? never
    : W[M] extends (...args: never[]) => unknown
      ? M
      : never;
}[Exclude<keyof W, keyof Worker>];

/**
 * A worker as its callers see it: the same methods, each returning a promise. Functions among the arguments may be sync or async
 * ones, and what cannot travel does not compile: see `CannotTravel`.
 */
export type TypedProxy<W extends Worker> = {
  readonly [M in WorkerMethodName<W>]: ProxyMethod<W[M]>;
} & ProxyControls<W>;

/** A worker's methods as they run on every instance of it. */
export type BroadcastProxy<W extends Worker> = {
  readonly [M in WorkerMethodName<W>]: ProxyMethod<W[M]> extends (...args: infer A) => Promise<infer R>
    ? (...args: A) => Promise<PromiseSettledResult<R>[]>
    : ProxyMethod<W[M]>;
};

/** What a typed proxy offers beside the worker's methods. */
export interface ProxyControls<W extends Worker> {
  /**
   * The same proxy with options for each call through it: `workers.evaluate.$with({ deadlineMs: 50 }).run('1+1')`.
   * @throws PacketError `ERR_PACKET_OPTION`.
   */
  $with(options: CallOptions): TypedProxy<W>;
  /**
   * Hands a live connection to an instance of the worker, or to the keyed one chosen with `$with`; resolves when its `adopted` has it. Not a byte
   * is lost: what cannot be moved stays here and its bytes travel.
   * @throws PacketError (rejects) with the connection still the caller's: `ERR_PACKET_OPTION`, `ERR_PACKET_STATE`,
   * `ERR_PACKET_WORKER_UNKNOWN`, `ERR_PACKET_WORKER_METHOD` for a worker without `adopted`, `ERR_PACKET_WORKER_PARKED`,
   * `ERR_PACKET_STOPPED`, `ERR_PACKET_OVERLOADED`. With the connection closed: `ERR_PACKET_WORKER_REMOTE` when `adopted`
   * would not have it, `ERR_PACKET_WORKER_LOST` when its worker ended meanwhile, `ERR_PACKET_ABORTED`.
   */
  $adopt(source: AdoptSource): Promise<HandedConnection>;
  /**
   * The same methods, run once on every instance that is ready: `await workers.resize.$broadcast.forget(name)` gives one result
   * for each, in the order of their places. Instances that start later do not get it. The proxy's `request()` does not see it.
   */
  readonly $broadcast: BroadcastProxy<W>;
  /**
   * Resolves when there is room for one call, in the order of asking; made in the same turn, the call is not refused as too
   * much. Waits at most until the `signal` of `$with`, and as long as the connection whose proxy it is.
   * @throws PacketError `ERR_PACKET_OVERLOADED` when too many wait for room already (`roomWaiters`, 100,000).
   */
  $room(): Promise<void>;
  /** The proxy object of the worker, or of the keyed instance chosen with `$with`. @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`. */
  readonly $proxy: WorkerProxy;
  /** The worker's latest `status`. @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`. */
  readonly $status: WorkerCell<Exclude<W['status'], undefined>>;
  /** The worker's latest `result`. @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`. */
  readonly $result: WorkerCell<Exclude<W['result'], undefined>>;
}

/** Typed proxies of the program's workers, by name. */
export type WorkerProxies = {
  readonly [N in keyof WorkerRegistry]: WorkerRegistry[N] extends Worker ? TypedProxy<WorkerRegistry[N]> : never;
} & {
  /**
   * The proxy of a worker that is not declared in {@link WorkerRegistry}: `workers.$get<Evaluate>('evaluate')`.
   * @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`.
   */
  $get<W extends Worker>(name: string): TypedProxy<W>;
};
