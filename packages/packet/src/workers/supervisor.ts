import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { publish, type WorkerFacts } from '../events.ts';
import type { InstanceInspection } from '../reactor/index.ts';
import { endOf, type WorkerLoss } from './call-errors.ts';
import type { Call, CallTable } from './calls.ts';
import { Instance, type InstanceOwner, type LiveInspection, type OpenPlace } from './instance.ts';
import type { LeaseCount } from './lender.ts';
import type { BootOrder, CellValue } from './protocol.ts';
import type { WorkerLogs } from './worker-logs.ts';
import { serviceRows, type WorkerLimits } from './worker-options.ts';

/** What a supervisor keeps alive. */
export interface SupervisorPlan {
  /** The order of the instance at `index`. */
  readonly order: (index: number) => BootOrder;
  readonly limits: WorkerLimits;
  readonly open: OpenPlace;
  readonly table: CallTable;
  /** What is lent to all of them. */
  readonly leased: LeaseCount;
  /** Where the instances' output is kept, if it is. */
  readonly logs: WorkerLogs | undefined;
  readonly onError: (error: unknown, where: string) => void;
}

/** Who uses the instances: the pool. */
export interface SupervisorClient {
  up(instance: Instance): void;
  relieved(): void;
  /** It takes no calls any more, or never took one. May come twice. */
  down(instance: Instance): void;
  unsolicited(instance: Instance, value: unknown): void;
  cell(instance: Instance, value: CellValue): void;
  notStarted(call: Call): void;
  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void;
  /** No instance is up and none will be. */
  parked(error: PacketError): void;
}

/**
 * One place of a pool.
 *
 *   IDLE ──> RUNNING (booting or ready) ──lost──> WAITING (back-off) ──> RUNNING
 *                                          └────> PARKED ──start──> RUNNING
 */
interface Slot {
  readonly index: number;
  instance: Instance | undefined;
  timer: ClockTimer | undefined;
  /** Restarts in a row that did no good. */
  restarts: number;
  /** Instances it had. */
  boots: number;
  /** Restarts in a row for which the system had no process or descriptor. */
  starved: number;
  readonly failures: string[];
  parked: PacketError | undefined;
}

/** A start somebody waits for. */
interface FirstBoot {
  readonly slots: Set<Slot>;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: PacketError): void;
}

/** Keeps a pool's instances alive: boots them, replaces them with back-off, and parks what only crashes. */
export class Supervisor implements InstanceOwner {
  readonly #plan: SupervisorPlan;
  readonly #client: SupervisorClient;
  readonly #clock: Clock;
  readonly #slots: Slot[] = [];
  /** Isolated instances on their way out; their places have been given away. */
  readonly #leaving = new Set<Instance>();
  #firstBoot: FirstBoot | undefined;
  #stopping = false;

