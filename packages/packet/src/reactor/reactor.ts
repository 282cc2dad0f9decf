import { type Clock, systemClock } from '../clock.ts';
import { Deadlines } from '../deadlines.ts';
import { PacketError } from '../errors.ts';
import { publish } from '../events.ts';
import { optionError } from '../options.ts';
import { type AttachSource, createPortableEngine, type Engine } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import { readLists } from './accepting/accept-options.ts';
import { DescriptorCeiling } from './accepting/descriptors.ts';
import { beginAttached, planAttach } from './attaching.ts';
import { BlockedWatch } from './blocked-watch.ts';
import { checkResolver } from './connecting/client-plan.ts';
import { Clients } from './connecting/clients.ts';
import type { ReconnectOptions, Reconnector } from './connecting/reconnector.ts';
import { createResolver } from './connecting/resolver.ts';
import type { Connection } from './connection.ts';
import {
  type AttachOptions,
  AttachPlans,
  type ClientOptions,
  type ConnectTo,
  endpointOf,
  type ListenAt,
  resolveServerOptions,
  type ServerOptions,
} from './connection-options.ts';
import type { Overdue } from './deadline.ts';
import {
  checkDeferred,
  type DeferArguments,
  type DeferOptions,
  type DeferResult,
  type FunctionName,
  type ModuleUrl,
} from './deferring.ts';
import { type DrainOptions, type DrainReport, OpenConnections, resolveDrain } from './drain.ts';
import { ErrorHook } from './error-hook.ts';
import { type AdoptedBy, checkHandOver, isAdoptedBy } from './handing-over.ts';
import { argumentsOf, type ConnectionClass, checkHandler, type HandlerArgs } from './handler-class.ts';
import { checkInspectionOptions, type InspectionOptions, InspectionServer } from './inspection-server.ts';
import { Listener, type ListenerHost } from './listener.ts';
import { type ReactorOptions, resolveReactorOptions } from './reactor-options.ts';
import type { Service } from './restart/service.ts';
import { ServiceLink } from './restart/service-link.ts';
import type { RestartOptions } from './restart/successor.ts';
import { runToEnd } from './running.ts';
import { ListenerTls, TlsSettings } from './securing.ts';
import { ShutdownHooks } from './shutdown-hooks.ts';
import { AcceptCounts, type ReactorStats } from './stats.ts';
import { type Timer, Timers } from './timers.ts';
import type { WorkersInspection } from './worker-inspection.ts';
import type { WorkerService } from './worker-service.ts';

/**
 * An event loop's worth of servers, connections, timers and workers, with one owner: `stop()` closes all of them.
 *
 * Several may live in one process; stopping one leaves the others unharmed.
 */
export class Reactor {
  readonly #options: ReactorOptions;
  readonly #drainMs: number;
  readonly #defer: { readonly pool: number; readonly idleMs: number };
  readonly #clock: Clock;
  readonly #engine: Engine;
  readonly #watch: BlockedWatch;
  readonly #errors: ErrorHook;
  readonly #hooks: ShutdownHooks;
  readonly #link: ServiceLink | undefined;
  readonly #timers: Timers;
  readonly #attachPlans = new AttachPlans();
  readonly #madeAt: number;
  readonly #counts = new AcceptCounts();
  readonly #tls = new TlsSettings();
  readonly #connections = new OpenConnections();
  readonly #listeners = new Set<Listener>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #inspections = new Set<InspectionServer>();
  readonly #host: ListenerHost;
  readonly #clients: Clients;
  /** Resolves when the reactor has been stopped and everything is closed. */
  readonly stopped: Promise<DrainReport>;
  #resolveStopped: (report: DrainReport) => void = () => undefined;
  #workers: WorkerService | undefined;
  #started: Promise<void> | undefined;
  /** The workers of one that has no folder of them, once it defers. */
  #deferring: Promise<void> | undefined;
  /** Ends the reading of the worker folder, which may hang in a file's import. */
  readonly #givenUp = new AbortController();
  #stopping: Promise<DrainReport> | undefined;
  /** Its connections are gone, so there is nothing left that timers and ticks could be for. */
  #drained = false;
  /** Whether its workers are ready. */
  #ready = false;
  #nextId = 1;
  #descriptors: DescriptorCeiling | undefined;

