import { PacketError, wrapError } from '../errors.ts';
import type { Acceptable } from './acceptor.ts';
import { formatAddress, UNNAMED } from './address.ts';
import type { DetachedSocket } from './detached.ts';
import { LINK_OPTIONS, type Link, LinkTransport } from './link-transport.ts';
import type { Address, CloseReason, Transport, TransportSink } from './transport.ts';

/** Runs jobs in order and never at once: the wire of the memory engine. */
export class MemoryWire {
  #jobs: (() => void)[] = [];

  post(job: () => void): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) setImmediate(() => this.#run());
  }

  #run(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    for (const job of jobs) job();
  }
}

type Delivery = (transport: LinkTransport) => void;

/**
 * One end of a connection in memory. What arrives before a transport took the end waits, bounded by the window.
 *
 * Closing looks as over TCP: an abort with unread input resets the other end at once; without, it ends the other's
 * input and resets it as soon as it sends more.
 */
export class MemoryEnd implements Acceptable, Link {
  readonly #wire: MemoryWire;
  #local: Address = UNNAMED;
  #remote: Address = UNNAMED;
  #other: MemoryEnd | undefined;
  #taken = false;
  #transport: LinkTransport | undefined;
  #opened = false;
  #early: Delivery[] = [];
  #earlyBytes = 0;
  #ended = false;
  #peerEnded = false;
  #first: 'local' | 'peer' | undefined;
  #closed = false;

  constructor(wire: MemoryWire) {
    this.#wire = wire;
  }

  get local(): Address {
    return this.#local;
  }

  get remote(): Address {
    return this.#remote;
  }

  /** Whether it closed before it was joined or since. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Connects two ends; called once, from the wire. */
  static join(client: MemoryEnd, server: MemoryEnd, from: Address, to: Address): void {
    client.#other = server;
    client.#local = from;
    client.#remote = to;
    server.#other = client;
    server.#local = to;
    server.#remote = from;
    client.#ready();
  }

  // As an end that was accepted, or handed over.

  /** @throws PacketError `ERR_PACKET_STATE` when a transport has this end already. */
  open(sink: TransportSink): Transport {
    const transport = this.connect(formatAddress(this.#remote), sink);
    this.#wire.post(() => this.#ready());
    return transport;
  }

  /** The transport of this end before it is joined; it opens when it is. */
  connect(name: string, sink: TransportSink): Transport {
    if (this.#taken) throw new PacketError('ERR_PACKET_STATE', `attach: ${name} has a transport already`);
    this.#taken = true;
    this.#transport = new LinkTransport(this, sink, { name, windowBytes: LINK_OPTIONS.windowBytes.fallback });
    return this.#transport;
  }

  detach(): DetachedSocket {
    return { kind: 'memory', end: this };
  }

  refuse(): void {
    this.#leave(this.#earlyBytes > 0);
  }

  // As the link of its transport.

  data(bytes: Uint8Array): void {
    this.#toOther((other) => other.#receive(Buffer.from(bytes.buffer)));
  }

  credit(bytes: number): void {
    this.#toOther((other) => other.#tell((transport) => transport.linkCredit(bytes)));
  }

  end(): void {
    this.#ended = true;
    this.#first ??= 'local';
    this.#toOther((other) => other.#receiveEnd());
    this.#wire.post(() => this.#closeIfBothEnded());
  }

  expectNoMore(): void {
    this.#wire.post(() => {
      this.#peerEnded = true;
      this.#first ??= 'peer';
      this.#closeIfBothEnded();
    });
  }

  abort(reason: CloseReason, reset: boolean): void {
    this.#leave(reset || this.#transport?.hasUnread === true);
    this.#wire.post(() => this.#transport?.linkClosed(reason));
  }

  release(): void {}

  tune(): void {}

  /** The attempt to connect failed; called instead of {@link join}. */
  fail(reason: CloseReason): void {
    this.#closed = true;
    this.#transport?.linkClosed(reason);
  }

  #toOther(job: (other: MemoryEnd) => void): void {
    this.#wire.post(() => {
      if (this.#other !== undefined) job(this.#other);
    });
  }

  // What the other end does, from the wire.

  #ready(): void {
    const transport = this.#transport;
    if (transport === undefined) return;
    this.#opened = true;
    transport.linkOpened(this.#local, this.#remote);
    for (const delivery of this.#early.splice(0)) delivery(transport);
  }

  #tell(delivery: Delivery): void {
    if (this.#opened && this.#transport !== undefined) delivery(this.#transport);
    else this.#early.push(delivery);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) {
      this.#toOther((other) => other.#reset());
      return;
    }
    if (!this.#opened) this.#earlyBytes += chunk.byteLength;
    this.#tell((transport) => transport.linkData(chunk));
  }

  #receiveEnd(): void {
    if (this.#closed || this.#peerEnded) return;
    this.#peerEnded = true;
    this.#first ??= 'peer';
    this.#tell((transport) => transport.linkEnded(true));
    this.#closeIfBothEnded();
  }

  #closeIfBothEnded(): void {
    if (!this.#closed && this.#ended && this.#peerEnded) this.#close({ by: this.#first ?? 'peer', clean: true });
  }

  #reset(): void {
    if (this.#closed) return;
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    this.#close({ by: 'peer', clean: false, error: wrapError('ERR_PACKET_SOCKET', formatAddress(this.remote), cause) });
  }

  #close(reason: CloseReason): void {
    this.#closed = true;
    this.#tell((transport) => transport.linkClosed(reason));
  }

  /** Goes away at once; `unread` input makes that a reset. */
  #leave(unread: boolean): void {
    this.#closed = true;
    this.#toOther((other) => (unread ? other.#reset() : other.#receiveEnd()));
  }
}