  constructor(plan: SupervisorPlan, client: SupervisorClient) {
    this.#plan = plan;
    this.#client = client;
    this.#clock = plan.table.clock;
    for (let index = 0; index < plan.limits.pool; index++) {
      this.#slots.push({
        index,
        instance: undefined,
        timer: undefined,
        restarts: 0,
        boots: 0,
        starved: 0,
        failures: [],
        parked: undefined,
      });
    }
  }

  /** Set when every place is parked. */
  get parkedError(): PacketError | undefined {
    let error: PacketError | undefined;
    for (const slot of this.#slots) {
      if (slot.parked === undefined) return undefined;
      error = slot.parked;
    }
    return error;
  }

  /** How many are up, booting, waiting for their restart, parked. */
  counts(): { readonly ready: number; readonly booting: number; readonly waiting: number; readonly parked: number } {
    const counts = { ready: 0, booting: 0, waiting: 0, parked: 0 };
    for (const { instance, parked } of this.#slots) {
      if (parked !== undefined) counts.parked++;
      else if (instance === undefined) counts.waiting++;
      else if (instance.isReady) counts.ready++;
      else counts.booting++;
    }
    return counts;
  }

  /** What each place and each instance is at. */
  inspect(): readonly InstanceInspection[] {
    const now = this.#clock.now();
    const places = this.#slots.map((slot) => inspectSlot(slot, now));
    const leaving = [...this.#leaving].map((instance) => ({
      ...instance.inspect(now),
      index: instance.facts.index,
      restarts: 0,
      error: undefined,
    }));
    return [...places, ...leaving];
  }

  /** Asks all that are up for their figures; resolves when they have answered, which one that is blocked does not. */
  async freshFigures(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.instance?.freshFigures()));
  }

  /**
   * Boots all that do not run: at the first start, and again what is parked. Resolves when they are ready.
   * @throws PacketError `ERR_PACKET_WORKER_BOOT` when one of them fails; the others are left as they are.
   */
  start(): Promise<void> {
    const idle = this.#slots.filter((slot) => slot.instance === undefined && slot.timer === undefined);
    const first = this.#firstBoot ?? firstBoot();
    if (idle.length > 0) this.#firstBoot = first;
    else if (this.#firstBoot === undefined) first.resolve();
    for (const slot of idle) {
      first.slots.add(slot);
      slot.parked = undefined;
      slot.restarts = 0;
      this.#boot(slot);
    }
    return first.done;
  }

  /** Ends all; nothing is restarted any more. Resolves when every one is gone. A later call may shorten the grace. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#firstBoot?.reject(new PacketError('ERR_PACKET_STOPPED', 'the worker was stopped before it was ready'));
    this.#firstBoot = undefined;
    const going: Promise<void>[] = [];
    for (const slot of this.#slots) {
      slot.timer?.cancel();
      slot.timer = undefined;
      if (slot.instance !== undefined) going.push(slot.instance.end(graceMs));
    }
    for (const instance of this.#leaving) going.push(instance.end(graceMs));
    await Promise.all(going);
  }

  // ---- what instances report -----------------------------------------------------------------------------------------

  ready(instance: Instance): void {
    const bootMs = instance.readyAt - instance.startedAt;
    publish('packet:worker.started', () => ({ ...instance.facts, bootMs }));
    this.#client.up(instance);
    const first = this.#firstBoot;
    const slot = this.#slotOf(instance);
    if (first === undefined || slot === undefined || !first.slots.delete(slot) || first.slots.size > 0) return;
    this.#firstBoot = undefined;
    first.resolve();
  }

  relieved(): void {
    this.#client.relieved();
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
    this.#leaving.add(instance);
    slot.instance = undefined;
    this.#boot(slot);
  }

  lost(instance: Instance, loss: WorkerLoss, calls: readonly Call[]): void {
    this.#client.down(instance);
    const slot = this.#slotOf(instance);
    this.#leaving.delete(instance);
    let restartInMs: number | undefined;
    if (slot !== undefined) {
      slot.instance = undefined;
      if (!this.#stopping) restartInMs = this.#afterLoss(slot, instance, loss);
      // Where calls were lost, their callers hear of it; a parked or never started one is reported as such.
      const unheard = restartInMs !== undefined && calls.length === 0;
      if (unheard || (this.#stopping && loss.error !== undefined)) this.#report(exitError(instance.facts, loss));
    }
    const { exitCode, signal } = loss;
    publish('packet:worker.exited', () => ({ ...instance.facts, exitCode, signal, lost: calls.length, restartInMs }));
    this.#client.lost(instance, loss, calls);
    const parked = this.parkedError;
    if (slot?.parked !== undefined && parked !== undefined) this.#client.parked(parked);
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #boot(slot: Slot): void {
    slot.timer = undefined;
    slot.boots++;
    const { table, limits, open, leased, logs } = this.#plan;
    const order = this.#plan.order(slot.index);
    slot.instance = new Instance(this, table, limits, open, order, leased, logs?.open(order));
  }

  /** Decides what follows a death. Returns the pause before the restart, `undefined` when there is none. */
  #afterLoss(slot: Slot, instance: Instance, loss: WorkerLoss): number | undefined {
    const first = this.#firstBoot;
    const wasReady = !Number.isNaN(instance.readyAt);
    if (first?.slots.has(slot) === true && !wasReady) {
      this.#firstBoot = undefined;
      slot.parked = bootError(instance.facts, loss);
      first.reject(slot.parked);
      return undefined;
    }
    if (isStarved(loss)) return this.#restart(slot, ++slot.starved + slot.restarts);
    slot.starved = 0;
    const { limits } = this.#plan;
    const livedMs = this.#clock.now() - instance.readyAt;
    if (wasReady && (instance.settledCalls > 0 || livedMs >= limits.healthyMs)) {
      slot.restarts = 0;
      slot.failures.length = 0;
    }
    slot.failures.push(endOf(loss));
    if (slot.failures.length > serviceRows.failuresKept.fallback) slot.failures.shift();
    slot.restarts++;
    // A call that kills its worker must not be able to have the worker parked: then one caller could stop all others.
    if (slot.restarts > limits.maxRestarts && !(wasReady && instance.blamedOnCall)) {
      this.#park(slot, instance.facts, loss);
      return undefined;
    }
    return this.#restart(slot, slot.restarts);
  }

  #restart(slot: Slot, attempts: number): number {
    const pauseMs = this.#pauseMs(attempts);
    if (pauseMs === 0) this.#boot(slot);
    else slot.timer = this.#clock.setTimer(pauseMs, () => this.#boot(slot));
    return pauseMs;
  }

  #pauseMs(restarts: number): number {
    if (restarts <= 1) return 0;
    const { restartBaseMs, restartMaxMs } = this.#plan.limits;
    // Instances that died together must not come back together.
    const jitter = 0.5 + Math.random() / 2;
    return Math.min(restartMaxMs, restartBaseMs * 2 ** Math.min(restarts - 2, 52)) * jitter;
  }

  #park(slot: Slot, facts: WorkerFacts, loss: WorkerLoss): void {
    const failures = [...slot.failures];
    const error = new PacketError(
      'ERR_PACKET_WORKER_PARKED',
      `${nameOf(facts)} is parked after ${slot.restarts} deaths in a row; the last: ${failures.join('; ')}`,
      {
        ...(loss.error === undefined ? {} : { cause: loss.error }),
        details: { ...facts, deaths: slot.restarts, failures, stderr: loss.stderr },
      },
    );
    slot.parked = error;
    publish('packet:worker.parked', () => ({ ...facts, error }));
    this.#report(error);
  }

  #report(error: PacketError): void {
    this.#plan.onError(error, `worker ${String(error.details.worker)}`);
  }

  #slotOf(instance: Instance): Slot | undefined {
    return this.#slots.find((slot) => slot.instance === instance);
  }
}

