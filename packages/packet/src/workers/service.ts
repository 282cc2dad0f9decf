import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import type {
  Ask,
  AskOptions,
  AskOrigin,
  DeferOptions,
  HandOff,
  HandOffSink,
  LiveConnection,
  Reactor,
  WorkerService,
  WorkersInspection,
  WorkersStats,
} from '../reactor/index.ts';
import { cancelledError, cycleError } from './call-errors.ts';
import type { Timing } from './call-watch.ts';
import { AskCall, type Call, CallTable, NestedCall, type NestedRequest, PromiseCall, RECEIVE_DATA } from './calls.ts';
import { type CarriedContext, captureContext, nestedContext } from './carried.ts';
import { DEFER, type DeferHost, type DeferPlan, Deferrals, deferDefinition } from './deferrals.ts';
import { ValueHolder } from './held-values.ts';
import type { Instance, OpenPlace } from './instance.ts';
import { type AdoptSource, type HandedConnection, handOver, liveSource } from './live-source.ts';
import { loadDefinitions, type WorkerDefinition } from './loader.ts';
import { takenFor } from './not-encodable.ts';
import { type OriginCalls, Origins } from './origins.ts';
import { findDeathSignal, type OrphanOrder, orphanOrder, starterFor } from './orphan-guard.ts';
import { inheritedExecArgv, inlinePlaces, processPlaces, threadPlaces } from './places.ts';
import { type CallTarget, Pool } from './pool.ts';
import type { CellName } from './protocol.ts';
import { checkAskOptions, checkCallOptions, type FaceHost, ProxyFaces, unknownWorkerError } from './proxy-faces.ts';
import { ProxySeat, type Watched } from './proxy-seat.ts';
import { seal } from './seal.ts';
import { Siblings, StartOrder } from './siblings.ts';
import type { WorkerCell } from './worker-cells.ts';
import { WorkerLogs } from './worker-logs.ts';
import { serviceRows, type WorkerLimits } from './worker-options.ts';
import type { WorkerProxy } from './worker-proxy.ts';
import type { CallOptions, WorkerProxies } from './worker-registry.ts';

/** What {@link createWorkerService} is made from. */
export interface WorkerServiceOptions {
  /** Folder of worker files, read once; without one there are only deferred functions. */
  readonly folder?: URL | undefined;
  /** Module that each worker, and the probe that reads the folder, imports before anything else. */
  readonly setup?: URL | undefined;
  readonly clock: Clock;
  /** Makes the reactor of an inline worker. */
  readonly makeReactor: () => Reactor;
  /** Gives up reading the folder. */
  readonly signal?: AbortSignal | undefined;
  /** Gets the service before its workers are ready, so that it can be closed while they start. */
  readonly made?: ((workers: Workers) => void) | undefined;
  /** Node's own options for worker processes and threads. @defaultValue those of this process, without what concerns debugging and tests */
  readonly execArgv?: readonly string[] | undefined;
  /** Runs every worker so, whatever its config says: `inline` for tests. */
  readonly transport?: WorkerLimits['transport'] | undefined;
  /** Folder for a log file of each instance, made if it is not there. @defaultValue their output goes to this process's own */
  readonly logs?: URL | undefined;
  /** How functions are deferred; without it none are. */
  readonly defer?: DeferPlan | undefined;
  /** Hears what no caller hears: deaths outside calls, parking, hooks that threw. */
  readonly onError: (error: unknown, where: string) => void;
  /** Runs a hook of a proxy so that one that holds the event loop is told of. @defaultValue plainly */
  readonly watched?: Watched | undefined;
}

/** The workers of one reactor. */
export type Workers = WorkerService;

const ABORTED = 'its signal was aborted';
const GONE = 'the connection that asked is gone';

/**
 * Reads the folder and starts its workers, those without `autoLoad: false`. Resolves when they are ready.
 * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` naming the file and why, `ERR_PACKET_WORKER_BOOT`, or `ERR_PACKET_FILE` when no
 * log can be written; nothing is left running.
 */
