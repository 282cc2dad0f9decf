import { PacketError, wrapError } from '../errors.ts';
import { publish } from '../events.ts';
import type {
  Address,
  Engine,
  Incoming,
  ListenEndpoint,
  ListenSink,
  ServerTlsChanges,
  TransportListener,
} from '../transport/index.ts';
import type { AcceptLists } from './accepting/accept-options.ts';
import { Admission, type Rejection } from './accepting/admission.ts';
import type { NoDescriptor } from './accepting/descriptors.ts';
import { type ProxiedIncoming, type ProxyFacts, ProxyGate } from './accepting/proxy-gate.ts';
import { beginConnection } from './beginning.ts';
import type { Connection } from './connection.ts';
import { ConnectionCore } from './connection-core.ts';
import { optionsToHandOver, type ResolvedServerOptions } from './connection-options.ts';
import type { ConnectionHost, ConnectionSetup } from './connection-setup.ts';
import { type DrainOptions, type DrainReport, OpenConnections, resolveDrain } from './drain.ts';
import { type AdoptedBy, HandedOver } from './handing-over.ts';
import type { ListenerTls } from './securing.ts';
import { AcceptCounts, type ListenerStats } from './stats.ts';

/** What a listener needs from its reactor. */
export interface ListenerHost extends ConnectionHost {
  readonly engine: Engine;
  readonly drainMs: number;
  /** Counts of the whole reactor. */
  readonly counts: AcceptCounts;
  nextConnectionId(): number;
  adopt(core: ConnectionCore): void;
  /** Undefined while the process has descriptors for one more connection. */
  descriptors(): NoDescriptor | undefined;
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
  readonly #factory: HandlerFactory | undefined;
  /** Where workers serve its connections. */
  readonly #handed: HandedOver | undefined;
  readonly #lists: AcceptLists;
  readonly #tls: ListenerTls;
  readonly #admission: Admission;
  readonly #proxies: ProxyGate | undefined;
  readonly #counts: AcceptCounts;
  readonly #open = new OpenConnections();
  #transport: TransportListener | undefined;
  #stopping: Promise<DrainReport> | undefined;

