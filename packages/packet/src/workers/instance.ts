import type { ClockTimer } from '../clock.ts';
import { messageOf, PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import { IdTable } from '../id-table.ts';
import type { CallInspection, InstanceInspection } from '../reactor/index.ts';
import type { WorkerLoss } from './call-errors.ts';
import { notDecodableError, remoteError } from './call-errors.ts';
import { type Call, type CallTable, RECEIVE_DATA } from './calls.ts';
import { decodeError, wireErrorOf } from './error-codec.ts';
import type { InstanceConnections } from './instance-connections.ts';
import type { Frame, LaneLoss, MasterLane } from './lane.ts';
import type { LeaseCount } from './lender.ts';
import type { ProcessLaneSink } from './process-lane.ts';
import { type BootOrder, type CallHead, type CellValue, WORKER_STREAMS } from './protocol.ts';
import { ReturnPath } from './return-path.ts';
import type { WorkerFigures } from './worker-figures.ts';
import type { LogFile } from './worker-logs.ts';
import { serviceRows, type WorkerLimits } from './worker-options.ts';
import { WorkerOutput } from './worker-output.ts';

/** Opens a place for one worker to run, whose lane reports to `sink`. */
export type OpenPlace = (sink: ProcessLaneSink) => MasterLane;

/** What is known of an instance that runs. */
export type LiveInspection = Omit<InstanceInspection, 'index' | 'restarts' | 'error'>;

/** Who has the instance: its supervisor. */
export interface InstanceOwner {
  /** It has said HELLO and takes calls. */
  ready(instance: Instance): void;
  /** It may take calls again, or more of them. */
  relieved(instance: Instance): void;
  /** It told how much memory it has. */
  measured(): void;
  /** A value the worker sent by itself. */
  unsolicited(instance: Instance, value: unknown): void;
  /** One of those did not arrive. */
  unreadable(instance: Instance, problem: PacketError): void;
  /** The worker set one of its cells. */
  cell(instance: Instance, value: CellValue): void;
  /** The worker gave a call back before it began it. */
  notStarted(call: Call): void;
  /** It takes no calls any more and its end has begun. */
  isolated(instance: Instance): void;
  /** It is gone; `calls` are those it had not settled. Last, once. */
  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void;
}

/**
 * One worker instance as its master sees it.
 *
 *   BOOTING ──HELLO──> READY ──drain, isolate──> ENDING ──lost──> GONE
 *      └─────── boot deadline, boot error, lost ────────────────────┘
 */
const BOOTING = 0;
const READY = 1;
const ENDING = 2;
const GONE = 3;

/** One worker instance: the calls it has, its readiness, and its end. */
export class Instance implements ProcessLaneSink {
  readonly facts: WorkerFacts;
  /** Clock time of its start. */
  readonly startedAt: number;
  /** Clock time of its readiness. */
  readyAt: number = Number.NaN;
  /** Calls it has settled in its life. */
  settledCalls = 0;
  /** The live connections it was handed; made with the first. */
  connections: InstanceConnections | undefined;
  /** It died, or was ended, for what it was given: a call that would not end, or that it did not survive. */
  blamedOnCall = false;
  /** Clock time when it last had work; kept only where pools shrink. */
  idleSince = 0;
  readonly #table: CallTable;
  readonly #owner: InstanceOwner;
  readonly #limits: WorkerLimits;
  readonly #lane: MasterLane;
  readonly #output: WorkerOutput;
  readonly #calls = new IdTable<Call>();
  readonly #returnPath: ReturnPath;
  #state = BOOTING;
  /** Above the lane's high-water mark. */
  #full = false;
  #draining = false;
  /** Clock time at which its grace ends. */
  #drainBy = 0;
  /** Replaced, though nothing is wrong with it: it ends when its calls have. */
  #retiring = false;
  /** Clock time at which it is to be gone all the same. */
  #retireBy = Number.POSITIVE_INFINITY;
  /** Clock time of a ping since which nothing was heard. */
  #pingedAt = Number.NaN;
  /** Its `settledCalls` when its memory was last asked for. */
  #measuredCalls = 0;
  #error: unknown;
  #figures: WorkerFigures | undefined;
  /** Who asked for its figures and waits. */
  #askedFigures: (() => void)[] = [];
  #timer: ClockTimer | undefined;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => undefined;

  /** @param leased Counts what is lent to it, along with what is lent to the others of its pool. */
  constructor(
    owner: InstanceOwner,
    table: CallTable,
    limits: WorkerLimits,
    open: OpenPlace,
    order: BootOrder,
    leased: LeaseCount,
    log: LogFile | undefined,
  ) {
    this.#output = new WorkerOutput(log);
    this.#owner = owner;
    this.#table = table;
    this.#limits = limits;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.startedAt = table.clock.now();
    const { worker, key, index } = order;
    this.#lane = open(this);
    this.facts = { worker, key, index, pid: this.#lane.pid };
    this.#returnPath = new ReturnPath({
      lane: this.#lane,
      table,
      facts: this.facts,
      most: limits.leases,
      leased,
      callOf: (stream) => this.#calls.get(stream),
    });
    this.#timer = table.clock.setTimer(limits.bootDeadlineMs, () => this.#bootTooLong());
    this.#lane.post({ type: 'HELLO', stream: 0, value: order });
  }

  /** Calls it has been given and has not let go of. */
  get load(): number {
    return this.#calls.size;
  }

  /** Whether it can be given a call now. */
  get free(): boolean {
    return this.#state === READY && !this.#full && this.#calls.size < this.#limits.concurrency;
  }

  /** Whether it is sent sockets. */
  get carriesHandles(): boolean {
    return this.#limits.moveSockets && this.#lane.capabilities.handles;
  }

  /** Whether it has neither calls nor connections. */
  get idle(): boolean {
    return this.#calls.size === 0 && (this.connections?.size ?? 0) === 0;
  }

  get isReady(): boolean {
    return this.#state === READY;
  }

  /** Memory it last told of: of its process, or its heap where it shares one. 0 when it has told nothing. */
  get memoryBytes(): number {
    return this.#figures?.rssBytes ?? this.#figures?.heapBytes ?? 0;
  }

  /** What it died of, or was ended for, as far as that is known. */
  get error(): unknown {
    return this.#error;
  }

  /** Resolves when it is gone. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  /**
   * Gives it a call.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE`, or `ERR_PACKET_OVERLOADED` when too much is lent to it: the instance does
   * not have the call then.
   */
  send(call: Call, now: number): void {
    const leftMs = call.deadlineAt === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(call.deadlineAt - now));
    const below = this.#returnPath.send(call, headOf(call, leftMs));
    this.#calls.add(call);
    call.instance = this;
    call.sentAt = now;
    if (!below) this.#full = true;
  }

  /** Sends it a frame about a connection. @throws PacketError `ERR_PACKET_UNSUPPORTED` for a handle that cannot travel. */
  post(frame: Frame): void {
    this.#lane.post(frame);
  }

  /** A call it has was settled from this side: the worker shall stop it. */
  cancel(call: Call): void {
    if (this.#state === GONE || this.#calls.get(call.id) === undefined) return;
    this.#returnPath.settled(call.id);
    this.#lane.cancelPage?.mark(call.id);
    this.#lane.post({ type: 'CANCEL', stream: call.id }, true);
    this.#table.awaitRelease(call, this.#limits.cancelGraceMs);
  }

  /**
   * A cancelled call has gone on for the whole grace. A worker that answered the cancel is alive: it is replaced and may finish
   * its other calls. One that did not answer is blocked, so its other calls are lost with it.
   */
  graceOver(call: Call): void {
    if (this.#state === GONE) return;
    this.blamedOnCall = true;
    this.#error ??= new PacketError(
      'ERR_PACKET_CANCELLED',
      `it went on for ${this.#limits.cancelGraceMs} ms after a call was cancelled`,
      { details: { method: call.method, responsive: call.cancelSeen } },
    );
    this.#isolate();
    if (!call.cancelSeen) this.#kill();
    else this.#endWhenAbandoned();
  }

  /**
   * Ends it: the worker finishes its calls, runs `unbind` and exits; after `graceMs` it is killed. Resolves when it is gone.
   * Calling it again shortens the grace.
   */
  end(graceMs: number): Promise<void> {
    if (this.#state === GONE) return this.#gone;
    this.#isolate();
    this.#draining = true;
    this.#drainBy = this.#table.clock.now() + graceMs;
    this.#timer?.cancel();
    if (graceMs <= 0) {
      this.#kill();
    } else {
      this.#timer = this.#table.clock.setTimer(graceMs, () => this.#kill());
      // Connections on their way come first, so that they are drained and not met by a worker that is gone.
      const { connections } = this;
      if (connections === undefined) this.#drain();
      else connections.whenLanded(() => this.#drain());
    }
    return this.#gone;
  }

  /** Asks it for its figures; resolves when it has answered, or is gone. */
  freshFigures(): Promise<void> {
    if (this.#state !== READY) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#askedFigures.push(resolve) === 1) this.#lane.post({ type: 'PING', stream: 0, value: 'figures' }, true);
    });
  }

  inspect(now: number): LiveInspection {
    const most = serviceRows.inspectedCalls.fallback;
    const calls: CallInspection[] = [];
    for (const call of this.#calls.all()) {
      if (calls.length === most) break;
      calls.push(inspectCall(call, now));
    }
    return {
      state: this.#state === BOOTING ? 'booting' : this.#state === READY ? 'ready' : 'ending',
      pid: this.facts.pid,
      threadId: this.#lane.threadId,
      uptimeMs: now - this.startedAt,
      running: this.#calls.size,
      calls,
      done: this.settledCalls,
      leasedCallbacks: this.#returnPath.lent,
      pendingBytes: this.#lane.pendingBytes,
      responsive: this.#state === READY && this.#figures !== undefined && this.#askedFigures.length === 0,
      rssBytes: this.#figures?.rssBytes,
      heapBytes: this.#figures?.heapBytes,
      loopUtilization: this.#figures?.loopUtilization,
    };
  }

  /**
   * Takes no calls any more, lets those it has settle, and ends it: nothing is lost, however long that takes.
   * @param withinMs After this it is killed all the same.
   */
  retire(withinMs?: number): void {
    if (this.#state >= ENDING) return;
    this.#isolate();
    this.#retiring = true;
    this.#timer?.cancel();
    if (withinMs !== undefined) {
      this.#retireBy = this.#table.clock.now() + withinMs;
      this.#timer = this.#table.clock.setTimer(withinMs, () => this.#kill());
    }
    this.#endWhenAbandoned();
  }

  /**
   * Asks for a sign of life while it has calls or connections, on their way to it too, and once more for its memory; ends it when it
   * has been silent for too long.
   * @returns whether to look again.
   */
  beat(now: number): boolean {
    if (this.#state === BOOTING || this.#state === GONE) return false;
    const { livenessMs, maxRssBytes } = this.#limits;
    const busy = !this.idle;
    if (!Number.isNaN(this.#pingedAt)) {
      if (busy && livenessMs > 0 && now - this.#pingedAt >= livenessMs) this.#suspect(this.#pingedAt);
      return busy;
    }
    if (!busy && (maxRssBytes === 0 || this.#measuredCalls === this.settledCalls)) return false;
    this.#measuredCalls = this.settledCalls;
    this.#pingedAt = now;
    this.#lane.post({ type: 'PING', stream: 0, value: 'figures' }, true);
    return true;
  }

  // ---- what the lane reports -----------------------------------------------------------------------------------------

  frames(batch: readonly Frame[]): void {
    this.#pingedAt = Number.NaN;
    // Figures and cells are told by idle ones too.
    const worked = this.#limits.poolMin > 0 && !this.idle;
    try {
      for (const frame of batch) this.#frame(frame);
    } catch (error) {
      this.#garbled(error);
    }
    if (this.#state === READY) {
      if (worked) this.idleSince = this.#table.clock.now();
      this.#owner.relieved(this);
    } else if (this.#state === ENDING && (this.blamedOnCall || this.#retiring)) {
      this.#endWhenAbandoned();
    }
  }

  drained(): void {
    this.#full = false;
    if (this.#state === READY) this.#owner.relieved(this);
  }

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#output.write(this.facts, stream, chunk);
  }

  lost(loss: LaneLoss): void {
    this.#state = GONE;
    this.#timer?.cancel();
    const unsettled: Call[] = [];
    for (const call of this.#calls.all()) {
      if (call.settled) this.#table.released(call);
      else unsettled.push(call);
    }
    this.#calls.clear();
    this.#returnPath.lost();
    this.#output.end();
    this.#figuresCame(undefined);
    if (unsettled.length > 0) this.blamedOnCall = true;
    const { exitCode, signal } = loss;
    const error = this.#error ?? loss.error;
    this.#owner.lost(this, { exitCode, signal, error, stderr: this.#output.tail() }, unsettled);
    this.#resolveGone();
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #frame(frame: Frame): void {
    if (frame.problem !== undefined) {
      this.#unreadable(frame, frame.problem);
      return;
    }
    switch (frame.type) {
      case 'RESULT':
        this.#result(frame);
        break;
      case 'ERROR':
        this.#failure(frame);
        break;
      case 'CALL':
        this.#returnPath.called(frame);
        break;
      case 'LEASE':
        this.#returnPath.changed(frame);
        break;
      case 'STATUS':
        this.#owner.cell(this, frame.value as CellValue);
        break;
      case 'EVENT':
        this.#event(frame);
        break;
      case 'HANDLE':
        this.connections?.frame(frame);
        break;
      case 'CANCEL':
        if (frame.stream >= WORKER_STREAMS) this.#returnPath.cancelled(frame.stream);
        else this.#cancelSeen(frame.stream);
        break;
      case 'HELLO':
        this.#hello();
        break;
      case 'PONG':
        this.#figuresCame(frame.value);
        break;
      case 'BYE':
        this.#bye(frame);
        break;
      default:
        // Streams and credit are spoken only where both sides offered them in HELLO.
        break;
    }
  }

  /** It says what no worker says: nothing it says from now on can be relied on. */
  #garbled(cause: unknown): void {
    if (this.#state === GONE) return;
    this.#error ??= new PacketError(
      'ERR_PACKET_LANE_FRAME',
      `it sent something that makes no sense: ${messageOf(cause)}`,
      { cause, details: { worker: this.facts.worker } },
    );
    this.#isolate();
    this.#kill();
  }

  #result(frame: Frame): void {
    const call = this.#takeOut(frame.stream);
    if (call !== undefined) this.#table.result(call, frame.value);
    else this.#returnPath.answered(frame);
  }

  #failure(frame: Frame): void {
    const wire = wireErrorOf(frame.value);
    if (frame.stream === 0) {
      this.#error = decodeError(wire);
      return;
    }
    const call = this.#calls.get(frame.stream);
    // Made before the call is taken out, which would not settle if it could not be made.
    const error = call === undefined || call.settled ? undefined : remoteError(call, wire);
    this.#takeOut(frame.stream);
    if (call === undefined) this.#returnPath.answered(frame);
    else if (error === undefined) this.#table.released(call);
    else this.#table.fail(call, error);
  }

  /** A class codec could not make what the worker sent. */
  #unreadable(frame: Frame, problem: PacketError): void {
    if (frame.stream === 0) {
      this.#owner.unreadable(this, problem);
      return;
    }
    if (frame.type === 'CALL') {
      this.#returnPath.called(frame);
      return;
    }
    const call = frame.type === 'RESULT' ? this.#takeOut(frame.stream) : this.#calls.get(frame.stream);
    if (call === undefined) this.#returnPath.answered(frame);
    else if (call.settled) this.#table.released(call);
    else if (frame.type === 'RESULT') this.#table.fail(call, notDecodableError(call, problem));
    else this.#table.drop(call, notDecodableError(call, problem));
  }

  #event(frame: Frame): void {
    if (frame.stream === 0) {
      this.#owner.unsolicited(this, frame.value);
      return;
    }
    const call = this.#calls.get(frame.stream);
    if (call !== undefined) this.#table.answer(call, frame.value);
  }

  #takeOut(stream: number): Call | undefined {
    const call = this.#calls.get(stream);
    if (call === undefined) return undefined;
    this.#calls.delete(stream);
    this.#returnPath.settled(stream);
    this.settledCalls++;
    return call;
  }

  #cancelSeen(stream: number): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) call.cancelSeen = true;
  }

  #hello(): void {
    if (this.#state !== BOOTING) return;
    this.#state = READY;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.readyAt = this.#table.clock.now();
    this.idleSince = this.readyAt;
    this.#owner.ready(this);
  }

  /** The worker ends by itself, or gives one call back. */
  #bye(frame: Frame): void {
    if (frame.stream === 0) {
      if (frame.value !== undefined) this.#error ??= decodeError(wireErrorOf(frame.value));
      this.#isolate();
      return;
    }
    const call = this.#calls.get(frame.stream);
    if (call === undefined) return;
    this.#calls.delete(frame.stream);
    this.#returnPath.settled(frame.stream);
    call.instance = undefined;
    if (call.settled) this.#table.released(call);
    else this.#owner.notStarted(call);
  }

  #figuresCame(value: unknown): void {
    if (isFigures(value)) {
      this.#figures = value;
      if (this.#state === READY) this.#owner.measured();
    }
    for (const resolve of this.#askedFigures.splice(0)) resolve();
  }

  /** This loop may have been busy itself: what has arrived meanwhile is read before the worker is judged. */
  #suspect(pingedAt: number): void {
    setImmediate(() => setImmediate(() => this.#judge(pingedAt)));
  }

  #judge(pingedAt: number): void {
    if (this.#state === GONE || this.#pingedAt !== pingedAt) return;
    const { livenessMs } = this.#limits;
    this.blamedOnCall = true;
    this.#error ??= new PacketError(
      'ERR_PACKET_WORKER_UNRESPONSIVE',
      `it has work and gave no sign of life for ${livenessMs} ms`,
      { details: { worker: this.facts.worker, livenessMs } },
    );
    this.#isolate();
    this.#kill();
  }

  #bootTooLong(): void {
    const { bootDeadlineMs } = this.#limits;
    this.#error = new PacketError('ERR_PACKET_WORKER_BOOT', `it was not ready after ${bootDeadlineMs} ms`, {
      details: { bootDeadlineMs },
    });
    this.#kill();
  }

  #isolate(): void {
    if (this.#state >= ENDING) return;
    this.#state = ENDING;
    this.#owner.isolated(this);
  }

  #drain(): void {
    if (this.#state === GONE) return;
    const leftMs = Math.max(1, Math.ceil(this.#drainBy - this.#table.clock.now()));
    this.#lane.post({ type: 'DRAIN', stream: 0, value: leftMs });
  }

  #kill(): void {
    this.#lane.kill('SIGKILL');
  }

  /** Isolated: it lives on only for the calls somebody still waits for. */
  #endWhenAbandoned(): void {
    if (this.#state !== ENDING || this.#draining) return;
    for (const call of this.#calls.all()) if (!call.settled) return;
    const { cancelGraceMs, drainMs } = this.#limits;
    const leftMs = this.#retireBy - this.#table.clock.now();
    void this.end(Math.min(leftMs, this.blamedOnCall ? cancelGraceMs : drainMs));
  }
}

/** What a call says beside its arguments. */
function headOf(call: Call, leftMs: number): number | CallHead {
  return call.context === undefined ? leftMs : { leftMs, carried: call.context.values };
}

function inspectCall(call: Call, now: number): CallInspection {
  return {
    call: call.id,
    method: call.method === RECEIVE_DATA ? 'receiveData' : call.method,
    ageMs: now - call.begunAt,
    runMs: now - call.sentAt,
    deadlineInMs: call.deadlineAt === Number.POSITIVE_INFINITY ? undefined : call.deadlineAt - now,
    settled: call.settled,
  };
}

function isFigures(value: unknown): value is WorkerFigures {
  return typeof value === 'object' && value !== null && 'heapBytes' in value;
}
