import type { TLSSocket } from 'node:tls';
import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { goneError } from './close-reasons.ts';
import type { DetachedSocket } from './detached.ts';
import type { FileDone } from './outgoing.ts';
import { handshakeCut, handshakeLate, plaintextError, tlsError, truncated } from './tls-errors.ts';
import type { TlsInfo } from './tls-info.ts';
import { PlainOutput } from './tls-output.ts';
import { RecordStream } from './tls-records.ts';
import type { TlsSide } from './tls-server.ts';
import type { Address, CloseReason, SocketTuning, Transport, TransportSink } from './transport.ts';

/** Records that can begin a handshake: handshake and alert (RFC 8446 5.1). */
const HANDSHAKE_RECORD = 22;
const ALERT_RECORD = 21;

const NAME = 'TLS connection';

/** Where a secure transport reports. */
export interface SecureSink extends TransportSink {
  /** The handshake is complete; comes right after `opened`, before the first decrypted byte. */
  secured(info: TlsInfo): void;
}

/** How TLS begins on a transport. */
export interface SecureOptions {
  /** Keeps the handshake deadline. */
  readonly clock: Clock;
  /** The transport is open and bytes in the clear came before (STARTTLS); what follows in the clear is refused. */
  readonly midStream?: boolean;
}

/**
 * TLS over any transport.
 *
 *   [opening] --opened below--> [handshaking] --opened, secured--> [open] --ended--> [half-closed] --closed--> gone
 *       └── refused, reset ───────────┴── failed, late, plain peer ──────┴── error, abort ── closed ──────────┘
 *
 * `closed` follows that of the transport below. Once there is a reason nothing but `closed` is delivered.
 */
export class SecureTransport implements Transport, TransportSink {
  readonly reads = 'kept';
  readonly #inner: Transport;
  readonly #side: TlsSide;
  readonly #options: SecureOptions;
  readonly #records: RecordStream;
  readonly #output: PlainOutput;
  /** What the transport below had counted in the clear before. */
  readonly #clearIn: number;
  readonly #clearOut: number;
  #sink: TransportSink | SecureSink;
  #socket: TLSSocket | undefined;
  #info: TlsInfo | undefined;
  #deadline: ClockTimer | undefined;
  #heard = false;
  #received = 0;
  #paused = false;
  /** The peer's end waits for `resume`. */
  #endHeld = false;
  #peerEnded = false;
  #truncated = false;
  /** Output taken when the peer ended; undefined when some was pending. */
  #sentAtEnd: number | undefined;
  #innerEnded = false;
  #innerReason: CloseReason | undefined;
  #first: 'local' | 'peer' | undefined;
  #reason: CloseReason | undefined;
  #delivered = false;

  constructor(inner: Transport, side: TlsSide, sink: SecureSink, options: SecureOptions) {
    this.#inner = inner;
    this.#side = side;
    this.#sink = sink;
    this.#options = options;
    this.#records = new RecordStream(inner);
    this.#records.on('error', () => undefined);
    const midStream = options.midStream === true;
    this.#output = new PlainOutput(inner, () => this.#sink.drained(), midStream && inner.pendingBytes > 0);
    this.#clearIn = midStream ? inner.bytesIn : 0;
    this.#clearOut = midStream ? inner.bytesOut + inner.pendingBytes : 0;
    inner.redirect(this);
    inner.resume();
    if (midStream) this.#begin();
  }

  /** What the handshake agreed on, once it is complete. */
  get info(): TlsInfo | undefined {
    return this.#info;
  }

  get local(): Address | undefined {
    return this.#isOpen ? this.#inner.local : undefined;
  }

  get remote(): Address | undefined {
    return this.#isOpen ? this.#inner.remote : undefined;
  }

