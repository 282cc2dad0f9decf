import type { Clock, ClockTimer } from '../../clock.ts';
import type { PacketError } from '../../errors.ts';
import {
  type CloseReason,
  type ConnectOptions,
  type Engine,
  PendingTransport,
  type Transport,
  type TransportSink,
} from '../../transport/index.ts';
import { AddressQueue } from './address-queue.ts';
import { connectFailure, type FailedAttempt, noSuchFamily } from './connect-failure.ts';
import { knownAddresses } from './host-name.ts';
import {
  asLookupError,
  checkAddresses,
  lookupError,
  type NameResolver,
  type ResolvedAddress,
} from './name-resolver.ts';

/** The times of connecting by name, in milliseconds, and the most addresses tried. */
export interface DialTiming {
  readonly dnsTimeoutMs: number;
  readonly resolutionDelayMs: number;
  readonly attemptDelayMs: number;
  readonly maxAddresses: number;
}

/** What connecting by name needs. */
export interface DialInit {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly resolver: NameResolver;
  readonly options: ConnectOptions;
  readonly timing: DialTiming;
  /** The transport that won takes over from the pending one; called before `opened`. */
  readonly adopted?: (transport: Transport) => void;
}

/**
 * Connects to a host by name: looks it up and tries its addresses, overlapping, until one answers.
 *
 *   [looking up] --addresses--> [trying] --an attempt opened--> won: the others are closed
 *        |                        |  ↑ an attempt failed, or attemptDelayMs passed: the next one starts
 *        |                        +--none is left--> failed
 *        +--no address, deadline--> failed
 *
 * Returns at once a transport that holds what is sent until the winner takes it over. Aborting it closes everything.
 * @see RFC 8305
 */
export function dial(init: DialInit, sink: TransportSink): Transport {
  return new Dial(init, sink).transport;
}

class Dial {
  readonly transport: PendingTransport;
  readonly #init: DialInit;
  readonly #queue: AddressQueue;
  readonly #attempts = new Set<Attempt>();
  readonly #failed: FailedAttempt[] = [];
  readonly #lookup = new AbortController();
  /** More addresses may come. */
  #resolving = true;
  /** It has a winner, or has ended without one. */
  #over = false;
  #lookupDeadline: ClockTimer | undefined;
  /** Until the other family has had its chance to be first, or until the next attempt starts. */
  #pause: ClockTimer | undefined;
  #allClosed: (() => void) | undefined;

  constructor(init: DialInit, sink: TransportSink) {
    this.#init = init;
    const { localAddress } = init.options;
    this.#queue = new AddressQueue(init.timing.maxAddresses, localAddress);
    const { adopted } = init;
    this.transport = new PendingTransport(
      { cancel: () => this.#cancel(), ...(adopted === undefined ? {} : { adopted }) },
      this.#name,
      sink,
    );
    const known = knownAddresses(init.host);
    if (known !== undefined) this.#found(known, undefined);
    else this.#lookUp();
  }

  get #name(): string {
    return `${this.#init.host}:${this.#init.port}`;
  }

