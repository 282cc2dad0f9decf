import type { Clock } from '../clock.ts';
import type { PacketError } from '../errors.ts';
import { type CallEnd, type CallFacts, observation, publish, type WorkerFacts } from '../events.ts';
import type { MethodInspection } from '../reactor/index.ts';
import type { Call } from './calls.ts';
import { traceparentOf } from './carried.ts';
import { DEFER, deferredOf } from './deferrals.ts';
import { Histogram } from './histogram.ts';
import { serviceRows } from './worker-options.ts';

/** Whether calls are timed, for all workers of one service. */
export interface Timing {
  on: boolean;
}

/** What the watch of one worker is made from. */
export interface CallWatchPlan {
  readonly worker: string;
  readonly key: string | undefined;
  readonly clock: Clock;
  /** Its class asks for it. */
  readonly timed: boolean;
  /** Somebody asks for it for all workers. */
  readonly timing: Timing;
}

interface MethodTimes {
  readonly queue: Histogram;
  readonly run: Histogram;
  readonly total: Histogram;
}

const started = observation('packet:call.started');
const settled = observation('packet:call.settled');
/** Stands for methods beyond `timedMethods`. */
const OTHERS = '(others)';

/** Counts how the calls of one worker settle, times them where asked to, and tells who listens. */
export class CallWatch {
  readonly #plan: CallWatchPlan;
  readonly #ends: Record<CallEnd, number> = {
    answered: 0,
    failed: 0,
    lost: 0,
    deadline: 0,
    cancelled: 0,
    overloaded: 0,
    refused: 0,
  };
  readonly #times = new Map<string, MethodTimes>();

  constructor(plan: CallWatchPlan) {
    this.#plan = plan;
  }

  /** A call was given to an instance. */
  started(call: Call, instance: WorkerFacts): void {
    if (!started.hasSubscribers) return;
    publish('packet:call.started', () => ({
      ...instance,
      ...factsOf(call),
      queueMs: call.sentAt - call.begunAt,
    }));
  }

  settled(call: Call, error: PacketError | undefined): void {
    const end = endOf(error);
    this.#ends[end]++;
    const timed = this.#plan.timed || this.#plan.timing.on;
    if (!timed && !settled.hasSubscribers) return;
    const now = this.#plan.clock.now();
    // Without an instance it never ran, and waited all the time.
    const sentAt = call.instance === undefined ? undefined : call.sentAt;
    const queueMs = (sentAt ?? now) - call.begunAt;
    const runMs = sentAt === undefined ? undefined : now - sentAt;
    if (timed) this.#record(call.method, queueMs, runMs);
    if (!settled.hasSubscribers) return;
    const { worker, key } = this.#plan;
    const index = call.instance?.facts.index;
    publish('packet:call.settled', () => ({
      worker,
      key,
      index,
      pid: call.instance?.facts.pid,
      ...factsOf(call),
      end,
      queueMs,
      runMs,
      error,
    }));
  }

  /** How calls have settled so far. */
  ends(): Readonly<Record<CallEnd, number>> {
    return { ...this.#ends };
  }

  /** Times by method, the most called first; empty where nobody asked for them. */
  methods(): readonly MethodInspection[] {
    const methods = [...this.#times].map(([method, { queue, run, total }]) => {
      return { method: nameOf(method), queue: queue.summary(), run: run.summary(), total: total.summary() };
    });
    return methods.sort((a, b) => b.total.count - a.total.count);
  }

  #record(method: string, queueMs: number, runMs: number | undefined): void {
    const times = this.#times.get(method) ?? this.#newTimes(method);
    times.queue.record(queueMs);
    times.total.record(queueMs + (runMs ?? 0));
    if (runMs !== undefined) times.run.record(runMs);
  }

  #newTimes(method: string): MethodTimes {
    const name = this.#times.size < serviceRows.timedMethods.fallback ? method : OTHERS;
    const known = this.#times.get(name);
    if (known !== undefined) return known;
    const times = { queue: new Histogram(), run: new Histogram(), total: new Histogram() };
    this.#times.set(name, times);
    return times;
  }
}

function nameOf(method: string): string {
  return method === '' ? 'receiveData' : method;
}

function factsOf(call: Call): CallFacts {
  const traceparent = traceparentOf(call.context);
  if (call.holder.worker !== DEFER)
    return { call: call.id, method: nameOf(call.method), module: undefined, traceparent };
  const { name, module } = deferredOf(call.args);
  return { call: call.id, method: name, module, traceparent };
}

function endOf(error: PacketError | undefined): CallEnd {
  switch (error?.code) {
    case undefined:
      return 'answered';
    case 'ERR_PACKET_WORKER_REMOTE':
      return 'failed';
    case 'ERR_PACKET_WORKER_LOST':
      return 'lost';
    case 'ERR_PACKET_DEADLINE':
      return 'deadline';
    case 'ERR_PACKET_CANCELLED':
      return 'cancelled';
    case 'ERR_PACKET_OVERLOADED':
      return 'overloaded';
    default:
      return 'refused';
  }
}
