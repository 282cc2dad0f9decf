import type { Clock, ClockTimer } from '../../clock.ts';
import { PacketError } from '../../errors.ts';
import type {
  Address,
  CloseReason,
  DetachedSocket,
  Incoming,
  Transport,
  TransportSink,
} from '../../transport/index.ts';
import type { ResolvedServerOptions } from '../connection-options.ts';
import { type HeaderSink, ProxiedTransport } from './proxied-transport.ts';
import { type ProxyHeader, ProxyHeaderParser, type ProxyVersions } from './proxy-header.ts';

/** What a trusted proxy said about a connection, and who the proxy is. */
export interface ProxyFacts extends ProxyHeader {
  /** The proxy's own end of its connection to this server. */
  readonly peer: Address;
}

/** A connection whose client its proxy has named; the header is read, nothing behind it is told yet. */
export interface ProxiedIncoming extends Incoming {
  readonly proxy: ProxyFacts;
}

/** Where a {@link ProxyGate} reports. */
export interface ProxyGateSink {
  named(peer: ProxiedIncoming): void;
  unnamed(proxy: Address, error: PacketError): void;
}

/** Reads the headers of connections from trusted proxies, each within a deadline. One per listener that has such. */
export class ProxyGate implements HeaderSink {
  readonly #clock: Clock;
  readonly #options: ResolvedServerOptions;
  readonly #versions: ProxyVersions;
  readonly #sink: ProxyGateSink;
  /** Those not named, up to their `closed`. */
  readonly #waiting = new Map<ProxiedTransport, { readonly peer: Incoming; readonly timer: ClockTimer }>();
  #closing: Promise<void> | undefined;
  /** Those left are being closed: nobody is to hear of them. */
  #cutting = false;
  #resolveClosed: () => void = () => undefined;

  constructor(clock: Clock, options: ResolvedServerOptions, versions: ProxyVersions, sink: ProxyGateSink) {
    this.#clock = clock;
    this.#options = options;
    this.#versions = versions;
    this.#sink = sink;
  }

  /** Reads the header of `peer`; `named` or `unnamed` follows. */
  read(peer: Incoming): void {
    const { maxProxyHeaderBytes, proxyHeaderTimeoutMs: ms } = this.#options;
    const transport = new ProxiedTransport(new ProxyHeaderParser(this.#versions, maxProxyHeaderBytes), this);
    const timer = this.#clock.setTimer(ms, () => {
      const error = new PacketError('ERR_PACKET_TIMEOUT', `proxy-header timeout after ${ms} ms`, {
        details: { timeout: 'proxy-header', ms },
      });
      transport.refuse(error);
    });
    this.#waiting.set(transport, { peer, timer });
    transport.own(peer.open(transport));
  }

  /**
   * Gives those that wait for their header `graceMs` milliseconds to be named, then closes those left; 0, also of a later
   * call, closes them at once. Resolves when none waits.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    if (graceMs === 0) this.#cut();
    return this.#closing;
  }

  named(transport: ProxiedTransport, header: ProxyHeader): void {
    const peer = this.#forget(transport);
    if (peer !== undefined) this.#sink.named(new NamedPeer(transport, header, peer));
    this.#resolveIfEmpty();
  }

  unnamed(transport: ProxiedTransport, error: PacketError): void {
    const waiting = this.#waiting.get(transport);
    waiting?.timer.cancel();
    if (waiting !== undefined && !this.#cutting) this.#sink.unnamed(waiting.peer.remote, error);
  }

  gone(transport: ProxiedTransport): void {
    this.#forget(transport);
    this.#resolveIfEmpty();
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#waiting.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#resolveClosed = resolve;
    });
    const grace = this.#clock.setTimer(graceMs, () => this.#cut());
    await empty;
    grace.cancel();
  }

  #cut(): void {
    this.#cutting = true;
    const stopped: CloseReason = { by: 'shutdown', clean: true };
    for (const transport of this.#waiting.keys()) transport.abort(stopped);
  }

  #forget(transport: ProxiedTransport): Incoming | undefined {
    const waiting = this.#waiting.get(transport);
    waiting?.timer.cancel();
    this.#waiting.delete(transport);
    return waiting?.peer;
  }

  #resolveIfEmpty(): void {
    if (this.#waiting.size === 0) this.#resolveClosed();
  }
}

class NamedPeer implements ProxiedIncoming {
  readonly local: Address;
  readonly remote: Address;
  readonly proxy: ProxyFacts;
  readonly #transport: ProxiedTransport;

  constructor(transport: ProxiedTransport, header: ProxyHeader, peer: Incoming) {
    this.#transport = transport;
    this.proxy = { ...header, peer: peer.remote };
    this.local = header.destination ?? peer.local;
    this.remote = header.source ?? peer.remote;
  }

  open(sink: TransportSink): Transport {
    return this.#transport.open(sink, this.local, this.remote);
  }

  detach(): DetachedSocket {
    const message = 'a connection whose PROXY header was read cannot be handed over';
    throw new PacketError('ERR_PACKET_UNSUPPORTED', message);
  }

  refuse(): void {
    this.#transport.abort({ by: 'limit', clean: false });
  }
}
