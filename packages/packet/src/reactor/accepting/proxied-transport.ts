import { PacketError } from '../../errors.ts';
import type {
  Address,
  CloseReason,
  DetachedSocket,
  SocketTuning,
  Transport,
  TransportSink,
} from '../../transport/index.ts';
import { INCOMPLETE_HEADER, type ParsedProxyHeader, type ProxyHeader, type ProxyHeaderParser } from './proxy-header.ts';

/** Where a transport reports that waits for the header of its proxy. */
export interface HeaderSink {
  named(transport: ProxiedTransport, header: ProxyHeader): void;
  /** There will be no header; the transport is being closed. */
  unnamed(transport: ProxiedTransport, error: PacketError): void;
  /** Closed without ever having been opened. */
  gone(transport: ProxiedTransport): void;
}

const READING = 0;
const NAMED = 1;
const OPENING = 2;
const OPEN = 3;
const THROUGH = 4;
const OVER = 5;

/**
 * A connection of a proxy: reads the header itself, and from then on is a transport between the addresses in it.
 *
 *   READING ──header──> NAMED ──open(sink)──> OPENING ──next turn──> OPEN ──rest told──> THROUGH ──closed──> OVER
 *      └── refused, ended ── abort ──────────────────────────────────────────────────────────────────────────┘
 *
 * It is the sink of the transport below up to OPEN, because bytes that came with the header are told first. From THROUGH on the
 * transport below reports straight to the sink above.
 */
export class ProxiedTransport implements Transport, TransportSink {
  readonly reads = 'kept';
  readonly #parser: ProxyHeaderParser;
  readonly #owner: HeaderSink;
  #inner: Transport | undefined;
  #state = READING;
  #sink: TransportSink | undefined;
  #headerBytes = 0;
  #rest: Buffer | undefined;
  #local: Address | undefined;
  #remote: Address | undefined;
  #paused = false;
  #drainedDue = false;
  #aborted = false;
  #reason: CloseReason | undefined;

  constructor(parser: ProxyHeaderParser, owner: HeaderSink) {
    this.#parser = parser;
    this.#owner = owner;
  }

  /** Takes the transport below, of which this is the sink. */
  own(inner: Transport): void {
    this.#inner = inner;
  }

  /** Reports to `sink` from the next turn on. To be called once, after `named`. */
  open(sink: TransportSink, local: Address, remote: Address): Transport {
    this.#sink = sink;
    this.#local = local;
    this.#remote = remote;
    this.#state = OPENING;
    process.nextTick(() => this.#begin());
    return this;
  }

  // ---- what the transport below reports ------------------------------------------------------------------------------

  opened(): void {
    // Told to the sink above once the header is whole.
  }

  bytes(chunk: Buffer): void {
    if (this.#state !== READING) return;
    let parsed: ParsedProxyHeader | typeof INCOMPLETE_HEADER;
    try {
      parsed = this.#parser.push(chunk);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.refuse(error);
      return;
    }
    if (parsed === INCOMPLETE_HEADER) return;
    this.#inner?.pause();
    this.#headerBytes = parsed.headerBytes;
    this.#rest = parsed.rest;
    this.#state = NAMED;
    this.#owner.named(this, parsed.header);
  }

  drained(): void {
    if (this.#state === OPEN) this.#sink?.drained();
    else this.#drainedDue = true;
  }

  backedUp(): void {
    this.#sink?.backedUp?.();
  }

  ended(_clean: boolean): void {
    // While paused, which it is from NAMED on, the transport below tells no end.
    if (this.#state !== READING) return;
    this.refuse(new PacketError('ERR_PACKET_PROXY_HEADER', 'PROXY header: the peer ended before it was whole'));
  }

  closed(reason: CloseReason): void {
    this.#reason = reason;
    const state = this.#state;
    if (state === OPENING) return; // told by #begin
    if (state === READING) this.refuse(missing(reason));
    this.#state = OVER;
    if (this.#sink === undefined) this.#owner.gone(this);
    else this.#sink.closed(reason);
  }

  // ---- what its owner does -------------------------------------------------------------------------------------------

  /** Gives the header up and closes. */
  refuse(error: PacketError): void {
    if (this.#state !== READING) return;
    this.#state = OVER;
    this.#inner?.abort({ by: error.code === 'ERR_PACKET_TIMEOUT' ? 'timeout' : 'error', clean: false, error });
    this.#owner.unnamed(this, error);
  }

  // ---- the transport above -------------------------------------------------------------------------------------------

  get local(): Address | undefined {
    return this.#state >= OPEN ? this.#local : undefined;
  }

  get remote(): Address | undefined {
    return this.#state >= OPEN ? this.#remote : undefined;
  }

  get pendingBytes(): number {
    return this.#inner?.pendingBytes ?? 0;
  }

  /** Bytes of the client; the header is not its. */
  get bytesIn(): number {
    return (this.#inner?.bytesIn ?? 0) - this.#headerBytes;
  }

  get bytesOut(): number {
    return this.#inner?.bytesOut ?? 0;
  }

  redirect(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#state === THROUGH) this.#inner?.redirect(sink);
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    this.#inner?.write(bytes);
  }

  writeFile(fd: number, offset: number, length: number, done: (error?: PacketError) => void): void {
    this.#inner?.writeFile(fd, offset, length, done);
  }

  end(): void {
    this.#inner?.end();
  }

  abort(reason: CloseReason): void {
    this.#aborted = true;
    this.#inner?.abort(reason);
  }

  pause(): void {
    this.#paused = true;
    this.#inner?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#state === THROUGH) this.#inner?.resume();
    else if (this.#state === OPEN) process.nextTick(() => this.#flow());
  }

  tune(tuning: SocketTuning): void {
    this.#inner?.tune(tuning);
  }

  detach(): Promise<DetachedSocket> {
    const message = 'a connection whose PROXY header was read cannot be handed over';
    return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', message));
  }

  #begin(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (this.#reason !== undefined) {
      this.#state = OVER;
      sink.closed(this.#reason);
      return;
    }
    this.#state = OPEN;
    if (this.#aborted) return;
    sink.opened();
    if (this.#drainedDue && !this.#aborted) sink.drained();
    this.#flow();
  }

  /** Tells what came with the header, then steps out of the way. */
  #flow(): void {
    if (this.#state !== OPEN || this.#aborted || this.#paused) return;
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined && rest.length > 0) this.#sink?.bytes(rest);
    if (this.#aborted || this.#sink === undefined) return;
    this.#state = THROUGH;
    this.#inner?.redirect(this.#sink);
    if (!this.#paused) this.#inner?.resume();
  }
}

function missing(reason: CloseReason): PacketError {
  return new PacketError('ERR_PACKET_PROXY_HEADER', 'PROXY header: the peer left before it was whole', {
    cause: reason.error,
  });
}
