import { PacketError } from '../errors.ts';
import type { Reactor } from '../reactor/index.ts';
import type { WorkerConfig } from './worker-options.ts';

/** Tells a worker class apart in a program that holds two copies of this package. */
export const workerBrand: unique symbol = Symbol.for('@packet/core.Worker');

const attachment: unique symbol = Symbol.for('@packet/core.Worker.attach');

/** The call a worker's method runs for. */
export interface WorkerCall {
  /** Aborted when the caller gave up or the deadline passed. A call that goes on has its worker replaced after a grace. */
  readonly signal: AbortSignal;
  /** Milliseconds left until the deadline, infinite without one; for the calls this one makes in turn. */
  readonly leftMs: number;
}

/** One `askWorker` on the worker's side. */
export interface WorkerAsk extends WorkerCall {
  /**
   * Answers, any number of times, before `receiveData` returns (or its promise settles): that value is the last answer.
   * @returns false when the lane is above its high-water mark.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE`, or `ERR_PACKET_STATE` after the last answer.
   */
  reply(value: unknown): boolean;
}

/** What the runtime lends a worker. */
export interface WorkerSurroundings {
  readonly name: string;
  readonly key: string | undefined;
  readonly index: number;
  currentCall(): WorkerCall;
  sendData(value: unknown): boolean;
  reactor(): Reactor;
}

/**
 * Slow or dangerous work, apart from the reactor: extend it in a file of the worker folder, one class a file.
 *
 * Public methods are its API; they may be async. A method whose name begins with `_` or `$` is not offered.
 */
export class Worker {
  /** Pool size, transport, limits: see `workerRows`. */
  static readonly config: WorkerConfig = {};
  /** Its name; the file's name where not given. */
  static readonly workerName: string | undefined = undefined;
  #surroundings: WorkerSurroundings | undefined;

  static {
    Object.defineProperty(Worker, workerBrand, { value: true });
    Object.defineProperty(Worker.prototype, attachment, {
      value(this: Worker, surroundings: WorkerSurroundings): void {
        this.#surroundings ??= surroundings;
      },
    });
  }

  /** The key of a keyed instance. @throws PacketError `ERR_PACKET_STATE` in the constructor. */
  get workerKey(): string | undefined {
    return this.#attached('workerKey').key;
  }

  /** Place in the pool, from 0. @throws PacketError `ERR_PACKET_STATE` in the constructor. */
  get workerIndex(): number {
    return this.#attached('workerIndex').index;
  }

  /**
   * The call whose method begins to run; read it before the first `await`, when others may run too.
   * @throws PacketError `ERR_PACKET_STATE` when no method is beginning.
   */
  get currentCall(): WorkerCall {
    return this.#attached('currentCall').currentCall();
  }

  /**
   * A reactor of the worker's own, made when first asked for and stopped with the worker: it opens servers, connects and sets
   * timers. @throws PacketError `ERR_PACKET_STATE` in the constructor.
   */
  get reactor(): Reactor {
    return this.#attached('reactor').reactor();
  }

  /**
   * Prepares the worker; no call comes before it is done. What it throws or rejects with fails the start.
   * @param _options What `startWorker` was given.
   */
  workerInit(_options: unknown): void | Promise<void> {}

  /** Gets the data of `askWorker`; what it returns is the last answer. */
  receiveData(_data: unknown, _ask: WorkerAsk): unknown {
    throw new PacketError('ERR_PACKET_WORKER_METHOD', 'this worker has no receiveData');
  }

  /** The worker ends in order: its calls are done. Called at most once, and not when the worker is killed. */
  unbind(): void | Promise<void> {}

  /**
   * Sends a value to the worker's proxy in the master, without having been asked.
   * @returns false when the lane is above its high-water mark.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE`, or `ERR_PACKET_STATE` in the constructor.
   */
  sendData(value: unknown): boolean {
    return this.#attached('sendData').sendData(value);
  }

  #attached(what: string): WorkerSurroundings {
    if (this.#surroundings !== undefined) return this.#surroundings;
    throw new PacketError('ERR_PACKET_STATE', `${what} is not there yet in a worker's constructor: use workerInit`);
  }
}

/** Gives a worker its surroundings, once, before `workerInit`. */
export function attachWorker(worker: Worker, surroundings: WorkerSurroundings): void {
  const attach: unknown = Reflect.get(worker, attachment);
  if (typeof attach === 'function') Reflect.apply(attach, worker, [surroundings]);
}

/** A worker class, as a worker file exports it. */
export type WorkerClass = (new () => Worker) & Pick<typeof Worker, 'config' | 'workerName'>;
