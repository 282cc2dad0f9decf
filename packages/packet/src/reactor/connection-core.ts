import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { type ConnectionFacts, publish } from '../events.ts';
import type { CloseReason, Transport, TransportSink } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { Connection } from './connection.ts';
import type { ResolvedConnectionOptions } from './connection-options.ts';
import { IdleTimeout } from './idle-timeout.ts';
import { isThenable, Reading, type ReadingHost } from './reading.ts';
import type { Ask, AskOptions, AskOrigin, WorkerService } from './worker-service.ts';

/**
 * The life of one connection, between its transport and its handler.
 *
 *   OPENING ──opened──> OPEN ──closeAfterWriting, drain, refused frame──> FINISHING ──closed──> CLOSED
 *      └──────────────────┴── closeConnection, timeout, limit, throw ──> ABORTING ──closed──────┘
 *
 * The handler hears nothing after OPEN but `unbind`, which comes exactly once, from `closed`.
 */
const OPENING = 0;
const OPEN = 1;
const FINISHING = 2;
const ABORTING = 3;
const CLOSED = 4;

/** What a connection needs from the reactor that owns it. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly workers: WorkerService | undefined;
  report(error: unknown, where: string, connection: ConnectionFacts): void;
  /** The connection is gone; called before its `unbind`. */
  forget(core: ConnectionCore): void;
}

/** What a core is made from. */
export interface CoreInit {
  readonly id: number;
  readonly side: 'server' | 'client';
  readonly host: ConnectionHost;
  readonly options: ResolvedConnectionOptions;
  /** 0 is off. */
  readonly openTimeoutMs: number;
  /** 0 is off. */
  readonly firstByteTimeoutMs: number;
}