  /**
   * Makes a reactor without starting its workers; most programs use {@link Reactor.run}.
   * @throws PacketError `ERR_PACKET_OPTION`.
   */
  constructor(options: ReactorOptions = {}) {
    const { drainMs, blockedWarnMs, deferPool, deferIdleMs } = resolveReactorOptions(options);
    this.#drainMs = drainMs;
    this.#defer = { pool: deferPool, idleMs: deferIdleMs };
    checkResolver('Reactor', options.resolver);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#madeAt = this.#clock.now();
    this.#watch = new BlockedWatch(this.#clock, blockedWarnMs);
    this.#errors = new ErrorHook(options.onError, this.#watch);
    this.#hooks = new ShutdownHooks(this.#errors);
    this.#timers = new Timers(this.#clock, (callback) => void this.#errors.guard('timer', callback));
    const engine = options.engine ?? createPortableEngine();
    this.#link = options.service === undefined ? undefined : this.#linkTo(options.service, engine);
    this.#engine = this.#link?.engine ?? engine;
    this.#host = this.#makeHost();
    this.#clients = new Clients({
      host: this.#host,
      resolver: options.resolver ?? createResolver(),
      tls: this.#tls,
      timers: this.#timers,
      errors: this.#errors,
      checkRunning: (what) => this.#checkRunning(what),
    });
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  /**
   * Runs a reactor until it is stopped: starts its workers, calls `init`, and resolves when everything is closed.
   *
   * SIGINT and SIGTERM drain it, a second one cuts what is left; with a `service` SIGUSR2 restarts the program. The handlers are
   * gone afterwards. Without workers it also
   * stops when nothing is left that could happen; with them it runs until it is stopped. A rejected or throwing `init` stops it and is thrown on;
   * one that has not ended when it is stopped is not waited for, and what it throws then reaches the error hook.
   */
  static async run(init: (reactor: Reactor) => unknown): Promise<void>;
  static async run(options: ReactorOptions, init: (reactor: Reactor) => unknown): Promise<void>;
  static async run(
    first: ReactorOptions | ((reactor: Reactor) => unknown),
    second?: (reactor: Reactor) => unknown,
  ): Promise<void> {
    const init = typeof first === 'function' ? first : second;
    if (typeof init !== 'function') throw optionError('Reactor.run', 'init', 'a function', init);
    const reactor = new Reactor(typeof first === 'function' ? {} : first);
    await runToEnd({
      reactor,
      init: () => init(reactor),
      restartSignal: reactor.#options.service?.restartSignal,
      isStopping: () => reactor.#stopping !== undefined,
      hasStarted: () => reactor.#ready,
      report: (error, where) => reactor.#errors.report(error, where, undefined),
    });
  }

  /**
   * Starts the workers; resolves when each that starts by itself is ready. Idempotent; `run` does it.
   * @throws PacketError `ERR_PACKET_WORKER_DEFINITION`, `ERR_PACKET_WORKER_BOOT` or `ERR_PACKET_STOPPED`.
   */
  async start(): Promise<void> {
    this.#checkRunning('start');
    this.#started ??= this.#startWorkers();
    await this.#started;
    this.#ready = true;
  }

  /**
   * Says that start-up is complete; `run` does it when `init` is done, one whose `init` does not end does it there. With a
   * `service` it begins to serve on sockets the process before handed on, tells that process, which lets go of them, and the service manager.
   * Idempotent.
   * @throws PacketError `ERR_PACKET_STOPPED`, or `ERR_PACKET_LISTEN` when a socket that was handed on cannot be used.
   */
  async ready(): Promise<void> {
    this.#checkRunning('ready');
    await this.#link?.ready();
  }

  /**
   * Starts the program anew, lets it take the listening sockets over when it is ready, then stops this reactor. Resolves with
   * the new process's id; `stopped` tells when this one is drained. As long as it is pending, and when it rejects, this one serves.
   * @throws PacketError `ERR_PACKET_RESTART`; `ERR_PACKET_STATE` without a `service`, before `ready()` and while another
   * restart is under way; `ERR_PACKET_STOPPED`; `ERR_PACKET_UNSUPPORTED` where sockets cannot be inherited; `ERR_PACKET_OPTION`.
   */
  async restart(options: RestartOptions = {}): Promise<number> {
    this.#checkRunning('restart');
    if (this.#link === undefined) {
      throw new PacketError('ERR_PACKET_STATE', 'restart: this reactor was made without a service');
    }
    return await this.#link.restart(options);
  }

  // ---- servers and clients -------------------------------------------------------------------------------------------

  /**
   * Listens, and serves each connection with a new `Handler`.
   *
   * @param at Where, with limits and timeouts. `args` are the handler's constructor arguments.
   * @param init Runs for each connection between its `postInit` and its `connectionCompleted`.
   * @throws PacketError `ERR_PACKET_OPTION`, `ERR_PACKET_HANDLER_CLASS`, `ERR_PACKET_STOPPED`, or `ERR_PACKET_LISTEN` with the
   * system's error name in `details.errno`; nothing is left open.
   */
  async startServer<C extends Connection, A extends readonly unknown[] = []>(
    at: ListenAt & ServerOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init?: (connection: C) => unknown,
  ): Promise<Listener>;
  /**
   * Listens, and hands each connection to a worker of this reactor: `startServer({ port }, adoptedBy('web'))`. Whom the server
   * accepts and how many is decided here, until the worker's connection is gone; its other limits and timeouts go with the connection.
   * @throws PacketError as above; `ERR_PACKET_STATE` before the workers are started, `ERR_PACKET_WORKER_UNKNOWN`, and
   * `ERR_PACKET_WORKER_METHOD` for a worker without `adopted`.
   */
  async startServer(at: ListenAt & ServerOptions, to: AdoptedBy): Promise<Listener>;
  async startServer<C extends Connection, A extends readonly unknown[] = []>(
    at: ListenAt & ServerOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A> | AdoptedBy,
    init?: (connection: C) => unknown,
  ): Promise<Listener> {
    const options = resolveServerOptions(at);
    const lists = readLists('startServer', at);
    const endpoint = endpointOf('startServer', { ...at });
    const args = argumentsOf('startServer', at.args);
    const tls = new ListenerTls(this.#tls, at.tls);
    if (isAdoptedBy(Handler)) checkHandOver(at, tls, init);
    else checkHandler('startServer', Handler);
    this.#checkRunning('startServer');
    if (isAdoptedBy(Handler)) this.#service('startServer').checkAdopts(Handler.worker);
    // Before there are clients: learning the limit can take long on some systems.
    this.#descriptors ??= new DescriptorCeiling();
    const serving = isAdoptedBy(Handler)
      ? Handler
      : { make: (): Connection => new Handler(...(args as A)), init: init as (connection: Connection) => unknown };
    const listener = new Listener(this.#host, options, lists, serving, tls);
    const listening = listener.listen(endpoint);
    this.#starting.add(listening);
    try {
      await listening;
    } finally {
      this.#starting.delete(listening);
    }
    this.#listeners.add(listener);
    return listener;
  }

  /**
   * Connects, and returns the live handler at once; `postInit` and `init` have run, `connectionCompleted` or `unbind` follow.
   *
   * Every failure to connect is an `unbind`, never a throw.
   * @throws PacketError `ERR_PACKET_OPTION`, `ERR_PACKET_HANDLER_CLASS` or `ERR_PACKET_STOPPED`; nothing was begun.
   */
  connect<C extends Connection, A extends readonly unknown[] = []>(
    to: ConnectTo & ClientOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init?: (connection: C) => unknown,
  ): C {
    return this.#clients.connect(to, Handler, init);
  }

  /**
   * Connects, and connects again with a new `Handler` whenever the connection was lost or did not come about, with growing
   * random pauses, until it is told to stop, its `signal` fires, or the reactor stops.
   * @throws PacketError as `connect`; nothing was begun.
   */
  keepConnected<C extends Connection, A extends readonly unknown[] = []>(
    to: ConnectTo & ClientOptions & ReconnectOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init?: (connection: C) => unknown,
  ): Reconnector<C> {
    return this.#clients.keepConnected(to, Handler, init);
  }

  /**
   * Makes a connection of a socket, a stream, a pair of streams or a descriptor that is open already, with the same life as one
   * made by {@link connect}. It belongs to the connection from now on: it is closed with it.
   *
   * `{ socket, kind }` is a socket another owner detached, `{ stream, head }` a Duplex and what was read of it, `{ readable,
   * writable }` a pair such as the standard streams, `{ fd }` a descriptor. Limits, timeouts, socket
   * options (for TCP sockets) and `args` stand beside them, and `side`, which says what it is when TLS begins by `startTls`.
   * @throws PacketError `ERR_PACKET_OPTION`, `ERR_PACKET_HANDLER_CLASS`, `ERR_PACKET_STOPPED`; `ERR_PACKET_STATE` for a source that
   * carries no plain bytes or has an owner, `ERR_PACKET_SOCKET` for a descriptor that is no stream, `ERR_PACKET_UNSUPPORTED`.
   * Nothing was taken over.
   */
  attach<C extends Connection, A extends readonly unknown[] = []>(
    source: AttachSource & AttachOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init?: (connection: C) => unknown,
  ): C {
    const options = planAttach(this.#attachPlans, source);
    const args = argumentsOf('attach', source.args);
    checkHandler('attach', Handler);
    this.#checkRunning('attach');
    const handler = new Handler(...(args as A));
    beginAttached(this.#host, this.#tls, options, source, handler, init as (connection: Connection) => unknown);
    return handler;
  }

  // ---- timers --------------------------------------------------------------------------------------------------------

  /**
   * Calls `callback` once, `delayMs` milliseconds from now or a little later, never earlier.
   * @throws PacketError `ERR_PACKET_OPTION`, or `ERR_PACKET_STOPPED` once a stop has ended all connections.
   */
  addTimer(delayMs: number, callback: () => unknown): Timer {
    this.#checkNotDrained('addTimer');
    return this.#timers.once(delayMs, callback);
  }

  /**
   * Calls `callback` every `intervalMs` milliseconds, counted from now without drift; what it throws does not end it. Turns that
   * are over when the loop comes to them are left out; a promise it returns is not waited for.
   * @throws PacketError `ERR_PACKET_OPTION`, or `ERR_PACKET_STOPPED` once a stop has ended all connections.
   */
  addPeriodicTimer(intervalMs: number, callback: () => unknown): Timer {
    this.#checkNotDrained('addPeriodicTimer');
    return this.#timers.every(intervalMs, callback);
  }

  /** Calls `callback` once, on the next turn of the loop; one added by another waits for the turn after. */
  nextTick(callback: () => unknown): void {
    if (typeof callback !== 'function') throw optionError('nextTick', 'callback', 'a function', callback);
    setImmediate(() => {
      if (!this.#drained) void this.#errors.guard('nextTick', callback);
    });
  }

  // ---- workers -------------------------------------------------------------------------------------------------------

  /** Typed proxies of the workers, by name. @throws PacketError `ERR_PACKET_STATE` without workers or before `start()`. */
  get workers(): WorkerProxies {
    return this.#service('workers').proxies();
  }

  /**
   * Starts a worker that does not start by itself, or a keyed instance of one. Resolves when it is ready.
   * @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`, `ERR_PACKET_WORKER_EXISTS` for one that runs, `ERR_PACKET_WORKER_BOOT`.
   */
  async startWorker(name: string, options: { readonly key?: string; readonly options?: unknown } = {}): Promise<void> {
    this.#checkRunning('startWorker');
    await this.#service('startWorker').start(name, options);
  }

  /** Lets a worker finish its calls and ends it. @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`. */
  async stopWorker(name: string, key?: string): Promise<void> {
    await this.#service('stopWorker').stop(name, key);
  }

  /**
   * Runs a function that a module exports, in a worker that is started with the first such call, and returns what it returns: for
   * functions that would block the event loop. The module is imported there, never here. Arguments and results travel as those of workers do;
   * the deadline is that of workers, 30 seconds, unless given. One that computes on when it is cancelled is stopped by force.
   *
   * With a {@link ModuleUrl} names, arguments and result are typed.
   * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` when the module cannot be imported, `ERR_PACKET_WORKER_METHOD` when it exports
   * no such function, `ERR_PACKET_WORKER_REMOTE` with what the function threw as its cause, `ERR_PACKET_OPTION`, `ERR_PACKET_STOPPED`,
   * `ERR_PACKET_STATE` before its workers have started, and as every call to a worker.
   */
  async defer<M, F extends FunctionName<M>>(
    module: ModuleUrl<M>,
    name: F,
    args: DeferArguments<M, F>,
    options: DeferOptions = {},
  ): Promise<DeferResult<M, F>> {
    checkDeferred(module, name, args, options);
    this.#checkNotDrained('defer');
    // Not awaited once they are there: what the caller does to the arguments after the call must not change them.
    if (this.#options.workers === undefined && this.#workers === undefined) {
      this.#deferring ??= this.#makeWorkers();
      await this.#deferring;
    }
    const workers = this.#options.workers === undefined ? this.#workers : this.#service('defer');
    if (workers === undefined) throw new PacketError('ERR_PACKET_STOPPED', 'defer: the reactor is stopped');
    return (await workers.defer(module, name, args as readonly unknown[], options)) as DeferResult<M, F>;
  }

  // ---- the whole -----------------------------------------------------------------------------------------------------

  /** Connections of all servers and clients, those being opened included, and nothing else. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Its figures; bytes of open connections are added up at the call, so ask now and then, not for each message. */
  stats(): ReactorStats {
    return {
      connections: this.#connections.size,
      listeners: this.#listeners.size,
      timers: this.#timers.count,
      uptimeMs: this.#clock.now() - this.#madeAt,
      ...this.#counts.stats(),
      ...this.#connections.traffic(),
      workers: this.#ready || this.#deferring !== undefined ? this.#workers?.stats() : undefined,
    };
  }

  /**
   * All there is to know of its workers now, as plain data: instances and their calls, how calls settled, times by method. Asks the
   * instances, and waits a moment for those that do not answer, which are told as not `responsive`.
   * @throws PacketError `ERR_PACKET_STATE` without workers that have started.
   */
  async inspectWorkers(): Promise<WorkersInspection> {
    // Without a folder there are only those that deferred functions run in, from the first on.
    const deferring = this.#deferring === undefined ? undefined : this.#workers;
    return await (deferring ?? this.#service('inspectWorkers')).inspect();
  }

  /**
   * Answers, on a UNIX socket that only the owner of this process can use, what `packet workers` asks: {@link inspectWorkers} and
   * figures of the reactor. From now on the calls to its workers are timed. It ends with the reactor.
   * @throws PacketError `ERR_PACKET_OPTION`, `ERR_PACKET_STOPPED`, or `ERR_PACKET_LISTEN`; nothing is left open.
   */
  async serveInspection(options: InspectionOptions): Promise<void> {
    const { path, title } = checkInspectionOptions(options);
    this.#checkRunning('serveInspection');
    const server = new InspectionServer(
      (what) => this.#inspect(what, title),
      this.#clock,
      (error, where) => this.#errors.report(error, where, undefined),
    );
    const listening = server.listen(path);
    this.#starting.add(listening);
    try {
      await listening;
    } finally {
      this.#starting.delete(listening);
    }
    this.#workers?.recordTimes();
    this.#inspections.add(server);
  }

  /**
   * Calls `hook` once when the reactor stops: after it has stopped listening and before any connection is ended, so a hook may
   * still speak to them. The hook added last runs first; a promise is waited for before the next one runs and before
   * connections drain, within the drain time that both share. After it, hooks are still called, and not waited for. What a hook throws
   * reaches the error hook and keeps no other from running. To do something when everything is closed, await `stopped`.
   * @returns A function that takes the hook away again.
   * @throws PacketError `ERR_PACKET_OPTION`, or `ERR_PACKET_STOPPED` once it is being stopped.
   */
  onShutdown(hook: () => unknown): () => void {
    this.#checkRunning('onShutdown');
    return this.#hooks.add(hook);
  }

  /**
   * Stops accepting, runs the shutdown hooks, ends each connection once nothing of it is under way, cuts what is left after
   * `drainMs`, then ends workers and timers. Idempotent; a later call with `drainMs: 0` cuts at once. Resolves when everything is closed.
   * @throws PacketError `ERR_PACKET_OPTION`; nothing was begun.
   */
  stop(options: DrainOptions = {}): Promise<DrainReport> {
    const { drainMs } = resolveDrain(options, this.#drainMs);
    if (this.#stopping === undefined) {
      this.#stopping = this.#stop(drainMs);
      void this.#stopping.then(this.#resolveStopped);
    } else if (drainMs === 0) {
      this.#hooks.giveUp();
      this.#connections.cut();
      this.#link?.cut();
      for (const listener of this.#listeners) listener.cut();
      void this.#workers?.close(0);
    }
    return this.#stopping;
  }

  async #stop(drainMs: number): Promise<DrainReport> {
    const begun = this.#clock.now();
    this.#clients.reactorStops();
    const successorGone = this.#link?.stopping();
    if (drainMs === 0) this.#link?.cut();
    await Promise.allSettled([...this.#starting]);
    await Promise.all([...this.#listeners].map((listener) => listener.closeSocket(drainMs)));
    await this.#hooks.run(this.#clock, drainMs);
    const drained = await this.#connections.drain(this.#clock, Math.max(0, drainMs - (this.#clock.now() - begun)));
    this.#drained = true;
    await Promise.all([...this.#listeners].map((listener) => listener.finish()));
    this.#givenUp.abort();
    // First those that run or are starting, then those a start still under way came to.
    await this.#workers?.close(Math.max(0, drainMs - (this.#clock.now() - begun)));
    await Promise.allSettled([this.#started, this.#deferring]);
    await this.#workers?.close(0);
    this.#timers.cancelAll();
    await Promise.all([...this.#inspections].map((server) => server.close()));
    await successorGone;
    await this.#link?.close();
    publish('packet:reactor.stopped', () => drained);
    return drained;
  }

  async #inspect(what: string, title: string | undefined): Promise<object> {
    if (what !== 'workers') throw new PacketError('ERR_PACKET_UNSUPPORTED', `there is no "${what}" to get`);
    const workers = await this.#workers?.inspect();
    return { pid: process.pid, title, ...this.stats(), workers };
  }

  async #startWorkers(): Promise<void> {
    if (this.#options.workers !== undefined) await this.#makeWorkers();
  }

  async #makeWorkers(): Promise<void> {
    const { workers: folder, workerSetup: setup, workerLogs: logs } = this.#options;
    // The one arrow from the reactor to the workers, taken only by programs that have some.
    const { createWorkerService } = await import('../workers/index.ts');
    await createWorkerService({
      folder,
      setup,
      logs,
      defer: this.#defer,
      clock: this.#clock,
      makeReactor: () => new Reactor(),
      signal: this.#givenUp.signal,
      made: (workers) => {
        this.#workers = workers;
        if (this.#inspections.size > 0) workers.recordTimes();
        // Stopped while the folder was read.
        if (this.#stopping !== undefined) void workers.close(0);
      },
      onError: (error, where) => this.#errors.report(error, where, undefined),
      watched: (where, callback) => this.#watch.run(where, callback),
    });
  }

  #service(what: string): WorkerService {
    if (this.#workers !== undefined && this.#ready) return this.#workers;
    const why = this.#options.workers === undefined ? 'was made without workers' : 'has not been started';
    throw new PacketError('ERR_PACKET_STATE', `${what}: this reactor ${why}`);
  }

  #linkTo(service: Service, engine: Engine): ServiceLink {
    return new ServiceLink(service, engine, {
      clock: this.#clock,
      report: (error, where) => this.#errors.report(error, where, undefined),
      stop: () => void this.stop(),
    });
  }

  #makeHost(): ListenerHost {
    const workers = (): WorkerService | undefined => (this.#ready ? this.#workers : undefined);
    return {
      clock: this.#clock,
      watch: this.#watch,
      deadlines: new Deadlines<Overdue>(this.#clock, (item) => item.overdue()),
      engine: this.#engine,
      drainMs: this.#drainMs,
      counts: this.#counts,
      get workers() {
        return workers();
      },
      report: (error, where, connection) => this.#errors.report(error, where, connection),
      nextConnectionId: () => this.#nextId++,
      adopt: (core) => this.#connections.add(core),
      forget: (core) => this.#connections.delete(core),
      reconnect: (handler, before, to) => this.#clients.reconnect(handler, before, to),
      descriptors: () => this.#descriptors?.full(this.#connections.size),
      listenerClosed: (listener) => this.#listeners.delete(listener),
    };
  }

  #checkRunning(what: string): void {
    if (this.#stopping === undefined) return;
    throw new PacketError('ERR_PACKET_STOPPED', `${what}: the reactor is stopped`);
  }

  /** What drains may still wait, for a reply of its own that is due later. */
  #checkNotDrained(what: string): void {
    if (this.#drained) this.#checkRunning(what);
  }
}
