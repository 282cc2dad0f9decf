import type { Socket } from 'node:net';
import type { PacketError } from '../errors.ts';
import type { HandOffWay } from '../events.ts';
import type { Address, SecureSink, Transport } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { DeferOptions } from './deferring.ts';
import type { WorkersInspection } from './worker-inspection.ts';

export type { HandOffWay } from '../events.ts';

/** Options of one ask. */
export interface AskOptions {
  /** Longest time until the answer, in milliseconds, queueing included. */
  readonly deadlineMs?: number;
  /** Which keyed instance of the worker to ask. */
  readonly key?: string;
  /** What the worker's picker chooses the instance by: with `picker: 'key'` always the same for the same `pickKey`. */
  readonly pickKey?: string;
}

/** One question to a worker: what `askWorker` returns and `workerReceive` gets with each answer. */
export interface Ask {
  readonly id: number;
  /** The worker's name. */
  readonly worker: string;
  /** Stops waiting: `workerFailed` follows with `ERR_PACKET_CANCELLED`, unless the ask has settled. */
  cancel(): void;
}

/** Who asks, as the worker area sees it: a connection. */
export interface AskOrigin {
  /** Never reused within its reactor. */
  readonly id: number;
  /** A call for this origin began: an ask, or a call through a typed proxy bound to it. */
  callBegan(): void;
  /** That call settled, whichever way; comes once per call, after its answer or its promise's callbacks ran. */
  callSettled(): void;
  /** One answer; `last` when the ask is settled by it. */
  answered(value: unknown, ask: Ask, last: boolean): void;
  /** The ask is settled without an answer. */
  failed(error: PacketError, ask: Ask): void;
}

/** A live connection about to be handed to a worker, of which nothing was read. Its socket goes, or one method is called, once. */
export interface LiveConnection {
  readonly local: Address;
  readonly remote: Address;
  /** The unread socket, where it may leave this process. */
  readonly socket: Socket | undefined;
  /** Limits and timeouts for the worker's connection: plain data. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Another object is its unread socket now, which could not be sent. */
  cameBack(socket: Socket): void;
  open(sink: SecureSink): Transport;
  refuse(): void;
}

/** Where a hand-off reports: `taken` then `gone`, or `failed`; each once, never from inside `adopt`. */
export interface HandOffSink {
  taken(way: HandOffWay): void;
  /** No worker has it. With `kept` nothing was done to the connection, and it is the caller's; else it is closed. */
  failed(error: PacketError, kept: boolean): void;
  /** The connection is closed. */
  gone(): void;
}

/** One connection handed over, or waiting to be. */
export interface HandOff {
  /** Closes it, wherever it is; `gone` or `failed` follows. One that still waits is its owner's again, to be closed. */
  cut(): void;
}

/** Figures of connections handed to workers. All but `open` and `waiting` only grow. */
export interface HandOffStats {
  /**
   * Connections workers took, by the way they came. `transfer`: the socket moved. `relay`: it stayed with its owner and its
   * bytes travel. The other two ways are not gone by this version.
   */
  readonly transfer: number;
  readonly 'reuse-port': number;
  readonly relay: number;
  readonly native: number;
  /** Those of them that are open now. */
  readonly open: number;
  /** Waiting for an instance, or on their way to it. */
  readonly waiting: number;
  /** Closed because their worker ended: on their way, or while it served them. */
  readonly lost: number;
  /** Closed because the worker would not have them: `adopted` threw, or did not attach them. */
  readonly refused: number;
}

/** Figures of one worker or keyed instance. */
export interface WorkerPoolStats {
  readonly worker: string;
  readonly key: string | undefined;
  readonly ready: number;
  readonly booting: number;
  /** Instances waiting for their restart. */
  readonly waiting: number;
  readonly parked: number;
  /** Calls waiting for an instance. */
  readonly queued: number;
  /** Estimated, of the calls that wait. */
  readonly queuedBytes: number;
  /** Calls not settled, those that wait included. */
  readonly unsettled: number;
  /** 0 without work, 0.5 when every instance has all the calls it takes, 1 when the mailbox is full. */
  readonly pressure: number;
  /** Instances replaced because of `maxCalls`, `maxAgeMs` or `maxRssBytes`. */
  readonly recycled: number;
  /** Answers dropped because the connection that asked was gone. */
  readonly lateOriginGone: number;
  /** Answers dropped because the call had settled otherwise. */
  readonly lateSettled: number;
  /** Functions and signals lent to its instances, as arguments of calls that run and kept ones. */
  readonly leased: number;
  /** Connections handed to it. */
  readonly handOff: HandOffStats;
}

/** Figures of all workers of a reactor. */
export interface WorkersStats {
  /** Calls not settled. */
  readonly unsettled: number;
  /** By worker and key. */
  readonly pools: readonly WorkerPoolStats[];
}

/** What the reactor needs from the worker area, so that the reactor does not import it. */
export interface WorkerService {
  /** Calls settle through `origin`, exactly once each, never from inside this method. */
  ask(origin: AskOrigin, worker: string, data: unknown, options: AskOptions): Ask;
  /** Typed proxies by worker name; bound to `origin` when given: its calls are cancelled with it. */
  proxies(origin?: AskOrigin): WorkerProxies;
  /** Runs an exported function of a module in a place of its own. */
  defer(module: URL, name: string, args: readonly unknown[], options: DeferOptions): Promise<unknown>;
  /** The origin is gone: its pending calls are cancelled, late answers dropped and counted. */
  originClosed(origin: AskOrigin): void;
  /**
   * Hands a live connection to an instance of a worker, or lets it wait for one.
   * @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`, `ERR_PACKET_WORKER_METHOD` for a worker without `adopted`,
   * `ERR_PACKET_WORKER_PARKED`, `ERR_PACKET_STOPPED`, or `ERR_PACKET_OVERLOADED` when too many wait; the connection is the
   * caller's still.
   */
  adopt(worker: string, key: string | undefined, live: LiveConnection, sink: HandOffSink): HandOff;
  /** @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`, or `ERR_PACKET_WORKER_METHOD` for a worker without `adopted`. */
  checkAdopts(worker: string): void;
  /** Starts a worker that does not start by itself, or a keyed instance. */
  start(worker: string, options: { readonly key?: string; readonly options?: unknown }): Promise<void>;
  /** Drains and ends it. */
  stop(worker: string, key?: string): Promise<void>;
  /** Figures of now. */
  stats(): WorkersStats;
  /** All there is to know of now; asks the instances, and waits a moment for those that do not answer. */
  inspect(): Promise<WorkersInspection>;
  /** Records the times of all calls from now on. */
  recordTimes(): void;
  /** Drains and ends all. Resolves when every worker process is gone. */
  close(graceMs: number): Promise<void>;
}
