import type { Clock } from '../clock.ts';
import { Deadlines, type Waiting } from '../deadlines.ts';
import { PacketError } from '../errors.ts';
import { publish } from '../events.ts';
import type { Ask } from '../reactor/index.ts';
import { whenAborted } from './abort-watch.ts';
import { callName, cancelledError, deadlineError } from './call-errors.ts';
import type { CarriedContext } from './carried.ts';
import type { Instance } from './instance.ts';
import type { Mailbox } from './mailbox.ts';
import type { OriginCalls, Origins } from './origins.ts';
import type { CallTargetName } from './protocol.ts';
import type { WorkerRequest } from './worker-proxy.ts';

/** The method name of `askWorker`: the data goes to the worker's `receiveData`. No method can have it. */
export const RECEIVE_DATA = '';

const NO_ARGUMENTS: readonly unknown[] = [];
const PARENT_OVER = 'the call it was made for is over';

/** Who a call is made to: the worker, or its keyed instance. */
export interface CallHolder {
  readonly worker: string;
  readonly key: string | undefined;
  /** The call has settled by deadline or cancel: take it out of the queue, or tell the instance that runs it. */
  letGo(call: Call): void;
  /** An answer for a call that had already settled. */
  late(call: Call): void;
  /** A call to it began. */
  begun(call: Call): void;
  /** That call has settled: by an answer, or by `error`; its caller does not know yet. */
  settled(call: Call, error: PacketError | undefined): void;
  /** What the caller gets for `value`. */
  replied(call: Call, value: unknown): unknown;
}

/**
 * A call as the master sees it. It settles exactly once, whatever happens around it.
 *
 *   WAITING ──sent to an instance──> SENT ──answer, loss, deadline, cancel──> settled
 *      └────────── deadline, cancel, refusal ─────────────────────────────────> settled
 *
 * One that settled while SENT goes on in the worker: it keeps its place there until the worker let go of it.
 */
export abstract class Call implements Waiting {
  /** Never reused; also the stream of its frames on whichever lane it is sent. */
  readonly id: number;
  readonly holder: CallHolder;
  /** {@link RECEIVE_DATA} for an ask. */
  readonly method: string;
  /** Released when the call has settled. */
  args: readonly unknown[];
  readonly origin: OriginCalls | undefined;
  /** Clock time of the call. */
  readonly begunAt: number;
  /** Clock time; infinite without a deadline. */
  readonly deadlineAt: number;
  settled = false;
  /** What its caller's code ran in, where something of it is carried along. */
  context: CarriedContext | undefined;
  /** What its proxy sees of it, where the proxy wants to see it. */
  request: WorkerRequest | undefined;
  /** The instance it was sent to. */
  instance: Instance | undefined;
  /** Clock time when it was sent. */
  sentAt = 0;
  /** The worker has seen the cancel, so its loop is not blocked. */
  cancelSeen = false;
  dueAt: number;
  heapIndex = -1;
  /** Its arguments are a copy, taken when the call was made. */
  held = false;
  /** The call whose worker made this one. */
  readonly parent: Call | undefined;
  /** Unsettled calls that its worker has made for it. */
  children: Set<Call> | undefined;
  /** What a picker chooses the instance by. */
  pickKey: string | undefined;
  /** The one instance it is for: part of a broadcast. */
  only: Instance | undefined;
  // Its place in a mailbox.
  mailbox: Mailbox | undefined;
  queuedBytes = 0;
  previous: Call | undefined;
  next: Call | undefined;

  constructor(
    id: number,
    holder: CallHolder,
    method: string,
    args: readonly unknown[],
    origin: OriginCalls | undefined,
    begunAt: number,
    deadlineMs: number,
    parent?: Call,
  ) {
    this.id = id;
    this.holder = holder;
    this.method = method;
    this.args = args;
    this.origin = origin;
    this.begunAt = begunAt;
    const own = deadlineMs === 0 ? Number.POSITIVE_INFINITY : begunAt + deadlineMs;
    this.deadlineAt = parent === undefined ? own : Math.min(own, parent.deadlineAt);
    this.dueAt = this.deadlineAt;
    this.parent = parent;
  }

