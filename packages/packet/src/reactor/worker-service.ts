import type { PacketError } from '../errors.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { WorkersInspection } from './worker-inspection.ts';

/** Options of one ask. */
export interface AskOptions {
  /** Longest time until the answer, in milliseconds, queueing included. */
  readonly deadlineMs?: number;
  /** Which keyed instance of the worker to ask. */
  readonly key?: string;
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
  /** Answers dropped because the connection that asked was gone. */
  readonly lateOriginGone: number;
  /** Answers dropped because the call had settled otherwise. */
  readonly lateSettled: number;
  /** Functions and signals lent to its instances, as arguments of calls that run and kept ones. */
  readonly leased: number;
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
  /** The origin is gone: its pending calls are cancelled, late answers dropped and counted. */
  originClosed(origin: AskOrigin): void;
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
