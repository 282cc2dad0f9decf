import type { ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import { refusedOption } from '../options.ts';
import type { HandOff, HandOffSink, LiveConnection, PoolInspection, WorkerPoolStats } from '../reactor/index.ts';
import { Adopting } from './adopting.ts';
import {
  callName,
  droppedError,
  lostError,
  notEncodableError,
  overloadedError,
  type WorkerLoss,
} from './call-errors.ts';
import { CallWatch, type Timing } from './call-watch.ts';
import { type Call, type CallHolder, type CallTable, LateReplies, PartCall } from './calls.ts';
import type { ValueHolder } from './held-values.ts';
import type { Instance, OpenPlace } from './instance.ts';
import { LeaseCount } from './lender.ts';
import { Mailboxes } from './mailbox.ts';
import { MailboxBounds } from './mailbox-bounds.ts';
import { leastLoadedOf, makePicker, type Picker } from './picker.ts';
import type { BootOrder, CellName, CellValue } from './protocol.ts';
import type { ProxySeat } from './proxy-seat.ts';
import { RoomLine } from './room-line.ts';
import type { Siblings } from './siblings.ts';
import { Supervisor, type SupervisorClient } from './supervisor.ts';
import type { WorkerCell } from './worker-cells.ts';
import type { WorkerLogs } from './worker-logs.ts';
import { serviceRows, type WorkerLimits } from './worker-options.ts';
import type { WorkerProxy, WorkerRoute } from './worker-proxy.ts';

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
  readonly siblings: Siblings;
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
  /** The instances that are up, in the order of their places. @throws PacketError why there can be none. */
  ready(): readonly Instance[];
  /** Resolves when there is room for a call. */
  room(signal: AbortSignal | undefined): Promise<void>;
}

