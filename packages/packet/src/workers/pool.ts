import type { ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import type { HandOff, HandOffSink, LiveConnection, PoolInspection, WorkerPoolStats } from '../reactor/index.ts';
import { Adopting } from './adopting.ts';
import { lostError, notEncodableError, overloadedError, type WorkerLoss } from './call-errors.ts';
import { CallWatch, type Timing } from './call-watch.ts';
import { type Call, type CallHolder, type CallTable, LateReplies } from './calls.ts';
import type { ValueHolder } from './held-values.ts';
import type { Instance, OpenPlace } from './instance.ts';
import { LeaseCount } from './lender.ts';
import { Mailbox } from './mailbox.ts';
import { type BootOrder, CALL_HEAD, type CellName, type CellValue } from './protocol.ts';
import type { ProxySeat } from './proxy-seat.ts';
import { Supervisor, type SupervisorClient } from './supervisor.ts';
import type { WorkerCell } from './worker-cells.ts';
import type { WorkerLogs } from './worker-logs.ts';
import type { WorkerLimits } from './worker-options.ts';
import type { WorkerProxy } from './worker-proxy.ts';

/** What a pool is made from. */
export interface PoolPlan {
  readonly worker: string;
  readonly key: string | undefined;
  readonly limits: WorkerLimits;
  /** Where its instances run. */
  readonly transport: string;
  readonly order: (index: number) => BootOrder;
  readonly open: OpenPlace;
  readonly table: CallTable;
  readonly seat: ProxySeat;
  readonly holder: ValueHolder;
  readonly logs: WorkerLogs | undefined;
  /** Whether calls are timed, for all workers. */
  readonly timing: Timing;
  readonly onError: (error: unknown, where: string) => void;
}

/** Where calls can be made. */
export interface CallTarget extends CallHolder {
  /** Calls it can run at a time. */
  readonly capacity: number;
  /** Takes a call. It settles later, never before this returns. */
  submit(call: Call): void;
}

/** The calls of one worker or keyed instance: who runs which, and which wait. */
export class Pool implements CallTarget, SupervisorClient {
  readonly worker: string;
  readonly key: string | undefined;
  readonly #plan: PoolPlan;
  readonly #table: CallTable;
  readonly #supervisor: Supervisor;
  readonly #mailbox = new Mailbox();
  readonly #late: LateReplies;
  readonly #leased = new LeaseCount();
  readonly #watch: CallWatch;
  readonly #adopting: Adopting;
  /** Calls the proxy was shown and has not let go on. */
  readonly #withProxy = new IdTable<Call>();
  #instances: readonly Instance[] = [];
  #unsettled = 0;
  /** Set when no call is taken any more: why. */
  #refusal: PacketError | undefined;
  #stopping: Promise<void> | undefined;
  #stopBy = Number.POSITIVE_INFINITY;
  /** Ends the wait for the last call. */
  #idle: (() => void) | undefined;
  /** Shortens the step that stopping is at. */
  #hasten: ((graceMs: number) => void) | undefined;

  constructor(plan: PoolPlan) {
    this.worker = plan.worker;
    this.key = plan.key;
    this.#plan = plan;
    this.#table = plan.table;
    this.#late = new LateReplies(plan.worker);
    const { worker, key, timing, limits, table } = plan;
    this.#watch = new CallWatch({ worker, key, timing, timed: limits.timed, clock: table.clock });
    this.#supervisor = new Supervisor({ ...plan, leased: this.#leased }, this);
    this.#adopting = new Adopting({
      worker: plan.worker,
      key: plan.key,
      limits: plan.limits,
      nextStream: () => plan.table.nextId(),
      instances: () => this.#instances,
    });
  }

  get proxy(): WorkerProxy {
    return this.#plan.seat.proxy;
  }

  get capacity(): number {
    const { pool, concurrency } = this.#plan.limits;
    return pool * concurrency;
  }

  /** One of the worker's latest values. */
  cellOf(name: CellName): WorkerCell {
    return this.#plan.seat.cells[name];
  }

  /** No instance is up and none will be, until it is started again. */
  get parkedError(): PacketError | undefined {
    return this.#supervisor.parkedError;
  }

  /** Whether a start would do something: an instance is parked, and nothing is being stopped. */
  get revivable(): boolean {
    return this.#refusal === undefined && this.#supervisor.counts().parked > 0;
  }

  /** Boots the instances, or revives parked ones. @throws PacketError `ERR_PACKET_WORKER_BOOT`. */
  start(): Promise<void> {
    return this.#supervisor.start();
  }

  stats(): WorkerPoolStats {
    return {
      worker: this.worker,
      key: this.key,
      ...this.#supervisor.counts(),
      queued: this.#mailbox.size,
      queuedBytes: this.#mailbox.bytes,
      unsettled: this.#unsettled,
      lateOriginGone: this.#late.originGone,
      lateSettled: this.#late.settled,
      leased: this.#leased.now,
      handOff: this.#adopting.stats(),
    };
  }

  /** All there is to know of it now, with the figures the instances last told. */
  inspect(): PoolInspection {
    return {
      ...this.stats(),
      transport: this.#plan.transport,
      ends: this.#watch.ends(),
      instances: this.#supervisor.inspect(),
      methods: this.#watch.methods(),
    };
  }

  /** Asks the instances for their figures. Resolves when all have answered. */
  freshFigures(): Promise<void> {
    return this.#supervisor.freshFigures();
  }

  submit(call: Call): void {
    this.#table.begin(call);
    const refusal = this.#refusal ?? this.parkedError;
    if (refusal !== undefined) {
      this.#table.refuse(call, refusal);
    } else if (this.#plan.seat.seesRequests) {
      this.#showToProxy(call);
    } else {
      this.#place(call);
    }
  }

  /**
   * Hands a live connection to an instance.
   * @throws PacketError `ERR_PACKET_WORKER_PARKED`, `ERR_PACKET_STOPPED` or `ERR_PACKET_OVERLOADED`; it is the caller's still.
   */
  adopt(live: LiveConnection, sink: HandOffSink): HandOff {
    const refusal = this.#refusal ?? this.parkedError;
    if (refusal !== undefined) throw refusal;
    return this.#adopting.adopt(live, sink);
  }

  /**
   * Takes no calls any more, lets those it has finish for `graceMs`, and ends the instances. Resolves when all are gone.
   * A later call may shorten the grace.
   * @param why Told to callers from now on and to calls that still wait in the end.
   */
  stop(graceMs: number, why?: PacketError): Promise<void> {
    const stopBy = this.#table.clock.now() + graceMs;
    if (stopBy < this.#stopBy) {
      this.#stopBy = stopBy;
      this.#hasten?.(graceMs);
    }
    this.#stopping ??= this.#stop(why);
    return this.#stopping;
  }

  // ---- what calls report ---------------------------------------------------------------------------------------------

  letGo(call: Call): void {
    if (call.queued) this.#mailbox.remove(call);
    else call.instance?.cancel(call);
  }

  begun(): void {
    this.#unsettled++;
  }

  settled(call: Call, error: PacketError | undefined): void {
    this.#watch.settled(call, error);
    if (this.#withProxy.size > 0) this.#withProxy.delete(call.id);
    if (--this.#unsettled === 0) this.#idle?.();
  }

  late(call: Call): void {
    this.#late.count(call);
  }

  replied(call: Call, value: unknown): unknown {
    const { seat } = this.#plan;
    // What the proxy answered by itself does not pass it again.
    if (!seat.seesReplies || call.instance === undefined) return value;
    return seat.reply(value, call, this.#table);
  }

  // ---- what the supervisor reports -----------------------------------------------------------------------------------

  up(instance: Instance): void {
    this.#instances = [...this.#instances, instance];
    this.#plan.seat.started(instance.facts);
    this.relieved();
    this.#adopting.relieved();
  }

  relieved(): void {
    for (let call = this.#mailbox.first; call !== undefined; call = this.#mailbox.first) {
      const instance = this.#pick();
      if (instance === undefined) return;
      this.#mailbox.remove(call);
      this.#send(instance, call);
    }
  }

  down(instance: Instance): void {
    this.#instances = this.#instances.filter((up) => up !== instance);
  }

  unsolicited(instance: Instance, value: unknown): void {
    this.#plan.seat.receive(value, instance.facts);
  }

  cell(instance: Instance, [name, value]: CellValue): void {
    this.#plan.seat.cell(name, value, instance.facts);
  }

  notStarted(call: Call): void {
    // Its caller may have changed the arguments since they were sent; then only the caller can make the call again.
    if (!call.held && call.args.some(isObject)) {
      const error = new PacketError('ERR_PACKET_STOPPED', 'the worker it was sent to was ending');
      this.#table.fail(call, lostError(call, lossBy(error), undefined));
      return;
    }
    this.#mailbox.pushFront(call, call.queuedBytes);
    this.relieved();
  }

  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void {
    for (const call of calls) this.#table.fail(call, lostError(call, loss, instance.facts));
    this.#adopting.instanceLost(instance, loss);
    this.#plan.seat.exit(instance.facts, loss);
  }

  parked(error: PacketError): void {
    this.#failWaiting(() => error);
    this.#plan.seat.ended();
    this.#adopting.giveUp(error);
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #showToProxy(call: Call): void {
    const { pool, concurrency, mailbox } = this.#plan.limits;
    const most = mailbox + pool * concurrency;
    if (this.#unsettled > most) {
      this.#table.refuse(call, overloadedError(call, 'calls', this.#unsettled - 1, most));
    } else {
      this.#withProxy.add(call);
      this.#plan.seat.request(
        call,
        this.#table,
        (shown) => this.#forward(shown),
        (kept) => this.#hold(kept),
      );
    }
  }

  /** The proxy lets a call go on, perhaps long after it was made. */
  #forward(call: Call): void {
    this.#withProxy.delete(call.id);
    const parked = this.parkedError;
    if (parked === undefined) this.#place(call);
    else this.#table.refuse(call, parked);
  }

  /** Gives the call to an instance, or lets it wait its turn. */
  #place(call: Call): void {
    const instance = this.#mailbox.size === 0 ? this.#pick() : undefined;
    if (instance === undefined) this.#enqueue(call);
    else this.#send(instance, call);
  }

  /** The instance with the fewest calls of those that can take one more. */
  #pick(): Instance | undefined {
    let best: Instance | undefined;
    for (const instance of this.#instances) {
      if (instance.free && (best === undefined || instance.load < best.load)) best = instance;
    }
    return best;
  }

  #send(instance: Instance, call: Call): void {
    try {
      instance.send(call, this.#table.clock.now());
      this.#watch.started(call, instance.facts);
    } catch (error) {
      this.#table.refuse(call, notEncodableError(call, error, CALL_HEAD));
    }
  }

  #enqueue(call: Call): void {
    const { mailbox, mailboxBytes } = this.#plan.limits;
    const { size, bytes } = this.#mailbox;
    if (size >= mailbox) {
      this.#table.refuse(call, overloadedError(call, 'calls', size, mailbox));
      return;
    }
    if (bytes >= mailboxBytes) {
      this.#table.refuse(call, overloadedError(call, 'bytes', bytes, mailboxBytes));
      return;
    }
    if (this.#hold(call)) this.#mailbox.push(call, call.queuedBytes);
  }

  /** For a call that leaves later: what the caller changes until then must not change it. False when it is refused. */
  #hold(call: Call): boolean {
    if (call.held) return true;
    try {
      // What can only be lent stays itself; it is lent when the call is sent.
      const held = this.#plan.holder.hold(call.args, (lendable) => lendable);
      if (Array.isArray(held.value)) call.args = held.value;
      call.held = true;
      call.queuedBytes = held.bytes;
      return true;
    } catch (error) {
      this.#table.refuse(call, notEncodableError(call, error, 0));
      return false;
    }
  }

  #stoppedError(): PacketError {
    return new PacketError('ERR_PACKET_STOPPED', `worker "${this.worker}" was stopped`, {
      details: { worker: this.worker, ...(this.key === undefined ? {} : { key: this.key }) },
    });
  }

  async #stop(why: PacketError | undefined): Promise<void> {
    const stopped = why ?? this.#stoppedError();
    this.#refusal = stopped;
    this.#adopting.giveUp(stopped);
    await this.#whenIdle();
    this.#hasten = (graceMs) => void this.#supervisor.stop(graceMs);
    await this.#supervisor.stop(this.#graceMs());
    this.#failWaiting((call) => why ?? lostError(call, lossBy(stopped), undefined));
    this.#plan.seat.ended();
  }

  /** What is left of the grace. */
  #graceMs(): number {
    return this.#stopBy - this.#table.clock.now();
  }

  /** Resolves when no call is left, or the grace is over. */
  async #whenIdle(): Promise<void> {
    if (this.#unsettled === 0 || this.#graceMs() <= 0) return;
    await new Promise<void>((resolve) => {
      let timer: ClockTimer | undefined;
      const done = (): void => {
        timer?.cancel();
        this.#idle = undefined;
        resolve();
      };
      this.#idle = done;
      this.#hasten = (graceMs) => {
        timer?.cancel();
        if (graceMs <= 0) done();
        else timer = this.#table.clock.setTimer(graceMs, done);
      };
      this.#hasten(this.#graceMs());
    });
  }

  /** Fails what no instance has: the calls in the mailbox and those its proxy holds back. */
  #failWaiting(error: (call: Call) => PacketError): void {
    for (const call of [...this.#mailbox.empty(), ...this.#withProxy.all()]) this.#table.fail(call, error(call));
  }
}

function lossBy(error: PacketError): WorkerLoss {
  return { exitCode: undefined, signal: undefined, error, stderr: '' };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