  /** For the details of errors, which a resolver of someone's must not keep from being told. */
  get #servers(): readonly string[] | undefined {
    try {
      return this.#init.resolver.servers;
    } catch {
      return undefined;
    }
  }

  // ---- addresses -----------------------------------------------------------------------------------------------------

  #lookUp(): void {
    const { host, resolver, clock, timing } = this.#init;
    const { dnsTimeoutMs } = timing;
    if (dnsTimeoutMs > 0) this.#lookupDeadline = clock.setTimer(dnsTimeoutMs, () => this.#lookupLate(dnsTimeoutMs));
    let rest: Promise<readonly ResolvedAddress[]> | undefined;
    const later = (more: Promise<readonly ResolvedAddress[]>): void => {
      // It may be anything, and reject before or without anyone's waiting for it.
      rest = Promise.resolve(more);
      rest.catch(() => undefined);
    };
    const looking = async (): Promise<readonly ResolvedAddress[]> =>
      checkAddresses(host, await resolver.lookup(host, this.#lookup.signal, later));
    looking()
      .then((addresses) => this.#found(addresses, rest))
      .catch((error: unknown) => this.#lookupBroke(error));
  }

  async #lookUpRest(rest: Promise<readonly ResolvedAddress[]>): Promise<void> {
    this.#foundRest(checkAddresses(this.#init.host, await rest));
  }

  #found(addresses: readonly ResolvedAddress[], rest: Promise<readonly ResolvedAddress[]> | undefined): void {
    if (this.#over || !this.#resolving) return;
    this.#queue.add(addresses);
    if (rest === undefined) {
      this.#lookupEnded();
    } else {
      this.#lookUpRest(rest).catch((error: unknown) => this.#lookupBroke(error));
      // IPv6 goes first if it is known in time (RFC 8305 3).
      if (!this.#queue.has(6)) this.#pauseFor(this.#init.timing.resolutionDelayMs);
    }
    this.#continue();
  }

  #foundRest(more: readonly ResolvedAddress[]): void {
    if (this.#over || !this.#resolving) return;
    this.#queue.add(more);
    this.#lookupEnded();
    if (this.#queue.started === 0) this.#endPause();
    this.#continue();
  }

  #lookupEnded(): void {
    this.#resolving = false;
    this.#lookupDeadline?.cancel();
  }

  #lookupLate(ms: number): void {
    const { host } = this.#init;
    const why = `no answer within dnsTimeoutMs (${ms} ms)`;
    this.#lookupFailed(lookupError(host, 'ETIMEOUT', { why, servers: this.#servers }));
  }

  #lookupBroke(error: unknown): void {
    this.#lookupFailed(asLookupError(this.#init.host, error, this.#servers));
  }

  /** With addresses of one family the connection may still come about. */
  #lookupFailed(error: PacketError): void {
    if (this.#over || !this.#resolving) return;
    this.#lookupEnded();
    this.#lookup.abort(error);
    if (this.#queue.seen === 0) {
      this.#fail(error);
      return;
    }
    if (this.#queue.started === 0) this.#endPause();
    this.#continue();
  }

  // ---- attempts ------------------------------------------------------------------------------------------------------

  /** Starts what may start now, and fails when nothing is left that could succeed. */
  #continue(): void {
    if (this.#over || this.#pause !== undefined) return;
    // Two sockets cannot be bound to one local port, so attempts from a chosen one do not overlap.
    if (this.#attempts.size > 0 && this.#init.options.localPort !== undefined) return;
    const next = this.#queue.take();
    if (next !== undefined) this.#attempt(next);
    else if (!this.#resolving && this.#attempts.size === 0) this.#fail(this.#failure());
  }

  #attempt({ address }: ResolvedAddress): void {
    const { engine, port, options, timing } = this.#init;
    const attempt = new Attempt(this, address);
    this.#attempts.add(attempt);
    attempt.transport = engine.connect({ host: address, port }, options, attempt);
    if (this.#resolving || this.#queue.waiting > 0) this.#pauseFor(timing.attemptDelayMs);
  }

  #pauseFor(ms: number): void {
    if (ms === 0) return;
    this.#pause = this.#init.clock.setTimer(ms, () => {
      this.#pause = undefined;
      this.#continue();
    });
  }

  #endPause(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  /** Internal: an attempt is open. */
  won(winner: Attempt): void {
    if (this.#over || winner.transport === undefined) {
      winner.abandon();
      return;
    }
    this.#attempts.delete(winner);
    this.#finish();
    this.transport.adopt(winner.transport);
  }

  /** Internal: an attempt is gone, on its own or because it was abandoned. */
  lost(attempt: Attempt, reason: CloseReason): void {
    this.#attempts.delete(attempt);
    if (this.#over) {
      if (this.#attempts.size === 0) this.#allClosed?.();
      return;
    }
    this.#failed.push({ address: attempt.address, error: reason.error });
    this.#endPause();
    this.#continue();
  }

  // ---- the end -------------------------------------------------------------------------------------------------------

  #failure(): PacketError {
    const { host, port, options } = this.#init;
    if (this.#queue.seen === 0) {
      return lookupError(host, 'ENODATA', {
        why: 'the resolver returned no address',
        servers: this.#servers,
      });
    }
    if (this.#failed.length === 0) return noSuchFamily(host, port, options.localAddress);
    return connectFailure(host, port, this.#failed);
  }

  #fail(error: PacketError): void {
    this.#finish();
    this.transport.fail({ by: 'error', clean: false, error });
  }

  /** Resolves when no attempt is left open. */
  #cancel(): Promise<void> {
    this.#finish();
    if (this.#attempts.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#allClosed = resolve;
    });
  }

  #finish(): void {
    this.#over = true;
    this.#endPause();
    this.#lookupDeadline?.cancel();
    if (this.#resolving) this.#lookup.abort();
    for (const attempt of this.#attempts) attempt.abandon();
  }
}

/** One address being tried. */
class Attempt implements TransportSink {
  readonly reads = 'kept';
  readonly address: string;
  transport: Transport | undefined;
  readonly #dial: Dial;

  constructor(owner: Dial, address: string) {
    this.#dial = owner;
    this.address = address;
  }

  abandon(): void {
    this.transport?.abort({ by: 'local', clean: true });
  }

  opened(): void {
    this.#dial.won(this);
  }

  closed(reason: CloseReason): void {
    this.#dial.lost(this, reason);
  }

  // A transport that is not opened has none of these, and an opened one is handed on or abandoned.
  bytes(): void {}
  drained(): void {}
  ended(): void {}
}