/** The calls of one worker or keyed instance: who runs which, and which wait. */
export class Pool implements CallTarget, SupervisorClient {
  readonly worker: string;
  readonly key: string | undefined;
  readonly #plan: PoolPlan;
  readonly #table: CallTable;
  readonly #supervisor: Supervisor;
  readonly #mailboxes = new Mailboxes();
  readonly #picker: Picker;
  readonly #bounds: MailboxBounds;
  readonly #line: RoomLine;
  readonly #late: LateReplies;
  readonly #leased = new LeaseCount();
  readonly #watch: CallWatch;
  readonly #adopting: Adopting;
  /** Calls the proxy was shown and has not let go on. */
  readonly #withProxy = new IdTable<Call>();
  /** Those that take calls, in the order of their places. */
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
    this.#bounds = new MailboxBounds(this.#mailboxes, limits);
    this.#line = new RoomLine(this.#bounds);
    this.#picker = makePicker(limits.picker);
    this.#supervisor = new Supervisor({ ...plan, leased: this.#leased }, this);
    this.#adopting = new Adopting({
      worker: plan.worker,
      key: plan.key,
      limits: plan.limits,
      nextStream: () => plan.table.nextId(),
      instances: () => this.#instances,
      working: () => this.#supervisor.working(),
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
      queued: this.#mailboxes.size,
      queuedBytes: this.#mailboxes.bytes,
      unsettled: this.#unsettled,
      pressure: this.#bounds.pressure(this.#instances),
      recycled: this.#supervisor.recycled,
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
    const refusal = this.#refusal ?? this.parkedError ?? this.#pickKeyError(call);
    if (refusal !== undefined) {
      this.#table.refuse(call, refusal);
    } else if (this.#plan.seat.seesRequests && call.only === undefined) {
      this.#showToProxy(call);
    } else {
      this.#place(call);
    }
  }

  ready(): readonly Instance[] {
    const refusal = this.#refusal ?? this.parkedError;
    if (refusal !== undefined) throw refusal;
    return this.#instances;
  }

  async room(signal: AbortSignal | undefined): Promise<void> {
    const refusal = this.#refusal ?? this.parkedError;
    if (refusal !== undefined) throw refusal;
    const most = serviceRows.roomWaiters.fallback;
    if (this.#line.size >= most) throw roomError(this, this.#line.size, most);
    await this.#line.wait(signal, () => this.#gaveUpError(signal));
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
    if (call.mailbox === undefined) {
      call.instance?.cancel(call);
    } else {
      call.mailbox.remove(call);
      this.#line.advance();
    }
  }

  begun(): void {
    this.#unsettled++;
  }

  settled(call: Call, error: PacketError | undefined): void {
    this.#watch.settled(call, error);
    if (this.#withProxy.size > 0) this.#withProxy.delete(call.id);
    if (call.request !== undefined) {
      if (error !== undefined) this.#plan.seat.failed(error, call.request);
      this.#table.dropParts(call, error);
    }
    if (--this.#unsettled === 0) this.#idle?.();
  }

  late(call: Call): void {
    this.#late.count(call);
  }

  replied(call: Call, value: unknown): unknown {
    const { seat } = this.#plan;
    // What the proxy answered by itself does not pass it again.
    if (!seat.seesReplies || call.instance === undefined || call instanceof PartCall) return value;
    return seat.reply(value, call, this.#table);
  }

  // ---- what the supervisor reports -----------------------------------------------------------------------------------

  up(instance: Instance): void {
    this.#instances = [...this.#instances, instance].sort((a, b) => a.facts.index - b.facts.index);
    this.#plan.seat.started(instance.facts);
    if (this.#plan.limits.picker === 'key') {
      this.#mailboxes.moveTo(instance, (call) => this.#picker.owner(call, this.#instances) === instance);
    }
    this.relieved(instance);
    this.#adopting.relieved();
  }

  relieved(instance: Instance): void {
    if (this.#mailboxes.size > 0) {
      this.#sendWaiting(instance);
      if (this.#mailboxes.wantMore) this.#supervisor.grow();
    }
    this.#line.advance();
  }

  down(instance: Instance): void {
    this.#instances = this.#instances.filter((up) => up !== instance);
    // Others take over what waited for it, those that waited longest first; a broadcast goes on to the one that replaces it.
    const heir = this.#instances.find(({ facts }) => facts.index === instance.facts.index);
    const waited = this.#mailboxes.forget(instance);
    for (const call of [...waited].reverse()) if (call.only === undefined) this.#mailboxes.shared.pushFront(call);
    for (const call of waited) {
      if (call.only === undefined) continue;
      call.only = heir;
      if (heir === undefined) this.#table.fail(call, lostError(call, lossBy(this.#endingError()), undefined));
      else this.#mailboxes.push(call, heir);
    }
    if (heir !== undefined) this.#sendWaiting(heir);
    else if (this.#mailboxes.size > 0) this.#sendShared();
    this.#line.advance();
  }

  unsolicited(instance: Instance, value: unknown): void {
    this.#plan.seat.receive(value, instance.facts);
  }

  cell(instance: Instance, [name, value]: CellValue): void {
    this.#plan.seat.cell(name, value, instance.facts);
  }

  notStarted(call: Call): void {
    // Its caller may have changed the arguments since they were sent; then only the caller can make the call again.
    if (call.only !== undefined || (!call.held && call.args.some(isObject))) {
      this.#table.fail(call, lostError(call, lossBy(this.#endingError()), undefined));
      return;
    }
    this.#mailboxes.shared.pushFront(call);
    this.#sendShared();
    if (this.#mailboxes.size > 0) this.#supervisor.grow();
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
    this.#line.fail(error);
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
        {
          forward: (shown, route) => this.#forward(shown, route),
          part: (whole, args, route) => this.#part(whole, args, route),
        },
        (kept) => this.#hold(kept),
      );
    }
  }

  /** Its proxy has a part of a call done. */
  #part(whole: Call, args: readonly unknown[], { pickKey }: WorkerRoute): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const now = this.#table.clock.now();
      const part = new PartCall(this.#table.nextId(), this, whole.method, args, undefined, now, 0, whole);
      part.caller = { answered: resolve, failed: reject };
      part.context = whole.context;
      part.pickKey = pickKey ?? whole.pickKey;
      this.#table.begin(part);
      // Its call was taken before the worker was told to stop, if it was.
      const refusal = this.parkedError ?? this.#pickKeyError(part);
      if (refusal === undefined) this.#place(part);
      else this.#table.refuse(part, refusal);
    });
  }

  /** The proxy lets a call go on, perhaps long after it was made. */
  #forward(call: Call, { pickKey = call.pickKey }: WorkerRoute): void {
    call.pickKey = pickKey;
    const unused = this.#pickKeyError(call);
    if (unused !== undefined) throw unused;
    this.#withProxy.delete(call.id);
    const parked = this.parkedError;
    if (parked === undefined) this.#place(call);
    else this.#table.refuse(call, parked);
  }

  /** Gives the call to an instance, or lets it wait its turn. */
  #place(call: Call): void {
    const { only } = call;
    const mailboxes = this.#mailboxes;
    if (only !== undefined) {
      if (only.free && mailboxes.firstFor(only) === undefined) this.#send(only, call);
      else this.#enqueue(call, only, false);
      return;
    }
    const kept = this.#line.take();
    const instance = mailboxes.shared.size === 0 ? this.#pick(call) : undefined;
    if (instance instanceof PacketError) this.#table.refuse(call, instance);
    // One that has become free this moment belongs to those that wait for it.
    else if (instance === undefined || mailboxes.firstFor(instance) !== undefined) {
      this.#enqueue(call, this.#picker.owner(call, this.#instances), kept);
    } else this.#send(instance, call);
    if (kept) this.#line.next();
  }

  /** The instance to give the call to now, if there is one. An error is the proxy's that could not choose. */
  #pick(call: Call): Instance | PacketError | undefined {
    if (!this.#plan.seat.picks) return this.#picker.pick(call, this.#instances);
    const free = this.#instances.filter((instance) => instance.free);
    if (free.length === 0) return undefined;
    try {
      return this.#plan.seat.pick(call, free) ?? leastLoadedOf(free);
    } catch (error) {
      return pickError(call, error);
    }
  }

  /** Sends what this instance may take, in the order in which it was made, and what others may. */
  #sendWaiting(instance: Instance): void {
    const { shared } = this.#mailboxes;
    for (;;) {
      const own = instance.free ? this.#mailboxes.firstFor(instance) : undefined;
      const ownFirst = own !== undefined && (shared.first === undefined || own.id < shared.first.id);
      if (!ownFirst && this.#sendNextShared()) continue;
      if (own === undefined) return;
      own.mailbox?.remove(own);
      this.#send(instance, own);
    }
  }

  /** Sends what any may take, as far as there are free ones. */
  #sendShared(): void {
    while (this.#sendNextShared());
  }

  /** Takes the first out that any may take. False when there is none, or nobody to take it. */
  #sendNextShared(): boolean {
    const { shared } = this.#mailboxes;
    const call = shared.first;
    if (call === undefined) return false;
    const owner = this.#picker.owner(call, this.#instances);
    const instance = owner ?? this.#pick(call);
    if (instance === undefined) return false;
    shared.remove(call);
    if (instance instanceof PacketError) this.#table.refuse(call, instance);
    else if (owner?.free === false) this.#mailboxes.push(call, owner);
    else this.#send(instance, call);
    return true;
  }

  #send(instance: Instance, call: Call): void {
    try {
      instance.send(call, this.#table.clock.now());
      this.#watch.started(call, instance.facts);
      this.#supervisor.working();
    } catch (error) {
      this.#table.refuse(call, notEncodableError(call, error));
    }
  }

  /** @param kept A place was kept for this call. */
  #enqueue(call: Call, owner: Instance | undefined, kept: boolean): void {
    const { mailboxPolicy } = this.#plan.limits;
    const full = kept ? undefined : this.#fullError(call);
    if (full !== undefined && mailboxPolicy !== 'drop-oldest' && !this.#bounds.mayWaitAbove(call)) {
      this.#table.refuse(call, full);
      return;
    }
    if (!this.#hold(call)) return;
    if (full !== undefined && mailboxPolicy === 'drop-oldest') this.#dropOldest();
    this.#mailboxes.push(call, owner);
    if (call.only === undefined) this.#supervisor.grow();
  }

  /** Why there is no room for a call, if there is none: what there is belongs to those that wait for it. */
  #fullError(call: Call): PacketError | undefined {
    const error = this.#bounds.fullError(call);
    if (error !== undefined || this.#line.size === 0 || call.only !== undefined) return error;
    const { mailbox } = this.#plan.limits;
    return overloadedError(call, 'calls', this.#mailboxes.size + this.#line.size, mailbox);
  }

  #dropOldest(): void {
    let { oldest } = this.#mailboxes;
    let error = oldest && this.#fullError(oldest);
    while (oldest !== undefined && error !== undefined) {
      oldest.mailbox?.remove(oldest);
      this.#table.refuse(oldest, droppedError(oldest, error));
      oldest = this.#mailboxes.oldest;
      error = oldest && this.#bounds.fullError(oldest);
    }
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
      this.#table.refuse(call, notEncodableError(call, error));
      return false;
    }
  }

  #pickKeyError(call: Call): PacketError | undefined {
    if (call.pickKey === undefined || this.#plan.seat.picks || this.#plan.limits.picker === 'key') return undefined;
    const owner = `worker "${this.worker}" call`;
    return refusedOption(
      owner,
      'pickKey',
      "absent where neither picker: 'key' nor a proxy's pick() uses it",
      'a value',
    );
  }

  #endingError(): PacketError {
    return new PacketError('ERR_PACKET_STOPPED', 'the worker it was sent to was ending');
  }

  #gaveUpError(signal: AbortSignal | undefined): PacketError {
    return new PacketError('ERR_PACKET_CANCELLED', `worker "${this.worker}": waiting for room was given up`, {
      cause: signal?.reason,
      details: { worker: this.worker, ...(this.key === undefined ? {} : { key: this.key }), started: false },
    });
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
    this.#line.fail(stopped);
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
    for (const call of [...this.#mailboxes.empty(), ...this.#withProxy.all()]) this.#table.fail(call, error(call));
  }
}

function lossBy(error: PacketError): WorkerLoss {
  return { exitCode: undefined, signal: undefined, error, stderr: '' };
}

/** Too many wait for room. */
function roomError({ worker, key }: CallHolder, seen: number, most: number): PacketError {
  return new PacketError('ERR_PACKET_OVERLOADED', `worker "${worker}": ${seen} callers wait for room already`, {
    details: { worker, ...(key === undefined ? {} : { key }), limit: 'room', seen, most },
  });
}

function pickError(call: Call, cause: unknown): PacketError {
  return new PacketError('ERR_PACKET_CALLBACK', `${callName(call)}: the proxy's pick hook failed`, { cause });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
