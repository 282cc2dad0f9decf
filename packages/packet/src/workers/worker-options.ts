import type { ResourceLimits } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import { type Given, optionError, type Resolved, resolveOptions } from '../options.ts';
import type { SyntaxPlace } from './syntax-place.ts';

/** Options of one worker class: its `static config`. The rows are the only home of defaults and bounds. */
export const workerRows = {
  /** Instances that share the worker's calls: how many there are, or with `poolMin` the most there may be. */
  pool: { kind: 'number', fallback: 1, min: 1, max: 256, unit: 'workers' },
  /** Instances that are always up. More, up to `pool`, are started one by one while calls wait. 0: as many as `pool`. */
  poolMin: { kind: 'number', fallback: 0, min: 1, max: 256, unit: 'workers', off: 0 },
  /** An instance above `poolMin` that had nothing to do for so long is ended. */
  poolIdleMs: { kind: 'number', fallback: 30_000, min: 1, max: 86_400_000, unit: 'ms' },
  /**
   * Which instance gets a call. `least-loaded`: of those that can take one more, that with the fewest. `round-robin`: each in
   * turn. `key`: for each `pickKey` always the same, as long as it is up. A proxy with `pick` decides before any of these.
   */
  picker: { kind: 'choice', fallback: 'least-loaded', choices: ['least-loaded', 'round-robin', 'key'] },
  /**
   * Where instances run: a process each; a thread each, which starts faster and can be given memory, and can take the whole
   * process with it; or inside the master (for tests: nothing isolates them there).
   */
  transport: { kind: 'choice', fallback: 'process', choices: ['process', 'thread', 'inline'] },
  /** Whether it starts with the application. */
  autoLoad: { kind: 'boolean', fallback: true },
  /**
   * Calls one instance is given at a time. With 1 a crash or an endless loop costs only the call that caused it; more is for
   * methods that await, or that are short and many. All of them are handed to the process at once: those it has not begun
   * when it dies are lost as well, as nobody can tell any more; `details.started` then means handed over.
   */
  concurrency: { kind: 'number', fallback: 1, min: 1, max: 65_536, unit: 'calls' },
  /** Longest time until a call settles, queueing included, where the call sets none. */
  deadlineMs: { kind: 'number', fallback: 30_000, min: 1, max: 86_400_000, unit: 'ms', off: 0 },
  /** Calls that may wait for an instance. */
  mailbox: { kind: 'number', fallback: 10_000, min: 1, max: 10_000_000, unit: 'calls' },
  /** Estimated bytes of the calls that may wait, plus one call of any size. */
  mailboxBytes: { kind: 'number', fallback: 67_108_864, min: 1, max: 1_099_511_627_776, unit: 'bytes' },
  /** Functions and signals lent to one instance at a time, as arguments of its calls; and as many that it lends itself. */
  leases: { kind: 'number', fallback: 1024, min: 0, max: 1_000_000, unit: 'count' },
  /** Connections handed to one instance that it has not taken yet; more wait. */
  handlesInFlight: { kind: 'number', fallback: 64, min: 1, max: 65_536, unit: 'connections' },
  /** Whether sockets that can be moved to its instances are; otherwise the bytes of all connections travel. */
  moveSockets: { kind: 'boolean', fallback: true },
  /** Connections that may wait for an instance, unread; more are refused. */
  handlesWaiting: { kind: 'number', fallback: 1024, min: 0, max: 1_000_000, unit: 'connections' },
  /**
   * What becomes of a call that finds the mailbox full. `reject`: it fails. `drop-oldest`: the call that waits longest fails
   * in its place. `wait`: one call of each connection waits all the same, and the rest fail. Who awaits `$room()` first never fails.
   */
  mailboxPolicy: { kind: 'choice', fallback: 'reject', choices: ['reject', 'wait', 'drop-oldest'] },
  /** Longest time from start to readiness, `workerInit` included. */
  bootDeadlineMs: { kind: 'number', fallback: 10_000, min: 1, max: 600_000, unit: 'ms' },
  /** How long a cancelled call may go on before its instance is replaced. */
  cancelGraceMs: { kind: 'number', fallback: 500, min: 1, max: 600_000, unit: 'ms' },
  /** How long `stopWorker` lets calls finish. */
  drainMs: { kind: 'number', fallback: 5_000, min: 0, max: 86_400_000, unit: 'ms' },
  /** Pause before the second restart in a row; it doubles with each further one. The first restart is immediate. */
  restartBaseMs: { kind: 'number', fallback: 100, min: 1, max: 600_000, unit: 'ms' },
  /** Longest pause before a restart. */
  restartMaxMs: { kind: 'number', fallback: 10_000, min: 1, max: 86_400_000, unit: 'ms' },
  /** Restarts in a row that did no good before an instance is parked. */
  maxRestarts: { kind: 'number', fallback: 5, min: 0, max: 1000, unit: 'restarts' },
  /** Time an instance must live to count as healthy: the count of restarts begins anew. */
  healthyMs: { kind: 'number', fallback: 10_000, min: 1, max: 86_400_000, unit: 'ms' },
  /** Whether the times of its calls are recorded by method, for `inspectWorkers`. */
  timed: { kind: 'boolean', fallback: false },
  /**
   * Which instances are started again. `permanent`: all. `on-failure`: all but those that exit with code 0 and owe no answer.
   * `never`: none. One that is not started again is parked.
   */
  restart: { kind: 'choice', fallback: 'permanent', choices: ['permanent', 'on-failure', 'never'] },
  /**
   * Who is restarted with an instance that dies. `one-for-one`: nobody. `rest-for-one`: the later instances of its pool, and
   * the workers that come `after` it. `all`: its whole pool, and all workers joined with it by `after`.
   */
  strategy: { kind: 'choice', fallback: 'one-for-one', choices: ['one-for-one', 'rest-for-one', 'all'] },
  /**
   * An instance with calls or connections that gives no sign of life for so long is killed and replaced, after at most twice that time. Set it
   * higher, or off, where one method computes for minutes without ever awaiting.
   */
  livenessMs: { kind: 'number', fallback: 300_000, min: 10, max: 86_400_000, unit: 'ms', off: 0 },
  /** Calls after which an instance is replaced. */
  maxCalls: { kind: 'number', fallback: 0, min: 1, max: 1_000_000_000, unit: 'calls', off: 0 },
  /** Age at which an instance is replaced. */
  maxAgeMs: { kind: 'number', fallback: 0, min: 1, max: 2_592_000_000, unit: 'ms', off: 0 },
  /** Memory at which an instance is replaced: the resident set of a process, the heap of a thread. Not for `inline`. */
  maxRssBytes: { kind: 'number', fallback: 0, min: 1_048_576, max: 1_099_511_627_776, unit: 'bytes', off: 0 },
} as const;