  /** Whether the settlement can run the caller's code at once; else it ran when this turn of the loop is over. */
  abstract readonly settlesAtOnce: boolean;
  /** One answer; `last` when it settles the call. */
  abstract answered(value: unknown, last: boolean): void;
  abstract failed(error: PacketError): void;

  /** Lets go of what only an unsettled call needs. */
  release(): void {
    this.args = NO_ARGUMENTS;
  }
}

/** A call through a typed proxy. */
export class PromiseCall extends Call {
  readonly settlesAtOnce = false;
  resolve: (value: unknown) => void = unset;
  reject: (error: PacketError) => void = unset;
  #unlisten: (() => void) | undefined;

  /** Calls `abort` when `signal` fires before the call settles. */
  listen(signal: AbortSignal, abort: () => void): void {
    this.#unlisten = whenAborted(signal, abort);
  }

  answered(value: unknown, last: boolean): void {
    // Answers before the last one are for asks; a method has one result.
    if (last) this.resolve(value);
  }

  failed(error: PacketError): void {
    this.reject(error);
  }

  override release(): void {
    super.release();
    this.#unlisten?.();
  }
}

function unset(): void {}

/** A call of `askWorker`. */
export class AskCall extends Call {
  readonly settlesAtOnce = true;
  /** What the connection gets to see of it. */
  ask: Ask = NO_ASK;

  answered(value: unknown, last: boolean): void {
    if (this.context === undefined) this.origin?.answered(value, this.ask, last);
    else this.context.reenter(() => this.origin?.answered(value, this.ask, last));
  }

  failed(error: PacketError): void {
    if (this.context === undefined) this.origin?.failed(error, this.ask);
    else this.context.reenter(() => this.origin?.failed(error, this.ask));
  }
}

/** How the worker that made a call hears of its end. */
export interface NestedCaller {
  answered(value: unknown): void;
  failed(error: PacketError): void;
}

/** A call of one worker to another. */
export class NestedCall extends Call {
  readonly settlesAtOnce = true;
  /** Who made it. */
  caller: NestedCaller | undefined;

  answered(value: unknown, last: boolean): void {
    if (last) this.caller?.answered(value);
  }

  failed(error: PacketError): void {
    this.caller?.failed(error);
  }
}

/** A part of a call, made by the proxy that has the call. */
export class PartCall extends NestedCall {}

/** What a worker wants of another. */
export interface NestedRequest extends NestedCaller {
  readonly target: CallTargetName;
  readonly args: readonly unknown[];
  readonly parent: Call | undefined;
  /** Its own deadline; `undefined` for that of the worker it calls. */
  readonly deadlineMs: number | undefined;
  /** What the worker's code ran in, where something of that is carried. */
  readonly carried: CarriedContext['values'] | undefined;
}

const NO_ASK: Ask = { id: 0, worker: '', cancel: unset };

/** All unsettled calls of one master: who settles them, and when they are due. */
export class CallTable {
  readonly clock: Clock;
  readonly #origins: Origins;
  readonly #onError: (error: unknown, where: string) => void;
  readonly #deadlines: Deadlines<Call>;
  #lastId = 0;
  #unsettled = 0;
  /**
   * Makes a worker's call to another.
   * @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`, `ERR_PACKET_CALL_CYCLE` and the like; there is no call then.
   */
  route: (request: NestedRequest) => Call = unrouted;

  constructor(clock: Clock, origins: Origins, onError: (error: unknown, where: string) => void) {
    this.clock = clock;
    this.#origins = origins;
    this.#onError = onError;
    this.#deadlines = new Deadlines(clock, (call) => this.#due(call));
  }

  /** Calls begun and not settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  /** Takes a new call in: from now on it will settle. */
  begin(call: Call): void {
    this.#unsettled++;
    call.holder.begun(call);
    if (call.origin !== undefined) this.#origins.begin(call.origin, call);
    if (call.parent !== undefined) {
      call.parent.children ??= new Set();
      call.parent.children.add(call);
    }
    if (call.deadlineAt !== Number.POSITIVE_INFINITY) this.#deadlines.add(call);
  }

