import { PacketError } from '../errors.ts';
import type { NumberRow } from '../options.ts';
import { formatAddress } from './address.ts';
import type { DetachedSocket } from './detached.ts';
import type { Address, Incoming, ListenSink, Transport, TransportSink } from './transport.ts';

/** Options of the engines that accept connections without native code. */
export interface AcceptorRows {
  readonly [name: string]: NumberRow;
  /** Connections kept unread while a listener is suspended; more are closed at once. @defaultValue 1024 */
  readonly maxHeld: NumberRow;
}

/** The option rows of {@link AcceptorRows}. */
export const ACCEPTOR_OPTIONS: AcceptorRows = {
  maxHeld: { kind: 'number', fallback: 1024, min: 0, max: 65_536, unit: 'connections' },
};

/**
 * Hands accepted connections to a sink in order, and holds a bounded number of them unread while suspended.
 *
 * Beyond the bound connections are refused; the sink is told once per suspension.
 */
export class Acceptor {
  readonly #name: string;
  readonly #sink: ListenSink;
  readonly #maxHeld: number;
  #held: Incoming[] = [];
  #suspended = false;
  #overflowed = false;
  #closed = false;

  constructor(name: string, sink: ListenSink, maxHeld: number) {
    this.#name = name;
    this.#sink = sink;
    this.#maxHeld = maxHeld;
  }

  accepted(incoming: Incoming): void {
    if (this.#closed) {
      incoming.refuse();
    } else if (!this.#suspended && this.#held.length === 0) {
      this.#sink.incoming(incoming);
    } else if (this.#held.length < this.#maxHeld) {
      // Also while those held earlier wait for their turn after resume.
      this.#held.push(incoming);
    } else {
      incoming.refuse();
      this.#overflow();
    }
  }

  suspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.#overflowed = false;
    if (this.#held.length > 0) process.nextTick(() => this.#release());
  }

  /** Hands on what is held, suspended or not: nobody else has it. */
  release(): void {
    this.#suspended = false;
    this.#release();
  }

  /** Refuses what is held and what may still come. */
  close(): void {
    this.#closed = true;
    for (const incoming of this.#held.splice(0)) incoming.refuse();
  }

  #release(): void {
    while (!this.#suspended) {
      const incoming = this.#held.shift();
      if (incoming === undefined) return;
      this.#sink.incoming(incoming);
    }
  }

  #overflow(): void {
    if (this.#overflowed) return;
    this.#overflowed = true;
    const message = `${this.#name}: suspended and ${this.#maxHeld} connections held; more are closed`;
    this.#sink.trouble(new PacketError('ERR_PACKET_LIMIT', message, { details: { maxHeld: this.#maxHeld } }));
  }
}

/** What can be done, once, with a connection that was accepted. */
export interface Acceptable {
  readonly local: Address;
  readonly remote: Address;
  open(sink: TransportSink): Transport;
  detach(): DetachedSocket;
  refuse(): void;
}

/** Lets exactly one of `open`, `detach` and `refuse` through, once. */
export class Accepted implements Incoming {
  readonly #inner: Acceptable;
  #taken = false;

  constructor(inner: Acceptable) {
    this.#inner = inner;
  }

  get local(): Address {
    return this.#inner.local;
  }

  get remote(): Address {
    return this.#inner.remote;
  }

  open(sink: TransportSink): Transport {
    return this.#take('open').open(sink);
  }

  detach(): DetachedSocket {
    return this.#take('detach').detach();
  }

  refuse(): void {
    this.#take('refuse').refuse();
  }

  #take(method: string): Acceptable {
    if (this.#taken) {
      const message = `${method}: the connection from ${formatAddress(this.remote)} was opened, detached or refused before`;
      throw new PacketError('ERR_PACKET_STATE', message);
    }
    this.#taken = true;
    return this.#inner;
  }
}