  /** @internal */
  constructor(
    host: ListenerHost,
    options: ResolvedServerOptions,
    lists: AcceptLists,
    serving: HandlerFactory | AdoptedBy,
    tls: ListenerTls,
  ) {
    this.#host = host;
    this.#options = options;
    this.#factory = 'make' in serving ? serving : undefined;
    this.#tls = tls;
    this.#setup = {
      side: 'server',
      host: this.#connectionHost(),
      options,
      openTimeoutMs: 0,
      firstByteTimeoutMs: options.firstByteTimeoutMs,
      drainGraceMs: options.drainGraceMs,
      tls,
    };
    this.#counts = new AcceptCounts(host.counts);
    this.#lists = lists;
    this.#admission = new Admission(options, lists, host.clock, () => host.descriptors());
    if (!('make' in serving)) this.#handed = this.#handOverTo(serving);
    const { proxyProtocol } = options;
    if (proxyProtocol !== 'off') {
      this.#proxies = new ProxyGate(host.clock, options, proxyProtocol, {
        named: (peer) => this.#named(peer),
        unnamed: (remote, error) => this.#unnamed(remote, error),
      });
    }
  }

  /** @internal */
  async listen(endpoint: ListenEndpoint): Promise<void> {
    const { backlog, noDelay, keepAliveMs, ipv6Only } = this.#options;
    this.#transport = await this.#host.engine.listen(endpoint, { backlog, noDelay, keepAliveMs, ipv6Only }, this);
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

  /** Open connections accepted here, those that workers serve included. */
  get connectionCount(): number {
    return this.#open.size + (this.#handed?.size ?? 0);
  }

  /** Its figures; bytes of open connections are added up at the call, so ask now and then, not for each message. */
  stats(): ListenerStats {
    return { open: this.connectionCount, ...this.#counts.stats(), ...this.#open.traffic() };
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
   * Serves connections from now on with these TLS options; those that are open keep what they have. Options not given stay as
   * they were, so a renewed `key` and `cert` are all that a renewal needs; an explicit `undefined` takes an option away, and
   * `pfx` replaces `key` and `cert` or they it. Sessions of before are resumed only where `ticketKeys` are given and neither they
   * nor `clientCertificate` and `ca` differ.
   * @throws PacketError `ERR_PACKET_OPTION`, also when the server was started without `tls`; the old options stay in use.
   */
  reloadTls(changes: ServerTlsChanges): void {
    this.#tls.reload(changes);
  }

  /**
   * Stops listening, ends each connection as soon as nothing of it is under way, and cuts what is left after `drainMs`
   * milliseconds (the reactor's by default). Idempotent; resolves when everything is closed.
   * @throws PacketError `ERR_PACKET_OPTION`; nothing was begun.
   */
  stop(options: DrainOptions = {}): Promise<DrainReport> {
    const { drainMs } = resolveDrain(options, this.#host.drainMs);
    if (this.#stopping === undefined) this.#stopping = this.#stop(drainMs);
    else if (drainMs === 0) this.cut();
    return this.#stopping;
  }

  /** As `stop`, at once, for a reactor that stops: what was handed over is left to the workers, which drain it. @internal */
  finish(): Promise<DrainReport> {
    if (this.#stopping === undefined) {
      this.#stopping = this.#stop(undefined);
    } else {
      this.#open.cut();
      this.#handed?.leave();
    }
    return this.#stopping;
  }

  /** Cuts all of its connections now. @internal */
  cut(): void {
    this.#open.cut();
    this.#handed?.cut();
    void this.#proxies?.close(0);
  }

  /** @internal */
  async closeSocket(drainMs: number): Promise<void> {
    await this.#transport?.close();
    // A header may be under way just as the first bytes of a direct client may.
    await this.#proxies?.close(Math.min(drainMs, this.#options.drainGraceMs));
  }

  // ---- what the transport reports ------------------------------------------------------------------------------------

  /** @internal */
  incoming(peer: Incoming): void {
    if (this.#stopping !== undefined) {
      peer.refuse();
      return;
    }
    const { remote } = peer;
    // One that reset has no address any more, but what it sent may still be read: nobody can say whether it may come in.
    if (this.#asksWho && remote.family === 'unix' && peer.local.family !== 'unix') {
      this.#refuse(peer, { reason: 'gone' });
      return;
    }
    if (this.#proxies !== undefined && this.#ofProxy(peer, this.#proxies)) return;
    const rejection = this.#admission.admit(remote);
    if (rejection === undefined) this.#welcome(peer, remote, undefined);
    else this.#refuse(peer, rejection);
  }

  /** @internal */
  trouble(error: PacketError): void {
    publish('packet:listener.trouble', () => ({ error }));
  }

  /** Whether it matters who a client is. */
  get #asksWho(): boolean {
    const { allow, deny, trusted } = this.#lists;
    return allow !== undefined || deny !== undefined || trusted !== undefined;
  }

  /** Deals with connections where proxies are expected; false for one that is a direct client's. */
  #ofProxy(peer: Incoming, proxies: ProxyGate): boolean {
    if (this.#lists.trusted?.has(peer.remote) !== true) {
      if (this.#options.untrustedPeers === 'serve') return false;
      this.#refuse(peer, { reason: 'untrusted-proxy' });
      return true;
    }
    const rejection = this.#admission.admitUnnamed();
    if (rejection === undefined) proxies.read(peer);
    else this.#refuse(peer, rejection);
    return true;
  }

  #named(peer: ProxiedIncoming): void {
    // A proxy's own connection, such as its health check, has no client whom lists and limits could be about.
    const source = peer.proxy.command === 'local' ? undefined : peer.remote;
    const rejection = this.#admission.name(source);
    if (rejection === undefined) this.#welcome(peer, source, peer.proxy);
    else this.#refuse(peer, rejection);
  }

  #unnamed(remote: Address, error: PacketError): void {
    this.#admission.leave(undefined);
    this.#rejected(remote, { reason: 'proxy-header', error });
  }

  #refuse(peer: Incoming, rejection: Rejection): void {
    const { remote } = peer;
    peer.refuse();
    this.#rejected(remote, rejection);
  }

  #rejected(remote: Address, rejection: Rejection): void {
    this.#counts.reject(rejection.reason);
    publish('packet:listener.rejected', () => ({ ...rejection, remote }));
    // Refused by the system itself, which is more than this one connection's trouble.
    if (rejection.reason === 'fd-limit' && rejection.error !== undefined) this.trouble(rejection.error);
  }

  #welcome(peer: Incoming, source: Address | undefined, proxy: ProxyFacts | undefined): void {
    if (this.#factory === undefined) {
      this.#handOver(peer, source, proxy !== undefined);
      return;
    }
    const { make, init } = this.#factory;
    let handler: Connection;
    try {
      handler = this.#host.watch.run('constructor', make);
    } catch (error) {
      this.#admission.leave(source);
      this.#refuse(peer, { reason: 'handler' });
      const facts = { id: 0, side: 'server', handler: 'constructor', remote: peer.remote } as const;
      this.#host.report(error, 'constructor', facts);
      return;
    }
    this.#counts.accept();
    const core = new ConnectionCore(this.#host.nextConnectionId(), this.#setup, handler, source, proxy);
    this.#host.adopt(core);
    this.#open.add(core);
    beginConnection(core, handler, init, () => peer.open(core));
  }

  #handOver(peer: Incoming, source: Address | undefined, proxied: boolean): void {
    try {
      this.#handed?.take(peer, source, proxied);
      this.#counts.accept();
    } catch (error) {
      this.#admission.leave(source);
      this.#refuse(peer, { reason: 'worker', error: wrapError('ERR_PACKET_WORKER_LOST', 'handing over', error) });
    }
  }

  #handOverTo(to: AdoptedBy): HandedOver {
    const host = this.#host;
    return new HandedOver({
      to,
      engine: host.engine,
      clock: host.clock,
      get workers() {
        return host.workers;
      },
      tls: this.#tls.atOnce ? this.#tls.side(undefined) : undefined,
      options: optionsToHandOver(this.#options),
      refused: (_source, remote, error) => this.#rejected(remote, { reason: 'worker', error }),
      left: (source) => this.#admission.leave(source),
    });
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
      reconnect: (handler, before, to) => host.reconnect(handler, before, to),
      forget: (core) => {
        this.#open.delete(core);
        this.#admission.leave(core.source);
        host.forget(core);
      },
    };
  }

  /** @param drainMs Undefined for its reactor's stop, which has drained connections and will drain workers. */
  async #stop(drainMs: number | undefined): Promise<DrainReport> {
    await this.closeSocket(drainMs ?? 0);
    const [own, handed] = await Promise.all([
      this.#open.drain(this.#host.clock, drainMs ?? 0),
      drainMs === undefined ? undefined : this.#handed?.drain(drainMs),
    ]);
    const report = { finished: own.finished + (handed?.finished ?? 0), cut: own.cut + (handed?.cut ?? 0) };
    this.#host.listenerClosed(this);
    publish('packet:listener.closed', () => ({ addresses: this.addresses }));
    return report;
  }
}
