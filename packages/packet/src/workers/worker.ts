import { PacketError } from '../errors.ts';
import type { AskOptions, ConnectionOptions, Reactor } from '../reactor/index.ts';
import type { Address, DetachedSocket } from '../transport/index.ts';
import type { CellName } from './protocol.ts';
import type { WorkerConfig } from './worker-options.ts';
import type { WorkerProxies } from './worker-registry.ts';

/** Tells a worker class apart in a program that holds two copies of this package. */
export const workerBrand: unique symbol = Symbol.for('@packet/core.Worker');

const attachment: unique symbol = Symbol.for('@packet/core.Worker.attach');

/** The call a worker's method runs for. */
export interface WorkerCall {
  /** Aborted when the caller gave up or the deadline passed. A call that goes on has its worker replaced after a grace. */
  readonly signal: AbortSignal;
  /**
   * Whether the call was cancelled. In a thread it changes while the method runs, so that a loop without an `await` may ask
   * each time round; elsewhere it says what `signal` says, which changes between turns of the event loop only.
   */
  readonly cancelled: boolean;
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

/**
 * A live connection this worker was handed: what `this.reactor.attach` takes, with the limits and timeouts its server was
 * given. `socket`: it is here, and no other process has it. `relay`: it stayed with its owner, its bytes come and go.
 */
export type AdoptedSocket = Extract<DetachedSocket, { kind: 'socket' | 'relay' }> &
  ConnectionOptions & {
    readonly local: Address;
    readonly remote: Address;
    readonly side: 'server';
  };

/** What the runtime lends a worker. */
export interface WorkerSurroundings {
  readonly name: string;
  readonly key: string | undefined;
  readonly index: number;
  currentCall(): WorkerCall;
  sendData(value: unknown): boolean;
  reactor(): Reactor;
  workers(): WorkerProxies;
  ask(worker: string, data: unknown, options: AskOptions): Promise<unknown>;
  setCell(cell: CellName, value: unknown): void;
}

/**
 * Slow or dangerous work, apart from the reactor: extend it in a file of the worker folder, one class a file.
 *
 * Public methods are its API; they may be async. A method whose name begins with `_` or `$` is not offered. `Status` and `Result` are
 * the types of the two cells.
 */
export class Worker<Status = unknown, Result = unknown> {
  /** Pool size, transport, limits: see `workerRows`. */
  static readonly config: WorkerConfig = {};
  /** Its name; the file's name where not given. */
  static readonly workerName: string | undefined = undefined;
  #surroundings: WorkerSurroundings | undefined;
  #status: Status | undefined;
  #result: Result | undefined;

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
   * The other workers, by the same typed proxies the master has: `this.workers.store.save(row)`. A call made while a method runs
   * has that method's deadline at most, and is cancelled with it. @throws PacketError `ERR_PACKET_STATE` in the constructor.
   */
  get workers(): WorkerProxies {
    return this.#attached('workers').workers();
  }

  /**
   * Asks another worker's `receiveData`; resolves with its last answer.
   * @throws PacketError `ERR_PACKET_OPTION`, or `ERR_PACKET_STATE` in the constructor; what becomes of the call rejects.
   */
  askWorker(worker: string, data: unknown, options: AskOptions = {}): Promise<unknown> {
    return this.#attached('askWorker').ask(worker, data, options);
  }

  /** How it is doing, for whoever watches it: `workers.name.$status`. Of values set in quick succession only the last travels. */
  get status(): Status | undefined {
    return this.#status;
  }

  /** @throws PacketError `ERR_PACKET_NOT_ENCODABLE`, or `ERR_PACKET_STATE` in the constructor; the cell keeps its value. */
  set status(value: Status) {
    this.#attached('status').setCell('status', value);
    this.#status = value;
  }

  /** What it has found so far; otherwise as {@link Worker.status}. */
  get result(): Result | undefined {
    return this.#result;
  }

  /** @throws PacketError as {@link Worker.status}. */
  set result(value: Result) {
    this.#attached('result').setCell('result', value);
    this.#result = value;
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

  /**
   * Takes over a live connection that a server, or `$adopt`, handed to this worker; not a byte of it was read, or what was read comes
   * first. Typically `this.reactor.attach(socket, MyConnection)`. It is attached when this returns, or when the promise it returns settles; what
   * it throws, or leaves unattended, closes the connection.
   */
  adopted(_socket: AdoptedSocket): void | Promise<void> {
    throw new PacketError('ERR_PACKET_WORKER_METHOD', 'this worker has no adopted(), so it takes no connections');
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