  /** In the middle of a stream it has been from the start. */
  get #isOpen(): boolean {
    return this.#socket !== undefined || this.#options.midStream === true;
  }

  get pendingBytes(): number {
    return this.#output.pendingBytes;
  }

  get bytesIn(): number {
    return this.#clearIn + this.#received;
  }

  get bytesOut(): number {
    return this.#clearOut + this.#output.bytesOut;
  }

  redirect(sink: TransportSink): void {
    this.#sink = sink;
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    this.#output.write(bytes);
  }

  writeFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#reason !== undefined || this.#output.ending) process.nextTick(done, goneError(NAME, this.#reason));
    else this.#output.writeFile(fd, offset, length, done);
  }

  end(): void {
    if (this.#reason !== undefined || this.#output.ending) return;
    this.#first ??= 'local';
    this.#output.end();
  }

  abort(reason: CloseReason, reset?: boolean): void {
    if (this.#reason !== undefined) return;
    const leave = (): void => {
      this.#inner.abort(reason, reset);
      this.#release();
    };
    // An end that lost nothing is told as such; any other must look like what it is.
    this.#settle(reason, () => (reason.clean ? this.#output.sayGoodbye(leave) : leave()));
    if (this.#innerReason !== undefined) process.nextTick(() => this.#deliverClosed());
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#socket === undefined || this.#reason !== undefined) return;
    this.#socket.resume();
    if (this.#endHeld) process.nextTick(() => this.#deliverHeldEnd());
    else this.#lookForEnd();
  }

  tune(tuning: SocketTuning): void {
    this.#inner.tune(tuning);
  }

  detach(): Promise<DetachedSocket> {
    return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', 'a TLS connection cannot leave its process'));
  }

  // What the transport below reports.

  /** Internal. */
  opened(): void {
    if (this.#reason === undefined) this.#begin();
  }

  /** Internal. */
  bytes(chunk: Buffer): void {
    if (this.#reason !== undefined || this.#peerEnded) return;
    if (!this.#heard) {
      this.#heard = true;
      if (this.#options.midStream === true && chunk[0] !== HANDSHAKE_RECORD && chunk[0] !== ALERT_RECORD) {
        this.#fail(plaintextError('bytes in the clear came where the TLS handshake had to begin'));
        return;
      }
    }
    this.#records.received(chunk);
  }

  /** Internal. */
  drained(): void {
    if (this.#innerReason !== undefined) return;
    this.#records.taken();
    this.#output.taken();
  }

  /** Internal. */
  backedUp(): void {
    if (this.#reason === undefined && this.#socket !== undefined) this.#sink.backedUp?.();
  }

  /** Internal. */
  ended(_clean: boolean): void {
    this.#innerEnded = true;
    this.#lookForEnd();
  }

  /** Internal. */
  closed(reason: CloseReason): void {
    this.#innerReason = reason;
    this.#innerEnded = true;
    if (this.#reason !== undefined) this.#deliverClosed();
    else if (!reason.clean && !this.#saidAll(reason)) this.#close(reason);
    else if (this.#socket === undefined) this.#close(handshakeCut());
    else this.#closeIfOver();
  }

  // The handshake.

  #begin(): void {
    const { handshakeTimeoutMs } = this.#side;
    this.#deadline = this.#options.clock.setTimer(handshakeTimeoutMs, () =>
      this.abort(handshakeLate(handshakeTimeoutMs)),
    );
    this.#side.begin(this.#records, {
      secured: (socket, info) => this.#secured(socket, info),
      failed: (error) => this.#fail(error),
    });
  }

  #secured(socket: TLSSocket, info: TlsInfo): void {
    if (this.#reason !== undefined) {
      socket.destroy();
      return;
    }
    this.#deadline?.cancel();
    this.#socket = socket;
    socket.allowHalfOpen = true;
    // A peer could make us compute handshakes for ever (CVE-2011-1473).
    socket.disableRenegotiation();
    socket.pause();
    socket.on('data', (chunk: Buffer) => this.#plain(chunk));
    socket.on('end', () => this.#noticed());
    socket.on('error', (error) => this.#fail(tlsError(error)));
    socket.on('close', () => this.#gone(socket));
    this.#info = info;
    // Begun before they are told: who closes then still says so inside TLS, and a client leaves with its handshake complete.
    this.#output.hold();
    this.#output.start(socket);
    this.#sink.opened();
    if (this.#reason === undefined && 'secured' in this.#sink) this.#sink.secured(info);
    if (this.#reason !== undefined) return;
    this.#output.release();
    if (!this.#paused) socket.resume();
  }

  #fail(error: PacketError): void {
    if (this.#reason !== undefined) return;
    this.abort({ by: 'error', clean: false, error });
  }

  /** Node closes its socket once both sides have ended; at any other time something failed that had no error. */
  #gone(socket: TLSSocket): void {
    if (!socket.readableEnded || !socket.writableFinished) this.#fail(tlsError(new Error('closed')));
    // A peer that keeps its socket open after close_notify must not keep the connection.
    else if (this.#reason === undefined) this.#inner.expectNoMore?.();
  }

  // Input and the end.

  #plain(chunk: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#received += chunk.byteLength;
    this.#output.hold();
    try {
      this.#sink.bytes(chunk);
    } finally {
      this.#output.release();
    }
  }

  /** Close_notify came. */
  #noticed(): void {
    if (this.#reason !== undefined || this.#peerEnded) return;
    if (this.#paused) this.#endHeld = true;
    else this.#deliverEnd(true);
  }

  #deliverHeldEnd(): void {
    if (this.#reason !== undefined || this.#paused || !this.#endHeld) return;
    this.#endHeld = false;
    this.#deliverEnd(true);
  }

  /** The peer's end came below: everything it sent is decrypted, then either close_notify was there or never comes. */
  #lookForEnd(): void {
    if (this.#innerEnded && !this.#peerEnded) setImmediate(() => this.#judgeEnd());
  }

  #judgeEnd(): void {
    const socket = this.#socket;
    if (this.#reason !== undefined || this.#peerEnded) return;
    if (socket === undefined) this.abort(handshakeCut());
    else if (this.#paused || this.#endHeld) return;
    else if (this.#records.readableLength > 0 || socket.readableLength > 0) this.#lookForEnd();
    else this.#deliverEnd(false);
  }

  #deliverEnd(clean: boolean): void {
    this.#peerEnded = true;
    this.#truncated = !clean;
    if (this.#output.pendingBytes === 0) this.#sentAtEnd = this.#output.bytesOut;
    this.#first ??= 'peer';
    this.#sink.ended(clean);
    if (this.#innerReason !== undefined) this.#closeIfOver();
  }

  /** Whether only our close_notify, or less, met the reset of a peer that had ended before and is gone. */
  #saidAll(reason: CloseReason): boolean {
    if (!this.#peerEnded || reason.by !== 'peer') return false;
    return this.#truncated || (this.#output.ending && this.#output.bytesOut === this.#sentAtEnd);
  }

  #closeIfOver(): void {
    if (this.#reason !== undefined) return;
    if (!this.#peerEnded) this.#lookForEnd();
    else this.#close(this.#truncated ? truncated() : { by: this.#first ?? 'peer', clean: true });
  }

  /** The transport below is closed. */
  #close(reason: CloseReason): void {
    this.#settle(reason, () => this.#release());
    this.#deliverClosed();
  }

  #settle(reason: CloseReason, left: () => void): void {
    this.#reason = reason;
    this.#deadline?.cancel();
    this.#output.stop(goneError(NAME, reason), left);
  }

  #release(): void {
    this.#socket?.destroy();
    this.#records.destroy();
  }

  #deliverClosed(): void {
    if (this.#delivered || this.#reason === undefined) return;
    this.#delivered = true;
    this.#release();
    this.#sink.closed(this.#reason);
  }
}