/** Memory a thread may have; one that needs more ends with `ERR_WORKER_OUT_OF_MEMORY`. */
export const threadMemoryRows = {
  /** Heap of objects that stay. V8 decides where it is 0. */
  maxOldGenerationSizeMb: { kind: 'number', fallback: 0, min: 1, max: 1_048_576, unit: 'megabytes', off: 0 },
  /**
   * Heap of objects just made. V8 decides where it is 0, which is up to 48 MB: more survivors than a thread at its limit has room for, and
   * V8 then aborts the process instead of ending the thread.
   */
  maxYoungGenerationSizeMb: { kind: 'number', fallback: 8, min: 1, max: 65_536, unit: 'megabytes', off: 0 },
  /** Machine code. V8 decides where it is 0. */
  codeRangeSizeMb: { kind: 'number', fallback: 0, min: 1, max: 65_536, unit: 'megabytes', off: 0 },
  /** Stack, for deep recursion. */
  stackSizeMb: { kind: 'number', fallback: 4, min: 1, max: 1024, unit: 'megabytes' },
} as const;

/** What `resourceLimits` may say; bounds are in {@link threadMemoryRows}. */
export type ThreadMemory = Given<typeof threadMemoryRows>;

/** What a worker class may say in `static config`; defaults and bounds are in {@link workerRows}. */
export type WorkerConfig = Given<typeof workerRows> & {
  /**
   * Node's options for its processes, after those they inherit: `['--max-old-space-size=128']`. Threads take those of Node that a
   * thread may have of its own, and none of V8's. Not for `inline`.
   */
  readonly execArgv?: readonly string[] | undefined;
  /** Most memory of each of its threads, in megabytes, and what else Node's `resourceLimits` has. Only for `thread`. */
  readonly resourceLimits?: ThreadMemory | undefined;
  /** Workers of the folder that are to be ready before this one starts: see `strategy`. */
  readonly after?: string | readonly string[] | undefined;
};

