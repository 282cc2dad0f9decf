import type { Clock } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { publish } from '../events.ts';
import type { InstanceInspection } from '../reactor/index.ts';
import { endOf, type WorkerLoss } from './call-errors.ts';
import type { Call, CallTable } from './calls.ts';
import { IdleWatch } from './idle-watch.ts';
import { Instance, type InstanceOwner, type LiveInspection, type OpenPlace } from './instance.ts';
import type { LeaseCount } from './lender.ts';
import { bootError, endedError, exitError, isStarved, nameOf, parkedError, stuckError } from './loss-errors.ts';
import type { BootOrder, CellValue } from './protocol.ts';
import { Pulse } from './pulse.ts';
import { type RecycleReason, Recycler } from './recycling.ts';
import type { Sibling, Siblings } from './siblings.ts';
import { pauseMs, Slot } from './slot.ts';
import type { WorkerLogs } from './worker-logs.ts';
import type { WorkerLimits } from './worker-options.ts';

/** What a supervisor keeps alive. */
export interface SupervisorPlan {
  readonly worker: string;
  readonly key: string | undefined;
  /** The order of the instance at `index`. */
  readonly order: (index: number) => BootOrder;
  readonly limits: WorkerLimits;
  readonly open: OpenPlace;
  readonly table: CallTable;
  /** What is lent to all of them. */
  readonly leased: LeaseCount;
  /** Where the instances' output is kept, if it is. */
  readonly logs: WorkerLogs | undefined;
  readonly siblings: Siblings;
  readonly onError: (error: unknown, where: string) => void;
}

/** Who uses the instances: the pool. */
export interface SupervisorClient {
  up(instance: Instance): void;
  relieved(instance: Instance): void;
  /** It takes no calls any more, or never took one. May come twice. */
  down(instance: Instance): void;
  unsolicited(instance: Instance, value: unknown): void;
  cell(instance: Instance, value: CellValue): void;
  notStarted(call: Call): void;
  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void;
  /** No instance is up and none will be. */
  parked(error: PacketError): void;
}

/** A start somebody waits for. */
interface FirstBoot {
  readonly slots: Set<Slot>;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: PacketError): void;
}

/**
 * Keeps a pool's instances alive: boots them, replaces them with back-off, parks what only crashes, and lets their number
 * follow the work.
 */
export class Supervisor implements InstanceOwner, Sibling {
  readonly worker: string;
  readonly strategy: WorkerLimits['strategy'];
  readonly #plan: SupervisorPlan;
  readonly #client: SupervisorClient;
  readonly #clock: Clock;
  readonly #slots: readonly Slot[];
  /** Instances that are always wanted. */
  readonly #least: number;
  /** Instances on their way out, whose places have been given away; 0 for those for which another is started, or is to be. */
  readonly #leaving = new Map<Instance, 0 | undefined>();
  /** Of these, those that must be gone before anything is started in their stead. */
  readonly #ending = new Set<Instance>();
  readonly #pulse: Pulse;
  readonly #idle: IdleWatch;
  readonly #recycler: Recycler;
  /** The place whose instance is being recycled, and what it was until it is gone. */
  #recycled: { readonly slot: Slot; readonly old: Instance; readonly reason: RecycleReason } | undefined;
  #recycledCount = 0;
  #firstBoot: FirstBoot | undefined;
  #recovering = false;
  #stopping = false;

  constructor(plan: SupervisorPlan, client: SupervisorClient) {
    const { limits, table } = plan;
    this.worker = plan.worker;
    this.strategy = limits.strategy;
    this.#plan = plan;
    this.#client = client;
    this.#clock = table.clock;
    this.#slots = Array.from({ length: limits.pool }, (_, index) => new Slot(index));
    this.#least = limits.poolMin === 0 ? limits.pool : limits.poolMin;
    const ready = (): readonly Instance[] => this.#readyInstances();
    this.#pulse = new Pulse(table.clock, limits, () => this.#allInstances());
    this.#idle = new IdleWatch(table.clock, limits, ready, (instance) => this.#putToSleep(instance));
    this.#recycler = new Recycler(table.clock, limits, ready, (instance, reason) => this.#recycle(instance, reason));
  }

