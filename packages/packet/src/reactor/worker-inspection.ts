import type { CallEnd } from '../events.ts';
import type { WorkerPoolStats } from './worker-service.ts';

/** Times of calls, in milliseconds with fractions; told to within 3 %, the longest exactly. */
export interface CallTimes {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Times of the calls to one method, since they are recorded. */
export interface MethodInspection {
  /** `receiveData` for `askWorker`. */
  readonly method: string;
  /** From the call until an instance was given it, or until it settled without. */
  readonly queue: CallTimes;
  /** From then until it settled; calls that no instance was given are not among them. */
  readonly run: CallTimes;
  /** From the call until it settled. */
  readonly total: CallTimes;
}

/** A call that an instance has now. */
export interface CallInspection {
  readonly call: number;
  readonly method: string;
  /** Milliseconds since the call was made. */
  readonly ageMs: number;
  /** Milliseconds since the instance was given it. */
  readonly runMs: number;
  /** Milliseconds until its deadline; undefined without one. */
  readonly deadlineInMs: number | undefined;
  /** Its caller waits no more; it goes on in the worker. */
  readonly settled: boolean;
}

/**
 * What an instance is at: `booting`, `ready`, `ending` (it finishes its calls), `waiting` for its restart, or `parked`: given up
 * until it is started again.
 */
export type InstanceState = 'booting' | 'ready' | 'ending' | 'waiting' | 'parked';

/** One place of a pool, and the instance in it. */
export interface InstanceInspection {
  /** Place in the pool, from 0. */
  readonly index: number;
  readonly state: InstanceState;
  /** Process id where it has one. */
  readonly pid: number | undefined;
  /** Thread id where it is a thread. */
  readonly threadId: number | undefined;
  /** Milliseconds since it was started; undefined where nothing runs. */
  readonly uptimeMs: number | undefined;
  /** Instances of this place before it. */
  readonly restarts: number;
  /** Calls it has now. */
  readonly running: number;
  /** The oldest of them, 32 at most. */
  readonly calls: readonly CallInspection[];
  /** Calls it has let go of, whichever way they settled. */
  readonly done: number;
  /** Functions its calls were given that it may still call. */
  readonly leasedCallbacks: number;
  /** Bytes on their way to it. */
  readonly pendingBytes: number;
  /** Whether its event loop turned when it was asked just now: one that is blocked, or not ready, does not answer. */
  readonly responsive: boolean;
  /** Memory of its process, in bytes; undefined where it has none, or never answered. */
  readonly rssBytes: number | undefined;
  /** JavaScript heap in use, in bytes. */
  readonly heapBytes: number | undefined;
  /** Share of the time its event loop was busy since it was last asked, 0 to 1. */
  readonly loopUtilization: number | undefined;
  /** Why it is parked, or what the last one died of. */
  readonly error: string | undefined;
}

/** One worker or keyed instance. */
export interface PoolInspection extends WorkerPoolStats {
  readonly transport: string;
  /** Calls settled, by how. */
  readonly ends: Readonly<Record<CallEnd, number>>;
  /** By place; those on their way out, whose place has been given away, come last. */
  readonly instances: readonly InstanceInspection[];
  /** The most called first; empty where times are not recorded. */
  readonly methods: readonly MethodInspection[];
}

/** All workers of a reactor at one moment: plain data that can be printed, sent and kept. */
export interface WorkersInspection {
  /** Calls not settled. */
  readonly unsettled: number;
  readonly pools: readonly PoolInspection[];
}