/** A worker's options, defaults filled in. */
export type WorkerLimits = Resolved<typeof workerRows>;

/** A checked `static config`. */
export interface WorkerSettings {
  readonly limits: WorkerLimits;
  /** Node's options for its processes, beside those of all workers. */
  readonly execArgv: readonly string[];
  /** Memory of its threads, where it says anything. */
  readonly threadMemory: ResourceLimits | undefined;
  /** Workers that are ready before this one starts. */
  readonly after: readonly string[];
}

/** Numbers of the worker area that no class sets for itself. */
export const serviceRows = {
  /** Longest time for importing one worker file when the folder is read. */
  probeDeadlineMs: { kind: 'number', fallback: 10_000, min: 1, max: 600_000, unit: 'ms' },
  /** How much of the end of a worker's stderr is kept for error messages. */
  outputTailBytes: { kind: 'number', fallback: 4096, min: 0, max: 1_048_576, unit: 'bytes' },
  /** How long a worker whose master is gone may take in `unbind` before it exits. */
  orphanGraceMs: { kind: 'number', fallback: 500, min: 1, max: 900, unit: 'ms' },
  /** How often the thread that watches over a worker looks for its master, where there is such a thread. */
  orphanLookMs: { kind: 'number', fallback: 250, min: 10, max: 60_000, unit: 'ms' },
  /** From then until it kills the worker, should it still be there. Longer than `orphanGraceMs`, which is for `unbind`. */
  orphanKillMs: { kind: 'number', fallback: 650, min: 10, max: 60_000, unit: 'ms' },
  /** Longest message or stack of an error that crosses a lane; the rest is cut, visibly. */
  errorTextUnits: { kind: 'number', fallback: 16_384, min: 256, max: 1_048_576, unit: 'count' },
  /** Longest chain of causes that crosses a lane. */
  errorCauses: { kind: 'number', fallback: 8, min: 0, max: 64, unit: 'levels' },
  /** Errors of an AggregateError, and own fields of any error, that cross a lane. */
  errorParts: { kind: 'number', fallback: 16, min: 0, max: 1024, unit: 'count' },
  /** Cancels that came before their call, or after its answer, which a worker remembers. */
  cancelsKept: { kind: 'number', fallback: 1024, min: 1, max: 1_000_000, unit: 'calls' },
  /** How long a worker gathers what it has to say of its connections, while it has said something just before. */
  repliesGatherMs: { kind: 'number', fallback: 5, min: 1, max: 1000, unit: 'ms' },
  /** The part of `handlesInFlight` it may have taken without saying so: one in so many. */
  repliesGatherPart: { kind: 'number', fallback: 4, min: 1, max: 65_536, unit: 'count' },
  /** Calls of functions lent to it, and to other workers, that one side of a lane may have open. */
  openCalls: { kind: 'number', fallback: 10_000, min: 1, max: 1_000_000, unit: 'calls' },
  /** Calls in a chain of workers that call each other. */
  callDepth: { kind: 'number', fallback: 32, min: 1, max: 1000, unit: 'levels' },
  /** How long a worker that does not let its loop turn may go on until a cell it has set is sent all the same. */
  cellDelayMs: { kind: 'number', fallback: 50, min: 1, max: 10_000, unit: 'ms' },
  /** How often the memory of instances that work is looked at, where `maxRssBytes` is set. */
  memoryCheckMs: { kind: 'number', fallback: 1000, min: 10, max: 600_000, unit: 'ms' },
  /** Callers of one worker that may wait in `$room()`. */
  roomWaiters: { kind: 'number', fallback: 100_000, min: 1, max: 10_000_000, unit: 'count' },
  /** Past failures that a parked worker's error names. */
  failuresKept: { kind: 'number', fallback: 5, min: 1, max: 100, unit: 'count' },
  /** Output of one instance that waits to be written to its log; what is more is dropped, and said so in the log. */
  logPendingBytes: { kind: 'number', fallback: 1_048_576, min: 1, max: 1_073_741_824, unit: 'bytes' },
  /** Methods of one worker whose calls are timed apart; the rest are timed as one. */
  timedMethods: { kind: 'number', fallback: 256, min: 1, max: 65_536, unit: 'count' },
  /** Running calls of one instance that an inspection shows. */
  inspectedCalls: { kind: 'number', fallback: 32, min: 0, max: 65_536, unit: 'calls' },
  /** How long an inspection waits for instances to answer; those that are blocked do not. */
  inspectWaitMs: { kind: 'number', fallback: 200, min: 1, max: 60_000, unit: 'ms' },
} as const;

