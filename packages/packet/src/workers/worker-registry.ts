import type { AskOptions } from '../reactor/index.ts';
import type { Worker } from './worker.ts';
import type { WorkerProxy } from './worker-proxy.ts';

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

/** A worker as its callers see it: the same methods, each returning a promise. */
export type TypedProxy<W extends Worker> = {
  readonly [M in WorkerMethodName<W>]: W[M] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
} & ProxyControls<W>;

/** What a typed proxy offers beside the worker's methods. */
export interface ProxyControls<W extends Worker> {
  /**
   * The same proxy with options for each call through it: `workers.evaluate.$with({ deadlineMs: 50 }).run('1+1')`.
   * @throws PacketError `ERR_PACKET_OPTION`.
   */
  $with(options: CallOptions): TypedProxy<W>;
  /** The proxy object of the worker, or of the keyed instance chosen with `$with`. @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`. */
  readonly $proxy: WorkerProxy;
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