function inspectSlot(slot: Slot, now: number): InstanceInspection {
  const { index, instance, boots, failures, parked } = slot;
  const live = instance?.inspect(now) ?? { ...NOTHING_RUNS, state: parked === undefined ? 'waiting' : 'parked' };
  return { ...live, index, restarts: Math.max(0, boots - 1), error: parked?.message ?? failures.at(-1) };
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

const NO_RESOURCES: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);

/** Whether the system could not start the process at all: nothing is wrong with the worker, and it may well go next time. */
function isStarved({ exitCode, signal, error }: WorkerLoss): boolean {
  if (exitCode !== undefined || signal !== undefined || !(error instanceof PacketError)) return false;
  return error.code === 'ERR_PACKET_WORKER_BOOT' && NO_RESOURCES.has(error.details.errno);
}

/** How an instance is named in messages. */
function nameOf({ worker, key, index }: WorkerFacts): string {
  return `worker "${worker}"${key === undefined ? '' : ` key "${key}"`} (instance ${index})`;
}

function exitError(facts: WorkerFacts, loss: WorkerLoss): PacketError {
  return lossError('ERR_PACKET_WORKER_LOST', `${nameOf(facts)} ended: ${endOf(loss)}`, facts, loss);
}

function bootError(facts: WorkerFacts, loss: WorkerLoss): PacketError {
  return lossError('ERR_PACKET_WORKER_BOOT', `${nameOf(facts)} did not start: ${endOf(loss)}`, facts, loss);
}

function lossError(
  code: 'ERR_PACKET_WORKER_LOST' | 'ERR_PACKET_WORKER_BOOT',
  message: string,
  facts: WorkerFacts,
  loss: WorkerLoss,
): PacketError {
  const { exitCode, signal, stderr, error } = loss;
  return new PacketError(code, message, {
    ...(error === undefined ? {} : { cause: error }),
    details: { ...facts, exitCode, signal, stderr },
  });
}