  /** One answer before the last. */
  answer(call: Call, value: unknown): void {
    if (call.settled) call.holder.late(call);
    else this.#deliver(call, value, false);
  }

  /** The worker's last answer. */
  result(call: Call, value: unknown): void {
    if (!this.#settle(call, undefined)) {
      this.#deadlines.remove(call);
      call.holder.late(call);
      return;
    }
    this.#deliver(call, value, true);
    this.#ended(call);
  }

  /** The worker's error, or what befell it. */
  fail(call: Call, error: PacketError): void {
    if (this.#settle(call, error)) this.#deliverFailure(call, error);
  }

  /** As {@link CallTable.fail}, but never before the caller's own code has returned. */
  refuse(call: Call, error: PacketError): void {
    queueMicrotask(() => this.fail(call, error));
  }

  /** The caller gives up, or time does: the call settles with `error`, and the worker is told if it has it. */
  drop(call: Call, error: PacketError): void {
    if (!this.#settle(call, error)) return;
    call.holder.letGo(call);
    // What the worker has others do for a call is of no use without it.
    for (const child of [...(call.children ?? [])]) this.drop(child, cancelledError(child, PARENT_OVER, error));
    this.#deliverFailure(call, error);
  }

  /** A call has settled: nobody waits for its parts. */
  dropParts(call: Call, why: PacketError | undefined): void {
    for (const child of [...(call.children ?? [])]) {
      if (child instanceof PartCall) this.drop(child, cancelledError(child, PARENT_OVER, why));
    }
  }

  /** A settled call goes on in the worker: its instance hears when that has lasted `graceMs`. */
  awaitRelease(call: Call, graceMs: number): void {
    call.dueAt = this.clock.now() + graceMs;
    this.#deadlines.add(call);
  }

  /** The worker, or its end, let go of a call that had settled. */
  released(call: Call): void {
    this.#deadlines.remove(call);
  }

  #due(call: Call): void {
    if (call.settled) call.instance?.graceOver(call);
    else this.drop(call, deadlineError(call, this.clock.now()));
  }

  #settle(call: Call, error: PacketError | undefined): boolean {
    if (call.settled) return false;
    call.settled = true;
    this.#unsettled--;
    this.#deadlines.remove(call);
    call.parent?.children?.delete(call);
    call.holder.settled(call, error);
    return true;
  }

  #deliverFailure(call: Call, error: PacketError): void {
    this.#tellFailure(call, error);
    this.#ended(call);
  }

  #tellFailure(call: Call, error: PacketError): void {
    try {
      call.failed(error);
    } catch (thrown) {
      this.#onError(thrown, 'workerFailed');
    }
  }

  #deliver(call: Call, value: unknown, last: boolean): void {
    let told: unknown;
    try {
      told = call.holder.replied(call, value);
    } catch (error) {
      this.#hookFailed(call, error, last);
      return;
    }
    try {
      call.answered(told, last);
    } catch (error) {
      this.#onError(error, 'workerReceive');
    }
  }

  #hookFailed(call: Call, cause: unknown, last: boolean): void {
    const error = new PacketError('ERR_PACKET_CALLBACK', `${callName(call)}: the proxy's reply hook threw`, { cause });
    if (!last) this.#onError(error, `proxy of worker ${call.holder.worker}, reply`);
    else this.#tellFailure(call, error);
  }

  #ended(call: Call): void {
    call.release();
    if (call.origin !== undefined) this.#origins.end(call.origin, call, call.settlesAtOnce);
  }
}

function unrouted(): never {
  throw new PacketError('ERR_PACKET_STATE', 'nothing routes calls between workers');
}

/** Counts answers that came for calls already settled. */
export class LateReplies {
  readonly #worker: string;
  originGone = 0;
  settled = 0;

  constructor(worker: string) {
    this.#worker = worker;
  }

  count(call: Call): void {
    const kind = call.origin?.closed === true ? 'origin-gone' : 'settled';
    if (kind === 'origin-gone') this.originGone++;
    else this.settled++;
    publish('packet:worker.late', () => ({ worker: this.#worker, kind, count: 1 }));
  }
}