export async function createWorkerService(options: WorkerServiceOptions): Promise<Workers> {
  const logs = options.logs === undefined ? undefined : new WorkerLogs(options.logs, options.onError);
  const deathSignal = await findDeathSignal();
  const { folder } = options;
  const definitions = folder === undefined ? [] : await loadDefinitions({ ...options, folder, deathSignal });
  const service = new Service(options, definitions, deathSignal, logs);
  options.made?.(service);
  try {
    await service.startAll();
  } catch (error) {
    await service.close(0);
    throw error;
  }
  return service;
}

class Service implements Workers, FaceHost {
  readonly #options: WorkerServiceOptions;
  readonly #definitions: ReadonlyMap<string, WorkerDefinition>;
  readonly #deathSignal: readonly string[] | undefined;
  readonly #origins = new Origins();
  readonly #table: CallTable;
  readonly #pools = new Map<string, Pool>();
  readonly #holder = new ValueHolder();
  readonly #faces: ProxyFaces;
  readonly #logs: WorkerLogs | undefined;
  readonly #timing: Timing = { on: false };
  readonly #deferrals: Deferrals | undefined;
  readonly #order: StartOrder;
  readonly #siblings: Siblings;
  readonly names: readonly string[];
  /** All workers with their methods, for workers that call them. */
  readonly #directory: Readonly<Record<string, readonly string[]>>;
  #closed = false;

  constructor(
    options: WorkerServiceOptions,
    definitions: readonly WorkerDefinition[],
    deathSignal: readonly string[] | undefined,
    logs: WorkerLogs | undefined,
  ) {
    this.#options = options;
    this.#logs = logs;
    this.#deathSignal = deathSignal;
    this.names = definitions.map(({ name }) => name).sort();
    const { defer, clock } = options;
    const own = defer === undefined ? [] : [deferDefinition(defer)];
    this.#definitions = new Map([...definitions, ...own].map((definition) => [definition.name, definition]));
    this.#deferrals = defer === undefined ? undefined : new Deferrals(this.#deferHost(clock), defer);
    this.#directory = Object.fromEntries(this.names.map((name) => [name, this.methodsOf(name)]));
    this.#table = new CallTable(options.clock, this.#origins, options.onError);
    this.#faces = new ProxyFaces(this);
    this.#table.route = (request) => this.#nested(request);
    this.#order = new StartOrder(definitions);
    this.#siblings = new Siblings(this.#order);
  }

  async startAll(): Promise<void> {
    const started = new Map<string, Promise<void>>();
    for (const name of this.#order.names) {
      const { limits, after } = this.#definition(name);
      if (limits.autoLoad) started.set(name, this.#startAfter(name, after, started));
    }
    await Promise.all(started.values());
  }

  async #startAfter(
    name: string,
    after: readonly string[],
    started: ReadonlyMap<string, Promise<void>>,
  ): Promise<void> {
    await Promise.all(after.map((before) => started.get(before)));
    await this.start(name, {});
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  ask(origin: AskOrigin, worker: string, data: unknown, options: AskOptions): Ask {
    checkAskOptions(worker, options);
    const calls = this.#origins.of(origin);
    const target = this.#target(worker, options.key);
    const call = new AskCall(
      this.#table.nextId(),
      target,
      RECEIVE_DATA,
      [data],
      calls,
      this.#options.clock.now(),
      this.#deadlineMs(worker, options),
    );
    call.context = this.#capture();
    const ask: Ask = { id: call.id, worker, cancel: () => this.#cancel(call, 'its ask was cancelled') };
    call.ask = ask;
    call.pickKey = options.pickKey;
    this.#submit(target, call, undefined);
    return ask;
  }

  call(
    worker: string,
    method: string,
    args: readonly unknown[],
    options: CallOptions,
    origin: OriginCalls | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const target = this.#target(worker, options.key);
      const call = this.#promiseCall(target, method, args, options, origin);
      call.resolve = resolve;
      call.reject = reject;
      call.pickKey = options.pickKey;
      this.#submit(target, call, options.signal);
    });
  }

