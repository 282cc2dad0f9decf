import type { PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import type { WorkerLoss } from './call-errors.ts';

/** Tells a proxy class apart in a program that holds two copies of this package. */
export const proxyBrand: unique symbol = Symbol.for('@packet/core.WorkerProxy');

/** What a proxy stands for. */
export interface WorkerProxyContext {
  /** The worker's name. */
  readonly worker: string;
  /** The key of a keyed instance. */
  readonly key: string | undefined;
}

/** Where a call is to go. */
export interface WorkerRoute {
  /** As the option of this name: with `picker: 'key'`, the same instance for the same key. In the place of the caller's own. */
  readonly pickKey?: string;
}

/** A call on its way to a worker, in its proxy's hands: `forward`, `answer` or `fail` is to be called, now or later. */
export interface WorkerRequest {
  /** `undefined` for `askWorker`, whose data is the one argument. */
  readonly method: string | undefined;
  /** As the caller gave them; a copy, taken at the call, once `request()` has returned and keeps the call. */
  readonly args: readonly unknown[];
  /** What the caller gave in the option of this name. */
  readonly pickKey: string | undefined;
  /** Whether the caller still waits: a deadline or cancel may have settled the call meanwhile. */
  readonly settled: boolean;
  /** Lets it go on to the worker. @throws PacketError `ERR_PACKET_OPTION` for a `pickKey` that no picker uses. */
  forward(route?: WorkerRoute): void;
  /**
   * Has the worker do a part of it: the same method with other arguments, whose answer is the promise's. Answer or fail the call with what
   * the parts gave. They end with the call at the latest, and do not pass this proxy's `request` and `reply`.
   */
  part(args: readonly unknown[], route?: WorkerRoute): Promise<unknown>;
  /** Answers it without the worker. */
  answer(value: unknown): void;
  /** Fails it without the worker; an error that is no PacketError becomes the cause of `ERR_PACKET_CALLBACK`. */
  fail(error: unknown): void;
}

/** A call for which an instance is to be picked. */
export interface PickRequest {
  /** `undefined` for `askWorker`, whose data is the one argument. */
  readonly method: string | undefined;
  readonly args: readonly unknown[];
  /** What the caller gave in the option of this name. */
  readonly pickKey: string | undefined;
}

/** An instance as a picker sees it. */
export interface InstanceFacts extends WorkerFacts {
  /** Calls it has now. */
  readonly load: number;
  /** Calls it has settled in its life. */
  readonly calls: number;
}

/**
 * The master's side of one worker or keyed instance; all calls to it and all answers from it pass here.
 *
 * Extend it in `name.proxy.ts` beside `name.ts` to cache, merge or rewrite calls, or to hear what the worker sends by itself.
 * The instances of a pool share one. A hook that throws fails the call it was given and nothing else.
 */
export class WorkerProxy {
  static {
    Object.defineProperty(WorkerProxy, proxyBrand, { value: true });
  }

  readonly worker: string;
  readonly key: string | undefined;

  constructor(context: WorkerProxyContext) {
    this.worker = context.worker;
    this.key = context.key;
  }

  /** An instance is ready. */
  started(_instance: WorkerFacts): void {}

  /** A call was made. The default lets it go on. What is broadcast goes to its instances without. */
  request(request: WorkerRequest): void {
    request.forward();
  }

  /**
   * Chooses the instance for a call, of those that can take one now, in the order of their places. `undefined` leaves it to
   * the one with the fewest calls. A call for which this throws, or returns something else, fails.
   */
  pick(_request: PickRequest, _instances: readonly InstanceFacts[]): InstanceFacts | undefined {
    return undefined;
  }

  /** The worker answered; the caller gets what this returns. `request` is the object `request()` was given, if it was. */
  reply(value: unknown, _request: WorkerRequest): unknown {
    return value;
  }

  /** A call that `request()` was given failed: its method, its worker or this proxy failed it, time ran out, its caller gave up. */
  failed(_error: PacketError, _request: WorkerRequest): void {}

  /** An instance is gone. */
  exit(_instance: WorkerFacts, _loss: WorkerLoss): void {}

  /** The worker set its `status`. A worker that sets it often is heard once for the last of several values. */
  status(_value: unknown, _instance: WorkerFacts): void {}

  /** The worker set its `result`. */
  result(_value: unknown, _instance: WorkerFacts): void {}

  /** The worker sent a value by itself, with `this.sendData(value)`. */
  receiveData(_value: unknown, _instance: WorkerFacts): void {}
}

/** The proxy of a worker that has no proxy file: it routes by request, and reports what a worker sends by itself. */
export class DefaultWorkerProxy extends WorkerProxy {}

/** A proxy class, as a proxy file exports it. */
export type WorkerProxyClass = new (context: WorkerProxyContext) => WorkerProxy;