  /** Set when no place is up or will be, and one is parked. */
  get parkedError(): PacketError | undefined {
    let error: PacketError | undefined;
    for (const slot of this.#slots) {
      if (slot.live) return undefined;
      error = slot.parked ?? error;
    }
    return error;
  }

  /** How many are up, booting, waiting for their restart, parked. */
  counts(): { readonly ready: number; readonly booting: number; readonly waiting: number; readonly parked: number } {
    const counts = { ready: 0, booting: 0, waiting: 0, parked: 0 };
    for (const slot of this.#slots) {
      if (slot.parked !== undefined) counts.parked++;
      else if (slot.ready !== undefined) counts.ready++;
      else if (slot.instance !== undefined) counts.booting++;
      else if (slot.live) counts.waiting++;
    }
    return counts;
  }

  /** What each place and each instance is at. */
  inspect(): readonly InstanceInspection[] {
    const now = this.#clock.now();
    const places = this.#slots.filter((slot) => !slot.asleep).map((slot) => inspectSlot(slot, now));
    const successors = this.#slots.flatMap(({ successor }) => successor ?? []);
    const others = [...successors, ...this.#leaving.keys()].map((instance) => ({
      ...instance.inspect(now),
      index: instance.facts.index,
      restarts: 0,
      error: undefined,
    }));
    return [...places, ...others];
  }

  /** Asks all that are up for their figures; resolves when they have answered, which one that is blocked does not. */
  async freshFigures(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.instance?.freshFigures()));
  }

  /** Instances replaced because they had done enough. */
  get recycled(): number {
    return this.#recycledCount;
  }

  get recovering(): boolean {
    return this.#recovering;
  }

  get ending(): boolean {
    return this.#ending.size > 0;
  }

  /**
   * Boots as many as the pool wants at least: at the first start, and again what is parked. Resolves when they are ready.
   * @throws PacketError `ERR_PACKET_WORKER_BOOT` when one of them fails; the others are left as they are.
   */
  start(): Promise<void> {
    this.#plan.siblings.add(this);
    const first = this.#firstBoot ?? firstBoot();
    for (const slot of this.#slots) {
      if (slot.parked === undefined) continue;
      slot.parked = undefined;
      slot.forgive();
    }
    let missing = this.#least - this.#slots.filter((slot) => slot.live).length;
    for (const slot of this.#slots) {
      if (missing <= 0) break;
      if (slot.live) continue;
      missing--;
      first.slots.add(slot);
      this.#boot(slot);
    }
    if (first.slots.size > 0) this.#firstBoot = first;
    else first.resolve();
    return first.done;
  }

  /** Calls wait: starts one more, if there may be one, no instance is free and none is on its way. */
  grow(): void {
    if (this.#stopping || this.#least === this.#slots.length) return;
    let place: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.asleep) place ??= slot;
      else if (slot.live && (slot.ready === undefined || slot.ready.free)) return;
    }
    if (place !== undefined && this.parkedError === undefined) this.#boot(place);
  }

  /** An instance was given a call, or a connection. */
  working(): void {
    this.#pulse.begin();
  }

  /** Ends all; nothing is restarted any more. Resolves when every one is gone. A later call may shorten the grace. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#idle.stop();
    this.#recycler.stop();
    this.#firstBoot?.reject(new PacketError('ERR_PACKET_STOPPED', 'the worker was stopped before it was ready'));
    this.#firstBoot = undefined;
    const going: Promise<void>[] = [];
    for (const slot of this.#slots) {
      slot.timer?.cancel();
      slot.timer = undefined;
      slot.held = false;
      if (slot.instance !== undefined) going.push(slot.instance.end(graceMs));
      if (slot.successor !== undefined) going.push(slot.successor.end(0));
    }
    for (const instance of this.#leaving.keys()) going.push(instance.end(graceMs));
    await Promise.all(going);
    this.#pulse.stop();
    this.#plan.siblings.remove(this);
  }

  // ---- what instances report -----------------------------------------------------------------------------------------

  ready(instance: Instance): void {
    const bootMs = instance.readyAt - instance.startedAt;
    publish('packet:worker.started', () => ({ ...instance.facts, bootMs }));
    const slot = this.#slotOf(instance);
    this.#client.up(instance);
    if (slot?.successor === instance) this.#takeOver(slot, instance);
    this.#idle.begin();
    this.#recycler.look();
    this.#settleFirstBoot(slot);
    this.#plan.siblings.changed(this);
  }

  relieved(instance: Instance): void {
    this.#client.relieved(instance);
    this.#recycler.answered(instance);
  }

  measured(): void {
    this.#recycler.look();
  }

  unsolicited(instance: Instance, value: unknown): void {
    this.#client.unsolicited(instance, value);
  }

  unreadable(instance: Instance, problem: PacketError): void {
    const { code, message, details } = problem;
    const facts = instance.facts;
    this.#report(
      new PacketError(code, `${nameOf(facts)} sent what did not arrive: ${message}`, {
        details: { ...details, ...facts },
        cause: problem,
      }),
    );
  }

  cell(instance: Instance, value: CellValue): void {
    this.#client.cell(instance, value);
  }

  notStarted(call: Call): void {
    this.#client.notStarted(call);
  }

  isolated(instance: Instance): void {
    this.#client.down(instance);
    const slot = this.#slotOf(instance);
    // One that the master isolates has done nothing wrong but hold a call: its replacement need not wait for its end.
    if (slot === undefined || this.#stopping || !instance.blamedOnCall) return;
    this.#leaving.set(instance, 0);
    slot.instance = undefined;
    const { restart } = this.#plan.limits;
    const loss: WorkerLoss = { exitCode: undefined, signal: undefined, error: instance.error, stderr: '' };
    if (restart === 'never' && slot.successor === undefined) {
      this.#leaving.set(instance, undefined);
      this.#park(slot, endedError(instance.facts, loss, restart), false);
    } else {
      this.#restart(slot, 0);
    }
    this.#tellParked(slot);
  }

  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void {
    this.#client.down(instance);
    const slot = this.#slotOf(instance);
    let restartInMs: number | undefined = this.#stopping ? undefined : this.#leaving.get(instance);
    const left = this.#leaving.delete(instance);
    this.#ending.delete(instance);
    if (slot !== undefined && slot.successor === instance) {
      this.#notReplaced(slot, instance, loss);
    } else if (slot !== undefined) {
      slot.instance = undefined;
      if (!this.#stopping) restartInMs = this.#afterLoss(slot, instance, loss, calls.length);
      // Where calls were lost, their callers hear of it; a parked or never started one is reported as such.
      const unheard = restartInMs !== undefined && calls.length === 0;
      if (unheard || (this.#stopping && loss.error !== undefined)) this.#report(exitError(instance.facts, loss));
    } else if (left && loss.error !== undefined && calls.length === 0) {
      this.#report(exitError(instance.facts, loss));
    }
    const { exitCode, signal, error } = loss;
    const end = { exitCode, signal, error, lost: calls.length, restartInMs };
    publish('packet:worker.exited', () => ({ ...instance.facts, ...end }));
    this.#client.lost(instance, loss, calls);
    if (slot !== undefined) this.#tellParked(slot);
    if (this.#recycled?.old === instance) this.#endRecycling();
    this.#pulse.lost();
    this.#plan.siblings.changed(this);
  }

  // ---- what siblings ask ---------------------------------------------------------------------------------------------

  hold(): void {
    if (this.#stopping) return;
    this.#recovering = true;
    for (const slot of this.#slots) {
      if (slot.timer !== undefined) {
        slot.timer.cancel();
        slot.timer = undefined;
        slot.held = true;
      }
      this.#endForSiblings(slot);
    }
  }

  proceed(): void {
    if (this.#stopping || !this.#recovering) return;
    const held = this.#slots.filter((slot) => slot.held);
    if (held.length > 0) this.#startHeld(held);
    this.#recovering = this.#slots.some((slot) => slot.live && slot.ready === undefined);
  }

  // ---- starting and restarting ---------------------------------------------------------------------------------------

  #boot(slot: Slot): void {
    slot.held = false;
    slot.instance = this.#open(slot);
  }

  #open(slot: Slot): Instance {
    slot.boots++;
    const { table, limits, open, leased, logs } = this.#plan;
    const order = this.#plan.order(slot.index);
    return new Instance(this, table, limits, open, order, leased, logs?.open(order));
  }

  #settleFirstBoot(slot: Slot | undefined): void {
    const first = this.#firstBoot;
    if (first === undefined || slot === undefined || !first.slots.delete(slot) || first.slots.size > 0) return;
    this.#firstBoot = undefined;
    first.resolve();
  }

  /** Decides what follows a death. Returns the pause before the restart, `undefined` when there is none. */
  #afterLoss(slot: Slot, instance: Instance, loss: WorkerLoss, lostCalls: number): number | undefined {
    const first = this.#firstBoot;
    const wasReady = !Number.isNaN(instance.readyAt);
    if (first?.slots.has(slot) === true && !wasReady) {
      this.#firstBoot = undefined;
      slot.parked = bootError(instance.facts, loss);
      first.reject(slot.parked);
      return undefined;
    }
    if (slot.successor !== undefined) return this.#restart(slot, 0);
    const { limits } = this.#plan;
    const clean = loss.exitCode === 0 && loss.error === undefined && lostCalls === 0;
    if (limits.restart === 'never' || (limits.restart === 'on-failure' && clean)) {
      this.#park(slot, endedError(instance.facts, loss, limits.restart), !clean && lostCalls === 0);
      return undefined;
    }
    if (isStarved(loss)) return this.#restart(slot, pauseMs(++slot.starved + slot.restarts, limits));
    slot.starved = 0;
    const livedMs = this.#clock.now() - instance.readyAt;
    const served = wasReady && instance.settledCalls > 0;
    const healthy = livedMs >= limits.healthyMs;
    if (served || healthy) slot.forgive();
    if (healthy) slot.early = 0;
    else if (served && !instance.blamedOnCall) slot.early++;
    // A call that kills its worker must not be able to have the worker parked: then one caller could stop all others.
    slot.failed(endOf(loss), wasReady && instance.blamedOnCall);
    if (slot.restarts > limits.maxRestarts) {
      this.#park(slot, parkedError(instance.facts, loss, slot.restarts, [...slot.failures]));
      return undefined;
    }
    return this.#restart(slot, pauseMs(Math.max(slot.restarts + slot.killed, slot.early - limits.maxRestarts), limits));
  }

  /** Starts the place again after a pause, with all that its strategy ties to it. Returns the pause. */
  #restart(slot: Slot, afterMs: number): number {
    if (this.strategy !== 'one-for-one') {
      this.#recovering = true;
      for (const other of this.#slots) {
        if (this.strategy === 'all' ? other !== slot : other.index > slot.index) this.#endForSiblings(other);
      }
      this.#plan.siblings.died(this);
    }
    if (afterMs === 0) {
      this.#comeBack(slot);
    } else {
      slot.timer = this.#clock.setTimer(afterMs, () => {
        slot.timer = undefined;
        this.#comeBack(slot);
      });
    }
    return afterMs;
  }

  #comeBack(slot: Slot): void {
    if (slot.successor !== undefined) {
      slot.instance = slot.successor;
      slot.successor = undefined;
      this.#endRecycling();
    } else if (this.#recovering) {
      slot.held = true;
      this.#plan.siblings.changed(this);
    } else {
      this.#boot(slot);
    }
  }

  /** Ends an instance that has done nothing wrong: its calls may finish, and its place is held. */
  #endForSiblings(slot: Slot): void {
    for (const instance of [slot.instance, slot.successor]) {
      if (instance === undefined) continue;
      slot.held = true;
      this.#ending.add(instance);
      this.#leaving.set(instance, 0);
    }
    const { instance, successor } = slot;
    slot.instance = undefined;
    slot.successor = undefined;
    const { drainMs } = this.#plan.limits;
    instance?.retire(drainMs);
    successor?.retire(drainMs);
    if (successor !== undefined) this.#endRecycling();
  }

  #startHeld(held: readonly Slot[]): void {
    const { siblings, worker, key } = this.#plan;
    const stuck = siblings.stuck(this);
    if (stuck !== undefined) {
      for (const slot of held) this.#park(slot, stuckError({ worker, key, index: slot.index }, stuck), false);
      for (const slot of held) this.#tellParked(slot);
    } else if (siblings.mayStart(this)) {
      for (const slot of held) if (!this.#waitsForPause(slot)) this.#boot(slot);
    }
  }

  /** Whether one that it is tied to is still to wait before its restart. */
  #waitsForPause(slot: Slot): boolean {
    if (this.strategy === 'one-for-one') return false;
    const all = this.strategy === 'all';
    return this.#slots.some((other) => other.timer !== undefined && (all || other.index < slot.index));
  }

  #park(slot: Slot, error: PacketError, report = true): void {
    slot.held = false;
    slot.parked = error;
    const { worker, key } = this.#plan;
    const pid = error.details.pid;
    const facts = { worker, key, index: slot.index, pid: typeof pid === 'number' ? pid : undefined };
    publish('packet:worker.parked', () => ({ ...facts, error }));
    if (report) this.#report(error);
    // Whoever waits for its start would wait for ever.
    const first = this.#firstBoot;
    if (first?.slots.has(slot) !== true) return;
    this.#firstBoot = undefined;
    first.reject(error);
  }

  #tellParked(slot: Slot): void {
    const parked = slot.parked === undefined ? undefined : this.parkedError;
    if (parked !== undefined) this.#client.parked(parked);
  }

  // ---- more and fewer, old and new -----------------------------------------------------------------------------------

  /** An instance above the minimum has nothing to do. */
  #putToSleep(instance: Instance): void {
    const slot = this.#slotOf(instance);
    if (slot === undefined || slot.successor !== undefined) return;
    this.#leaving.set(instance, undefined);
    slot.instance = undefined;
    instance.retire();
  }

  #recycle(old: Instance, reason: RecycleReason): void {
    const slot = this.#slotOf(old);
    if (slot === undefined) return;
    this.#recycled = { slot, old, reason };
    slot.successor = this.#open(slot);
  }

  /** The replacement is ready: only now the old one is let go. */
  #takeOver(slot: Slot, successor: Instance): void {
    const old = slot.instance;
    slot.instance = successor;
    slot.successor = undefined;
    slot.forgive();
    if (old === undefined) return;
    this.#recycledCount++;
    const calls = old.settledCalls;
    const ageMs = this.#clock.now() - old.readyAt;
    const reason = this.#recycled?.reason ?? 'calls';
    publish('packet:worker.recycled', () => ({ ...old.facts, reason, calls, ageMs, replacedBy: successor.facts.pid }));
    this.#leaving.set(old, undefined);
    old.retire();
  }

  #notReplaced(slot: Slot, successor: Instance, loss: WorkerLoss): void {
    slot.successor = undefined;
    this.#recycled = undefined;
    if (this.#stopping) return;
    this.#report(bootError(successor.facts, loss));
    this.#recycler.failed();
  }

  #endRecycling(): void {
    this.#recycled = undefined;
    this.#recycler.done();
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #report(error: PacketError): void {
    this.#plan.onError(error, `worker ${String(error.details.worker)}`);
  }

  #slotOf(instance: Instance): Slot | undefined {
    return this.#slots.find((slot) => slot.instance === instance || slot.successor === instance);
  }

  /** In the order of their places. */
  #readyInstances(): readonly Instance[] {
    const ready: Instance[] = [];
    for (const slot of this.#slots) if (slot.ready !== undefined) ready.push(slot.ready);
    return ready;
  }

  *#allInstances(): Iterable<Instance> {
    for (const { instance } of this.#slots) if (instance !== undefined) yield instance;
    yield* this.#leaving.keys();
  }
}

function inspectSlot(slot: Slot, now: number): InstanceInspection {
  const { index, instance, boots, lastEnd, parked } = slot;
  const live = instance?.inspect(now) ?? { ...NOTHING_RUNS, state: parked === undefined ? 'waiting' : 'parked' };
  return { ...live, index, restarts: Math.max(0, boots - 1), error: parked?.message ?? lastEnd };
}

const NOTHING_RUNS: Omit<LiveInspection, 'state'> = {
  pid: undefined,
  threadId: undefined,
  uptimeMs: undefined,
  running: 0,
  calls: [],
  done: 0,
  leasedCallbacks: 0,
  pendingBytes: 0,
  responsive: false,
  rssBytes: undefined,
  heapBytes: undefined,
  loopUtilization: undefined,
};

function firstBoot(): FirstBoot {
  let resolve = (): void => undefined;
  let reject: FirstBoot['reject'] = () => undefined;
  const done = new Promise<void>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  return { slots: new Set(), done, resolve, reject };
}
