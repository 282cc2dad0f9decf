import { PacketError } from '../../errors.ts';
import type { Transport } from '../../transport/index.ts';
import { beginAgain, beginConnection } from '../beginning.ts';
import type { Connection } from '../connection.ts';
import { ConnectionCore } from '../connection-core.ts';
import type { ClientOptions, ConnectTo } from '../connection-options.ts';
import type { ErrorHook } from '../error-hook.ts';
import { argumentsOf, type ConnectionClass, checkHandler, type HandlerArgs } from '../handler-class.ts';
import type { ListenerHost } from '../listener.ts';
import type { TlsSettings } from '../securing.ts';
import type { Timers } from '../timers.ts';
import { type ClientHost, type ClientPlan, endpointName, openClient, planAgain, planClient } from './client-plan.ts';
import type { NameResolver } from './name-resolver.ts';
import {
  type ConnectionObserver,
  RECONNECT_NAMES,
  type ReconnectOptions,
  Reconnector,
  splitReconnect,
} from './reconnector.ts';

/** What clients need from their reactor. */
export interface ClientsInit {
  /** The same that servers have. */
  readonly host: ListenerHost;
  readonly resolver: NameResolver;
  readonly tls: TlsSettings;
  readonly timers: Timers;
  readonly errors: ErrorHook;
  /** @throws PacketError `ERR_PACKET_STOPPED`. */
  readonly checkRunning: (what: string) => void;
}

/** How the handler of a client is made, and what is done to it after `postInit`. */
interface ClientFactory<C extends Connection> {
  readonly make: () => C;
  readonly init: ((connection: C) => unknown) | undefined;
}

/** The clients of one reactor: those that connect once, again, and whenever their connection is lost. */
export class Clients {
  readonly #init: ClientsInit;
  readonly #host: ListenerHost;
  readonly #clientHost: ClientHost;
  readonly #reconnectors = new Set<Pick<Reconnector, 'reactorStops'>>();
  #stopping = false;

  constructor(init: ClientsInit) {
    const { host, resolver } = init;
    this.#init = init;
    this.#host = host;
    this.#clientHost = { clock: host.clock, engine: host.engine, resolver };
  }

  /** See `Reactor.connect`. */
  connect<C extends Connection, A extends readonly unknown[] = []>(
    to: ConnectTo & ClientOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init: ((connection: C) => unknown) | undefined,
  ): C {
    const plan = planClient('connect', to, this.#init.tls);
    return this.#connect(plan, this.#factory('connect', to.args, Handler, init));
  }

  /** See `Reactor.keepConnected`. */
  keepConnected<C extends Connection, A extends readonly unknown[] = []>(
    to: ConnectTo & ClientOptions & ReconnectOptions & HandlerArgs<A>,
    Handler: ConnectionClass<C, A>,
    init: ((connection: C) => unknown) | undefined,
  ): Reconnector<C> {
    const { tls, timers, errors } = this.#init;
    const { client, settings } = splitReconnect(to);
    const plan = planClient('keepConnected', client, tls, RECONNECT_NAMES);
    const factory = this.#factory('keepConnected', to.args, Handler, init);
    const reconnector: Reconnector<C> = new Reconnector<C>(
      {
        connect: (observer) => this.#connect(plan, factory, observer),
        timer: (delayMs, callback) => timers.once(delayMs, callback),
        guard: (where, callback) => void errors.guard(where, callback),
        report: (error, where) => errors.report(error, where, undefined),
        done: (done) => this.#reconnectors.delete(done),
      },
      settings,
      { handler: Handler.name, endpoint: endpointName(plan.endpoint) },
    );
    this.#reconnectors.add(reconnector);
    // Stopped by its handler's own first callbacks, before it was known here.
    if (this.#stopping) reconnector.reactorStops();
    if (plan.signal !== undefined) reconnector.stopOn(plan.signal);
    return reconnector;
  }

  /** Connects a handler again that is gone; false when nothing was begun because the reactor stops or the signal fired. */
  reconnect(handler: Connection, before: ClientPlan | undefined, to: (ConnectTo & ClientOptions) | undefined): boolean {
    const plan = planAgain(before, to, this.#init.tls);
    if (plan === undefined) {
      throw new PacketError('ERR_PACKET_STATE', 'reconnect: a connection that was accepted has no place to connect to');
    }
    if (this.#stopping || plan.signal?.aborted === true) return false;
    const core = this.#core(plan, handler, undefined);
    beginAgain(core, handler, () => this.#open(plan, core));
    if (plan.signal !== undefined) core.abortOpeningOn(plan.signal);
    return true;
  }

  /** The reactor stops, and ends the connections itself: none is made again. */
  reactorStops(): void {
    this.#stopping = true;
    for (const reconnector of this.#reconnectors) reconnector.reactorStops();
  }

  #factory<C extends Connection, A extends readonly unknown[]>(
    owner: string,
    given: unknown,
    Handler: ConnectionClass<C, A>,
    init: ((connection: C) => unknown) | undefined,
  ): ClientFactory<C> {
    const args = argumentsOf(owner, given);
    checkHandler(owner, Handler);
    this.#init.checkRunning(owner);
    return { make: () => new Handler(...(args as A)), init };
  }

  #connect<C extends Connection>(plan: ClientPlan, { make, init }: ClientFactory<C>, observer?: ConnectionObserver): C {
    const handler = make();
    const core = this.#core(plan, handler, observer);
    beginConnection(core, handler, init as (connection: Connection) => unknown, () => this.#open(plan, core));
    if (plan.signal !== undefined) core.abortOpeningOn(plan.signal);
    return handler;
  }

  #core(plan: ClientPlan, handler: Connection, observer: ConnectionObserver | undefined): ConnectionCore {
    const { options, tls } = plan;
    const setup = {
      side: 'client',
      host: this.#host,
      options,
      openTimeoutMs: options.connectTimeoutMs,
      firstByteTimeoutMs: 0,
      drainGraceMs: 0,
      tls,
      plan,
      observer,
    } as const;
    const core = new ConnectionCore(this.#host.nextConnectionId(), setup, handler);
    this.#host.adopt(core);
    return core;
  }

  #open(plan: ClientPlan, core: ConnectionCore): Transport {
    return openClient(plan, this.#clientHost, core, (pending, found) => core.swap(pending, found));
  }
}