/** The state machine behind a {@link Connection}. */
export class ConnectionCore implements TransportSink, AskOrigin, ReadingHost {
  readonly reads = 'kept';
  readonly id: number;
  readonly side: 'server' | 'client';
  readonly #host: ConnectionHost;
  readonly #options: ResolvedConnectionOptions;
  readonly #init: CoreInit;
  readonly #handler: Connection;
  readonly #startedAt: number;
  /** Output that may be added below the high-water mark without asking whether the cap is passed. */
  readonly #freeBytes: number;
  readonly reading: Reading;
  #transport: Transport | undefined;
  #state = OPENING;
  #writeEnded = false;
  #full = false;
  /** Promises of callbacks outside reading, not settled yet. */
  #busy = 0;
  #calls = 0;
  #finishWhenAnswered = false;
  #draining = false;
  #intent: CloseReason | undefined;
  #timer: ClockTimer | undefined;
  #idle: IdleTimeout | undefined;
  #usedWorkers = false;
  #proxies: WorkerProxies | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(init: CoreInit, handler: Connection) {
    this.#init = init;
    this.id = init.id;
    this.side = init.side;
    this.#host = init.host;
    this.#options = init.options;
    this.#handler = handler;
    this.reading = new Reading(this, handler);
    this.#startedAt = init.host.clock.now();
    this.#freeBytes = init.options.maxOutboundBytes - init.options.highWaterBytes;
  }

  get transport(): Transport | undefined {
    return this.#transport;
  }

  get isClosed(): boolean {
    return this.#state === CLOSED;
  }

  /** Whether the handler may still hear of anything but `unbind`. */
  get live(): boolean {
    return this.#state <= OPEN;
  }

  get maxFrameBytes(): number {
    return this.#options.maxFrameBytes;
  }

  /** Typed proxies of the reactor's workers, bound to this connection. */
  workerProxies(): WorkerProxies {
    const service = this.#service('workers');
    this.#proxies ??= service.proxies(this);
    return this.#proxies;
  }

  facts(): ConnectionFacts {
    return { id: this.id, side: this.side, handler: this.#handler.constructor.name, remote: this.#transport?.remote };
  }

  // ---- beginning -----------------------------------------------------------------------------------------------------

  /** Takes the transport and starts the opening deadline. */
  start(transport: Transport): void {
    this.#transport = transport;
    const { openTimeoutMs } = this.#init;
    if (openTimeoutMs > 0) this.#timer = this.#deadline('connect', openTimeoutMs);
  }

  /** Gives the attempt to open up when `signal` fires. */
  abortOpeningOn(signal: AbortSignal): void {
    const giveUp = (): void => {
      if (this.#state !== OPENING) return;
      const error = new PacketError('ERR_PACKET_ABORTED', 'connect was aborted by its signal', {
        cause: signal.reason,
      });
      this.abort({ by: 'local', clean: false, error });
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    this.#forgetSignal = () => signal.removeEventListener('abort', giveUp);
  }

  /** Runs a callback of the handler outside the reading path: `postInit`, the init block, `unbind`. */
  call(where: string, callback: () => unknown): void {
    try {
      this.#watch(where, callback());
    } catch (error) {
      this.threw(where, error);
    }
  }

  // ---- what the transport reports ------------------------------------------------------------------------------------

  opened(): void {
    if (this.#state !== OPENING) return;
    this.#state = OPEN;
    this.#forgetSignal?.();
    this.#timer?.cancel();
    this.#timer = undefined;
    const { firstByteTimeoutMs } = this.#init;
    if (firstByteTimeoutMs > 0) this.#armFirstByte(firstByteTimeoutMs);
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0 && this.#transport !== undefined) {
      const expired = (): void => void this.abort(this.#timedOut('idle', idleTimeoutMs));
      this.#idle = new IdleTimeout(this.#host.clock, this.#transport, idleTimeoutMs, expired);
    }
    publish('packet:connection.opened', () => this.facts());
    try {
      this.reading.hold('connectionCompleted', this.#handler.connectionCompleted());
    } catch (error) {
      this.threw('connectionCompleted', error);
    }
  }

  bytes(chunk: Buffer): void {
    if (this.#state !== OPEN) return;
    if (this.#timer !== undefined) {
      this.#timer.cancel();
      this.#timer = undefined;
    }
    this.#idle?.touch();
    this.reading.bytes(chunk);
    if (this.#draining) this.#finishIfQuiet();
  }

  drained(): void {
    this.#idle?.touch();
    if (!this.#full) return;
    this.#full = false;
    if (this.#state !== OPEN) return;
    this.call('drained', () => this.#handler.drained());
  }

  ended(_clean: boolean): void {
    if (this.#state !== OPEN) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.reading.end();
  }

  closed(reason: CloseReason): void {
    if (this.#state === CLOSED) return;
    const wasOpen = this.#state <= OPEN;
    this.#state = CLOSED;
    this.#forgetSignal?.();
    this.#timer?.cancel();
    this.#idle?.cancel();
    this.reading.drop();
    if (wasOpen) this.#leaveWorkers();
    const final = this.#finalReason(reason);
    this.#host.forget(this);
    publish('packet:connection.closed', () => ({
      ...this.facts(),
      reason: final,
      bytesIn: this.#transport?.bytesIn ?? 0,
      bytesOut: this.#transport?.bytesOut ?? 0,
      durationMs: this.#host.clock.now() - this.#startedAt,
    }));
    this.call('unbind', () => this.#handler.unbind(final));
  }

  // ---- what the handler asks -----------------------------------------------------------------------------------------

  send(bytes: Uint8Array): boolean {
    const transport = this.#transport;
    if (this.#state > OPEN || this.#writeEnded || transport === undefined) return false;
    if (bytes.length === 0) return !this.#full;
    if ((this.#full || bytes.length > this.#freeBytes) && this.#overflows(transport.pendingBytes, bytes.length))
      return false;
    transport.write(bytes);
    return this.#belowHighWater(transport);
  }

  sendAll(parts: readonly Uint8Array[]): boolean {
    const transport = this.#transport;
    if (this.#state > OPEN || this.#writeEnded || transport === undefined) return false;
    let length = 0;
    for (const part of parts) length += part.length;
    if (length === 0) return !this.#full;
    if ((this.#full || length > this.#freeBytes) && this.#overflows(transport.pendingBytes, length)) return false;
    transport.write(parts);
    return this.#belowHighWater(transport);
  }

  endWriting(): void {
    if (this.#state > OPEN || this.#writeEnded) return;
    this.#writeEnded = true;
    this.#transport?.end();
  }

  close(): void {
    const clean = (this.#transport?.pendingBytes ?? 0) === 0;
    this.abort({ by: 'local', clean });
  }

  closeAfterWriting(): void {
    this.#finish({ by: this.reading.ended ? 'peer' : 'local', clean: true });
  }

  /** Closes after writing, once no call to a worker and no promise of a callback is outstanding. */
  closeWhenAnswered(): void {
    this.#finishWhenAnswered = true;
    this.#finishIfAnswered();
  }

  /** Ends it now; false when it is ending so already. */
  abort(reason: CloseReason): boolean {
    if (this.#state >= ABORTING) return false;
    const wasOpen = this.#state <= OPEN;
    this.#state = ABORTING;
    this.#intent = reason;
    if (wasOpen) this.#leaveWorkers();
    this.#transport?.abort(reason);
    return true;
  }

  /** The owner stops: ends the connection as soon as nothing of it is under way. */
  drain(): void {
    this.#draining = true;
    if (this.#state === OPENING) this.abort({ by: 'shutdown', clean: true });
    else this.#finishIfQuiet();
  }

  // ---- what reading needs --------------------------------------------------------------------------------------------

  get readable(): boolean {
    return this.#state === OPEN;
  }

  pauseTransport(): void {
    if (this.#state <= OPEN) this.#transport?.pause();
  }

  resumeTransport(): void {
    if (this.#state <= OPEN) this.#transport?.resume();
  }

  /** The handler may still say to the peer that its input was refused; then the connection ends. */
  refused(error: PacketError): void {
    publish('packet:connection.limit', () => ({ ...this.facts(), error }));
    const by = error.code === 'ERR_PACKET_FRAME_TOO_LARGE' ? 'limit' : 'error';
    this.call('messageRefused', () => this.reading.tellRefused(error));
    this.#finish({ by, clean: false, error });
  }

  /** What a callback threw ends the connection, and is reported. */
  threw(where: string, thrown: unknown): void {
    // Leaving its workers rejects what the handler awaited of them: no failure of the handler's, and nobody's to hear.
    const left = this.#state > OPEN && thrown instanceof PacketError && thrown.code === 'ERR_PACKET_CANCELLED';
    if (!left) this.report(thrown, where);
    // One that is finishing still owes its peer what was sent before.
    if (this.#state > OPEN) return;
    const error = new PacketError('ERR_PACKET_CALLBACK', `${this.#handler.constructor.name}.${where} threw`, {
      cause: thrown,
      details: { callback: where },
    });
    this.abort({ by: 'error', clean: false, error });
  }

  /** A call or promise is over that may have kept the connection from ending. */
  settled(): void {
    this.#finishIfAnswered();
    if (this.#draining) this.#finishIfQuiet();
  }

  // ---- workers -------------------------------------------------------------------------------------------------------

  ask(worker: string, data: unknown, options: AskOptions): Ask {
    return this.#service('askWorker').ask(this, worker, data, options);
  }

  callBegan(): void {
    this.#calls++;
  }

  callSettled(): void {
    this.#calls--;
    this.settled();
  }

  answered(value: unknown, ask: Ask): void {
    if (this.#state > OPEN) return;
    this.call('workerReceive', () => this.#handler.workerReceive(value, ask));
  }

  failed(error: PacketError, ask: Ask): void {
    if (this.#state > OPEN) return;
    this.call('workerFailed', () => this.#handler.workerFailed(error, ask));
  }

  /** Sends an error to the reactor's error hook in this connection's name. */
  report(error: unknown, where: string): void {
    this.#host.report(error, where, this.facts());
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #service(what: string): WorkerService {
    const service = this.#host.workers;
    if (service === undefined) {
      throw new PacketError('ERR_PACKET_STATE', `${what}: this reactor has no workers, or has not started them`);
    }
    if (this.#state > OPEN) throw new PacketError('ERR_PACKET_STATE', `${what}: the connection is closed`);
    this.#usedWorkers = true;
    return service;
  }

  #watch(where: string, result: unknown): void {
    if (!isThenable(result)) return;
    this.#busy++;
    const settled = (): void => {
      this.#busy--;
      this.settled();
    };
    result.then(settled, (error: unknown) => {
      this.threw(where, error);
      settled();
    });
  }

  #overflows(pending: number, length: number): boolean {
    if (pending + length <= this.#options.maxOutboundBytes) return false;
    const error = new PacketError(
      'ERR_PACKET_OUTBOUND_FULL',
      `unsent output would be ${pending + length} bytes, over the cap of ${this.#options.maxOutboundBytes}`,
      { details: { limit: this.#options.maxOutboundBytes, seen: pending + length } },
    );
    publish('packet:connection.limit', () => ({ ...this.facts(), error }));
    this.#full = true;
    // Nothing waits, so the transport will not say `drained`.
    if (pending === 0) queueMicrotask(() => this.drained());
    if (this.#options.outboundPolicy === 'close') this.abort({ by: 'limit', clean: false, error });
    return true;
  }

  #belowHighWater(transport: Transport): boolean {
    const pending = transport.pendingBytes;
    if (this.#idle !== undefined) this.#idle.wrote(pending);
    if (pending > this.#options.highWaterBytes) this.#full = true;
    return !this.#full;
  }

  #finish(intent: CloseReason): void {
    const transport = this.#transport;
    if (this.#state > OPEN || transport === undefined) return;
    this.#state = FINISHING;
    this.#intent = intent;
    this.#leaveWorkers();
    this.#timer?.cancel();
    this.#idle?.cancel();
    transport.end();
    // Input is read on and thrown away: closing with unread input would reset the peer before it has our output.
    transport.resume();
    this.#armLinger(transport, transport.pendingBytes);
  }

  #armLinger(transport: Transport, pendingBefore: number): void {
    this.#timer = this.#host.clock.setTimer(this.#options.lingerTimeoutMs, () => {
      const pending = transport.pendingBytes;
      if (pending < pendingBefore) {
        this.#armLinger(transport, pending);
      } else if (pending === 0) {
        // All output is with the kernel; only the peer's end is missing.
        this.abort(this.#intent ?? { by: 'local', clean: true });
      } else {
        this.abort(this.#timedOut('linger', this.#options.lingerTimeoutMs));
      }
    });
  }

  #finishIfAnswered(): void {
    if (!this.#finishWhenAnswered || this.#calls > 0 || this.#busy > 0 || this.reading.held) return;
    this.closeAfterWriting();
  }

  #finishIfQuiet(): void {
    if (this.#state !== OPEN || this.#calls > 0 || this.#busy > 0 || !this.reading.quiet) return;
    this.#finish({ by: 'shutdown', clean: true });
  }

  #leaveWorkers(): void {
    if (this.#usedWorkers) this.#host.workers?.originClosed(this);
  }

  /** A peer is not late while it is we who do not read. */
  #armFirstByte(ms: number): void {
    this.#timer = this.#host.clock.setTimer(ms, () => {
      if (this.reading.paused || this.reading.held) this.#armFirstByte(ms);
      else this.abort(this.#timedOut('first-byte', ms));
    });
  }

  #deadline(timeout: string, ms: number): ClockTimer {
    return this.#host.clock.setTimer(ms, () => void this.abort(this.#timedOut(timeout, ms)));
  }

  /** Why it ended: our own reason, unless the transport failed on the way to it and we had no error to tell. */
  #finalReason(reason: CloseReason): CloseReason {
    const intent = this.#intent;
    if (intent === undefined) return reason;
    return intent.error !== undefined || reason.error === undefined ? intent : reason;
  }

  #timedOut(timeout: string, ms: number): CloseReason {
    const error = new PacketError('ERR_PACKET_TIMEOUT', `${timeout} timeout after ${ms} ms`, {
      details: { timeout, ms },
    });
    return { by: 'timeout', clean: false, error };
  }
}