/**
 * Checks a class's `static config` and fills in defaults.
 * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` naming the file, the option, its bounds and the value.
 */
export function resolveWorkerConfig(worker: string, file: string, config: unknown): WorkerSettings {
  if (typeof config !== 'object' || config === null) {
    throw definitionError(file, `the static config of worker "${worker}" must be an object, got ${String(config)}`);
  }
  const owner = `worker "${worker}" config`;
  try {
    const execArgv: unknown = 'execArgv' in config ? (config.execArgv ?? []) : [];
    if (!isTextList(execArgv)) throw optionError(owner, 'execArgv', 'an array of strings', execArgv);
    const given: unknown = 'after' in config ? (config.after ?? []) : [];
    const after: unknown = typeof given === 'string' ? [given] : given;
    if (!isTextList(after)) throw optionError(owner, 'after', 'a name or an array of names', given);
    const limits = resolveOptions(owner, workerRows, config, ['execArgv', 'resourceLimits', 'after']);
    const { pool, poolMin } = limits;
    if (poolMin > pool) throw optionError(owner, 'poolMin', `at most ${pool} (the pool)`, poolMin);
    const memory: unknown = 'resourceLimits' in config ? config.resourceLimits : undefined;
    return { limits, execArgv, threadMemory: threadMemoryOf(owner, limits.transport, memory), after };
  } catch (error) {
    throw definitionError(file, error instanceof Error ? error.message : String(error), error);
  }
}

function threadMemoryOf(owner: string, transport: string, given: unknown): ResourceLimits | undefined {
  if (given === undefined) return undefined;
  if (transport !== 'thread') {
    throw optionError(owner, 'resourceLimits', `absent, as transport is "${transport}" and not "thread"`, given);
  }
  const resolved = resolveOptions(`${owner} resourceLimits`, threadMemoryRows, given as ThreadMemory);
  // What is 0 is V8's to decide, by not being there.
  return Object.fromEntries(Object.entries(resolved).filter(([, megabytes]) => megabytes > 0));
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** The error for a worker file that cannot be used: `file` names it, `reason` says why. */
export function definitionError(file: string, reason: string, cause?: unknown, place?: SyntaxPlace): PacketError {
  const init = { details: { file, reason, ...place } };
  const { source, line, column } = place ?? {};
  const where =
    source === undefined ? '' : ` (${[source, line, column].filter((part) => part !== undefined).join(':')})`;
  return new PacketError(
    'ERR_PACKET_WORKER_DEFINITION',
    `${file}: ${reason}${where}`,
    cause === undefined ? init : { ...init, cause },
  );
}
