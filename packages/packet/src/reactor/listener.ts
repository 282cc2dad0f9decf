import { PacketError } from '../errors.ts';
import { publish } from '../events.ts';
import type { Address, Engine, Incoming, ListenEndpoint, ListenSink, TransportListener } from '../transport/index.ts';
import { bindCore, type Connection } from './connection.ts';
import { ConnectionCore, type ConnectionHost, type ConnectionSetup } from './connection-core.ts';
import type { ResolvedServerOptions } from './connection-options.ts';
import { type DrainOptions, type DrainReport, OpenConnections, resolveDrain } from './drain.ts';
import { installFramer } from './framed-connection.ts';
import { Admission } from './limits.ts';

/** What a listener needs from its reactor. */
export interface ListenerHost extends ConnectionHost {
  readonly engine: Engine;
  readonly drainMs: number;
  nextConnectionId(): number;
  adopt(core: ConnectionCore): void;
  /** Sockets owned now, and the most there may be. */
  descriptors(): { readonly used: number; readonly most: number };
  listenerClosed(listener: Listener): void;
}

/** How a listener makes the handler of one connection, and what is done to it between `postInit` and `connectionCompleted`. */
export interface HandlerFactory {
  readonly make: () => Connection;
  readonly init: ((connection: Connection) => unknown) | undefined;
}

/** A server: a listening socket and the connections it accepted. Made by `reactor.startServer`. */
export class Listener implements ListenSink {
  readonly #host: ListenerHost;
  readonly #options: ResolvedServerOptions;
  readonly #setup: ConnectionSetup;
  readonly #factory: HandlerFactory;
  readonly #admission: Admission;
  readonly #open = new OpenConnections();
  #transport: TransportListener | undefined;
  #stopping: Promise<DrainReport> | undefined;
  #accepted = 0;
  #rejected = 0;

  /** @internal */
  constructor(host: ListenerHost, options: ResolvedServerOptions, factory: HandlerFactory) {
    this.#host = host;
    this.#options = options;
    this.#factory = factory;
    this.#setup = {
      side: 'server',
      host: this.#connectionHost(),
      options,
      openTimeoutMs: 0,
      firstByteTimeoutMs: options.firstByteTimeoutMs,
      drainGraceMs: options.drainGraceMs,
    };
    this.#admission = new Admission(options);
  }

  /** @internal */
  async listen(endpoint: ListenEndpoint): Promise<void> {
    const { backlog, noDelay, ipv6Only } = this.#options;
    this.#transport = await this.#host.engine.listen(endpoint, { backlog, noDelay, ipv6Only }, this);
    publish('packet:listener.started', () => ({ addresses: this.addresses }));
  }

  /** Every address it listens on; two for `localhost` where IPv6 is present. */
  get addresses(): readonly Address[] {
    return this.#transport?.addresses ?? [];
  }

  /** The port it listens on. @throws PacketError `ERR_PACKET_STATE` for a UNIX socket. */
  get port(): number {
    const [first] = this.addresses;
    if (first !== undefined && first.family !== 'unix') return first.port;
    throw new PacketError('ERR_PACKET_STATE', 'this server has no port: it listens on a UNIX socket');
  }

  /** Open connections accepted here. */
  get connectionCount(): number {
    return this.#open.size;
  }

  /** Connections served and turned away so far. */
  stats(): { readonly open: number; readonly accepted: number; readonly rejected: number } {
    return { open: this.#open.size, accepted: this.#accepted, rejected: this.#rejected };
  }

  /** Stops accepting; connections already accepted go on. */
  suspend(): void {
    this.#transport?.suspend();
  }

  /** Accepts again. */
  resume(): void {
    this.#transport?.resume();
  }

  /**
   * Stops listening, ends each connection as soon as nothing of it is under way, and cuts what is left after `drainMs`
   * milliseconds (the reactor's by default). Idempotent; resolves when everything is closed.
   * @throws PacketError `ERR_PACKET_OPTION`; nothing was begun.
   */
  stop(options: DrainOptions = {}): Promise<DrainReport> {
    const { drainMs } = resolveDrain(options, this.#host.drainMs);
    if (this.#stopping === undefined) this.#stopping = this.#stop(drainMs);
    else if (drainMs === 0) this.#open.cut();
    return this.#stopping;
  }

  /** @internal */
  async closeSocket(): Promise<void> {
    await this.#transport?.close();
  }

  // ---- what the transport reports ------------------------------------------------------------------------------------

  /** @internal */
  incoming(peer: Incoming): void {
    const { remote } = peer;
    const reason = this.#stopping === undefined ? this.#admission.admit(remote, this.#host.descriptors()) : undefined;
    if (reason !== undefined || this.#stopping !== undefined) {
      peer.refuse();
      if (reason === undefined) return;
      this.#rejected++;
      publish('packet:listener.rejected', () => ({ reason, remote }));
      return;
    }
    let handler: Connection;
    try {
      handler = this.#host.watch.run('constructor', () => this.#factory.make());
    } catch (error) {
      peer.refuse();
      this.#admission.leave(remote);
      this.#rejected++;
      publish('packet:listener.rejected', () => ({ reason: 'handler', remote }));
      const facts = { id: 0, side: 'server', handler: 'constructor', remote } as const;
      this.#host.report(error, 'constructor', facts);
      return;
    }
    this.#accepted++;
    this.#serve(peer, handler, remote);
  }

  /** @internal */
  trouble(error: PacketError): void {
    publish('packet:listener.trouble', () => ({ error }));
  }

  #serve(peer: Incoming, handler: Connection, remote: Address): void {
    const host = this.#host;
    const core = new ConnectionCore(host.nextConnectionId(), this.#setup, handler, remote);
    host.adopt(core);
    this.#open.add(core);
    beginConnection(core, handler, this.#factory.init, () => peer.open(core));
  }

  #connectionHost(): ConnectionHost {
    const host = this.#host;
    return {
      clock: host.clock,
      deadlines: host.deadlines,
      watch: host.watch,
      get workers() {
        return host.workers;
      },
      report: (error, where, connection) => host.report(error, where, connection),
      forget: (core) => {
        this.#open.delete(core);
        if (core.source !== undefined) this.#admission.leave(core.source);
        host.forget(core);
      },
    };
  }

  async #stop(drainMs: number): Promise<DrainReport> {
    await this.closeSocket();
    const report = await this.#open.drain(this.#host.clock, drainMs);
    this.#host.listenerClosed(this);
    publish('packet:listener.closed', () => ({ addresses: this.addresses }));
    return report;
  }
}

/** The first steps of a connection's life, the same on both sides: bind, open the transport, `postInit`, the init block. */
export function beginConnection(
  core: ConnectionCore,
  handler: Connection,
  init: ((connection: Connection) => unknown) | undefined,
  open: () => Parameters<ConnectionCore['start']>[0],
): void {
  core.start(open());
  bindCore(handler, core);
  core.call('createFramer', () => installFramer(handler, core));
  if (core.live) core.call('postInit', () => handler.postInit());
  if (core.live && init !== undefined) core.call('init', () => init(handler));
}