  async defer(module: URL, name: string, args: readonly unknown[], options: DeferOptions): Promise<unknown> {
    if (this.#closed) throw closedError(DEFER);
    if (this.#deferrals === undefined) throw unknownWorkerError(DEFER, this.names);
    return await this.#deferrals.run(module, name, args, checkCallOptions(DEFER, options));
  }

  async broadcast(
    worker: string,
    method: string,
    args: readonly unknown[],
    options: CallOptions,
    origin: OriginCalls | undefined,
  ): Promise<PromiseSettledResult<unknown>[]> {
    const target = this.#target(worker, options.key);
    const results = target.ready().map((instance) => {
      return new Promise<unknown>((resolve, reject) => {
        const call = this.#promiseCall(target, method, args, options, origin);
        call.resolve = resolve;
        call.reject = reject;
        call.only = instance;
        this.#submit(target, call, options.signal);
      });
    });
    return await Promise.allSettled(results);
  }

  async room(worker: string, options: CallOptions, origin: OriginCalls | undefined): Promise<void> {
    const { signal } = options;
    const wait = this.#target(worker, options.key);
    if (origin === undefined) await wait.room(signal);
    else await origin.whileOpen(signal, (either) => wait.room(either));
  }

  proxies(origin?: AskOrigin): WorkerProxies {
    const faces = this.#faces.for(origin === undefined ? undefined : this.#origins.of(origin));
    return faces as WorkerProxies;
  }

  originClosed(origin: AskOrigin): void {
    for (const call of this.#origins.close(origin)) this.#cancel(call, GONE);
  }

  proxy(worker: string, key: string | undefined): WorkerProxy {
    const pool = this.#pools.get(poolKey(worker, key));
    if (pool === undefined) throw notRunningError(worker, key, this.names);
    return pool.proxy;
  }

  cell(worker: string, key: string | undefined, name: CellName): WorkerCell {
    const pool = this.#pools.get(poolKey(worker, key));
    if (pool === undefined) throw notRunningError(worker, key, this.names);
    return pool.cellOf(name);
  }

  methodsOf(worker: string): readonly string[] {
    return this.#definitions.get(worker)?.methods ?? [];
  }

  stats(): WorkersStats {
    return { unsettled: this.#table.unsettled, pools: [...this.#pools.values()].map((pool) => pool.stats()) };
  }

  async inspect(): Promise<WorkersInspection> {
    const pools = [...this.#pools.values()];
    let timer: ClockTimer | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = this.#options.clock.setTimer(serviceRows.inspectWaitMs.fallback, resolve, false);
    });
    await Promise.race([Promise.all(pools.map((pool) => pool.freshFigures())), patience]);
    timer?.cancel();
    return { unsettled: this.#table.unsettled, pools: pools.map((pool) => pool.inspect()) };
  }

  recordTimes(): void {
    this.#timing.on = true;
  }

  // ---- live connections ----------------------------------------------------------------------------------------------

  adopt(worker: string, key: string | undefined, live: LiveConnection, sink: HandOffSink): HandOff {
    this.checkAdopts(worker);
    const pool = this.#pools.get(poolKey(worker, key));
    if (pool !== undefined) return pool.adopt(live, sink);
    throw this.#closed ? closedError(worker) : notRunningError(worker, key, this.names);
  }

  checkAdopts(worker: string): void {
    if (this.#definition(worker).adopts) return;
    const message = `worker "${worker}" has no adopted(), so it takes no connections`;
    throw new PacketError('ERR_PACKET_WORKER_METHOD', message, { details: { worker, method: 'adopted' } });
  }

  async handOver(worker: string, key: string | undefined, source: AdoptSource): Promise<HandedConnection> {
    const live = liveSource(worker, source);
    return await handOver(live, (sink) => this.adopt(worker, key, live, sink));
  }

  // ---- start and stop ------------------------------------------------------------------------------------------------

  async start(worker: string, start: { readonly key?: string; readonly options?: unknown }): Promise<void> {
    const { key } = start;
    const definition = this.#definition(worker);
    if (this.#closed) throw closedError(worker);
    const name = poolKey(worker, key);
    const existing = this.#pools.get(name);
    if (existing?.revivable === true) return existing.start();
    if (existing !== undefined) throw existsError(worker, key);
    const options = takenFor(`worker "${worker}" start, options`, () => {
      return start.options === undefined ? undefined : seal(start.options);
    });
    const pool = this.#makePool(definition, key, options);
    this.#pools.set(name, pool);
    try {
      await pool.start();
    } catch (error) {
      await pool.stop(0, error instanceof PacketError ? error : undefined);
      this.#pools.delete(name);
      throw error;
    }
  }

  async stop(worker: string, key?: string): Promise<void> {
    const { limits } = this.#definition(worker);
    const name = poolKey(worker, key);
    const pool = this.#pools.get(name);
    if (pool === undefined) return;
    await pool.stop(limits.drainMs);
    if (this.#pools.get(name) === pool) this.#pools.delete(name);
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#deferrals?.close();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stop(graceMs)));
    this.#pools.clear();
    await this.#logs?.close();
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #deferHost(clock: Clock): DeferHost {
    return {
      clock,
      start: () => this.start(DEFER, {}),
      stop: () => this.stop(DEFER),
      call: (args, options) => this.call(DEFER, 'run', args, options, undefined),
      hold: (args) => this.#holder.hold(args, (lendable) => lendable).value as readonly unknown[],
    };
  }

  #makePool(definition: WorkerDefinition, key: string | undefined, options: Uint8Array | undefined): Pool {
    const { name: worker, limits, url, ProxyClass } = definition;
    const orphan = orphanOrder(this.#deathSignal, definition.unbinds);
    const { setup, onError, watched } = this.#options;
    const transport = this.#options.transport ?? limits.transport;
    return new Pool({
      worker,
      key,
      limits,
      transport,
      order: (index) => ({
        worker,
        key,
        index,
        url,
        setup: setup?.href,
        options,
        orphan,
        workers: this.#directory,
        leases: limits.leases,
        handlesInFlight: limits.handlesInFlight,
      }),
      open: this.#places(definition, transport, orphan),
      table: this.#table,
      siblings: this.#siblings,
      seat: new ProxySeat(ProxyClass, worker, key, onError, watched),
      holder: this.#holder,
      logs: this.#logs,
      timing: this.#timing,
      onError,
    });
  }

  #places(definition: WorkerDefinition, transport: WorkerLimits['transport'], orphan: OrphanOrder): OpenPlace {
    const { name, execArgv, threadMemory } = definition;
    const { clock, makeReactor, execArgv: all } = this.#options;
    switch (transport) {
      case 'inline':
        return inlinePlaces(clock, makeReactor);
      case 'process':
        return processPlaces([...(all ?? inheritedExecArgv()), ...execArgv], starterFor(orphan, this.#deathSignal));
      case 'thread': {
        // Left alone, a thread inherits more than it could be given.
        const own =
          all === undefined && execArgv.length === 0 ? undefined : [...(all ?? inheritedExecArgv()), ...execArgv];
        return threadPlaces({ name, execArgv: own, resourceLimits: threadMemory });
      }
    }
  }

  #definition(worker: string): WorkerDefinition {
    const definition = this.#definitions.get(worker);
    if (definition === undefined) throw unknownWorkerError(worker, this.names);
    return definition;
  }

  #target(worker: string, key: string | undefined): CallTarget {
    const pool = this.#pools.get(key === undefined ? worker : poolKey(worker, key));
    if (pool !== undefined) return pool;
    this.#definition(worker);
    const error = this.#closed ? closedError(worker) : notRunningError(worker, key, this.names);
    return new AbsentWorker(worker, key, error, this.#table);
  }

  /** A call of a worker's to another. */
  #nested({ target: name, args, parent, deadlineMs, carried, ...caller }: NestedRequest): Call {
    const { worker, key, pickKey, method } = name;
    const target = this.#target(worker, key);
    const chain = chainOf(parent);
    // One without an instance is with its proxy, which has parts of it done.
    const held = chain.filter((call) => call.holder === target && call.instance !== undefined && !call.settled);
    if (held.length >= target.capacity) throw cycleError(worker, method, chain, 'deadlock');
    if (chain.length >= serviceRows.callDepth.fallback) throw cycleError(worker, method, chain, 'depth');
    const call = new NestedCall(
      this.#table.nextId(),
      target,
      method,
      args,
      undefined,
      this.#options.clock.now(),
      deadlineMs ?? this.#definition(worker).limits.deadlineMs,
      parent,
    );
    call.caller = caller;
    call.pickKey = pickKey;
    call.context = nestedContext(parent?.context, carried);
    target.submit(call);
    return call;
  }

  #promiseCall(
    target: CallTarget,
    method: string,
    args: readonly unknown[],
    options: CallOptions,
    origin: OriginCalls | undefined,
  ): PromiseCall {
    const now = this.#options.clock.now();
    const deadlineMs = this.#deadlineMs(target.worker, options);
    const call = new PromiseCall(this.#table.nextId(), target, method, args, origin, now, deadlineMs);
    call.context = this.#capture();
    const { signal } = options;
    if (signal !== undefined) call.listen(signal, () => this.#cancel(call, ABORTED, signal.reason));
    return call;
  }

  /** Lets the call begin, unless its caller gave up before. */
  #submit(target: CallTarget, call: Call, signal: AbortSignal | undefined): void {
    if (signal?.aborted !== true && call.origin?.closed !== true) {
      target.submit(call);
      return;
    }
    const why = signal?.aborted === true ? ABORTED : GONE;
    this.#table.begin(call);
    this.#table.refuse(call, cancelledError(call, why, signal?.reason));
  }

  #capture(): CarriedContext | undefined {
    return captureContext((value) => this.#holder.hold(value).value);
  }

  #deadlineMs(worker: string, options: AskOptions): number {
    return options.deadlineMs ?? this.#definition(worker).limits.deadlineMs;
  }

  #cancel(call: Call, why: string, cause?: unknown): void {
    if (!call.settled) this.#table.drop(call, cancelledError(call, why, cause));
  }
}

/** Stands for a worker that is known and does not run: every call to it fails. */
class AbsentWorker implements CallTarget {
  readonly worker: string;
  readonly key: string | undefined;
  readonly capacity: number = Number.POSITIVE_INFINITY;
  readonly #error: PacketError;
  readonly #table: CallTable;

  constructor(worker: string, key: string | undefined, error: PacketError, table: CallTable) {
    this.worker = worker;
    this.key = key;
    this.#error = error;
    this.#table = table;
  }

  submit(call: Call): void {
    this.#table.begin(call);
    this.#table.refuse(call, this.#error);
  }

  ready(): readonly Instance[] {
    throw this.#error;
  }

  room(): Promise<void> {
    return Promise.reject(this.#error);
  }

  letGo(): void {}
  late(): void {}
  begun(): void {}
  settled(): void {}

  replied(_call: Call, value: unknown): unknown {
    return value;
  }
}

/** The calls a worker's call is made for, the first first. */
function chainOf(parent: Call | undefined): readonly Call[] {
  const chain: Call[] = [];
  for (let call = parent; call !== undefined; call = call.parent) chain.unshift(call);
  return chain;
}

/** Worker names hold no NUL, as file names do not. */
function poolKey(worker: string, key: string | undefined): string {
  return key === undefined ? worker : `${worker}\0${key}`;
}

function nameOf(worker: string, key: string | undefined): string {
  return key === undefined ? `worker "${worker}"` : `worker "${worker}" with key "${key}"`;
}

function notRunningError(worker: string, key: string | undefined, known: readonly string[]): PacketError {
  return new PacketError('ERR_PACKET_WORKER_UNKNOWN', `${nameOf(worker, key)} does not run: startWorker starts it`, {
    details: { worker, ...(key === undefined ? {} : { key }), known },
  });
}

function existsError(worker: string, key: string | undefined): PacketError {
  const message = `${nameOf(worker, key)} runs already, or is still being stopped`;
  return new PacketError('ERR_PACKET_WORKER_EXISTS', message, {
    details: { worker, ...(key === undefined ? {} : { key }) },
  });
}

function closedError(worker: string): PacketError {
  return new PacketError('ERR_PACKET_STOPPED', `worker "${worker}": the workers are stopped`, { details: { worker } });
}
