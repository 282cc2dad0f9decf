import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { type ConnectionFacts, publish } from '../events.ts';
import { type Framer, INCOMPLETE } from '../framing/index.ts';
import type { CloseReason, Transport, TransportSink } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { Connection } from './connection.ts';
import type { ResolvedConnectionOptions } from './connection-options.ts';
import { IdleTimeout } from './idle-timeout.ts';
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
export class ConnectionCore implements TransportSink, AskOrigin {
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
  #transport: Transport | undefined;
  #framer: Framer<unknown, unknown> | undefined;
  #deliver: ((message: unknown) => unknown) | undefined;
  #refused: ((error: PacketError) => unknown) | undefined;
  #state = OPENING;
  #writeEnded = false;
  #full = false;
  #userPaused = false;
  /** Promises returned by reading callbacks and not settled yet; reading waits for them. */
  #held = 0;
  /** Other callbacks' promises not settled yet. */
  #busy = 0;
  #calls = 0;
  #pumping = false;
  #peerEnded = false;
  /** The peer has ended and the handler has not heard it yet. */
  #endDue = false;
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
      this.#threw(where, error);
    }
  }

  /** From now on input goes through `framer` and whole messages to `deliver`. */
  useFramer(
    framer: Framer<unknown, unknown> | undefined,
    deliver?: (message: unknown) => unknown,
    refused?: (error: PacketError) => unknown,
  ): void {
    this.#framer = framer;
    this.#deliver = deliver;
    this.#refused = refused;
  }

  // ---- what the transport reports ------------------------------------------------------------------------------------

  opened(): void {
    if (this.#state !== OPENING) return;
    this.#state = OPEN;
    this.#forgetSignal?.();
    this.#timer?.cancel();
    this.#timer = undefined;
    const { firstByteTimeoutMs } = this.#init;
    if (firstByteTimeoutMs > 0) this.#timer = this.#deadline('first-byte', firstByteTimeoutMs);
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0 && this.#transport !== undefined) {
      const expired = (): void => this.abort(this.#timedOut('idle', idleTimeoutMs));
      this.#idle = new IdleTimeout(this.#host.clock, this.#transport, idleTimeoutMs, expired);
    }
    publish('packet:connection.opened', () => this.facts());
    try {
      this.#holdReading('connectionCompleted', this.#handler.connectionCompleted());
    } catch (error) {
      this.#threw('connectionCompleted', error);
    }
  }

  bytes(chunk: Buffer): void {
    if (this.#state !== OPEN) return;
    if (this.#timer !== undefined) {
      this.#timer.cancel();
      this.#timer = undefined;
    }
    this.#idle?.touch();
    if (this.#framer !== undefined) {
      this.#framer.push(chunk);
      this.#pump();
    } else {
      try {
        const result: unknown = this.#handler.receiveData(chunk);
        if (result !== undefined) this.#holdReading('receiveData', result);
      } catch (error) {
        this.#threw('receiveData', error);
      }
    }
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
    if (this.#state !== OPEN || this.#peerEnded) return;
    this.#peerEnded = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endDue = true;
    if (this.#framer !== undefined) this.#finishFraming();
    this.#deliverEnd();
  }

  closed(reason: CloseReason): void {
    if (this.#state === CLOSED) return;
    const wasOpen = this.#state <= OPEN;
    this.#state = CLOSED;
    this.#forgetSignal?.();
    this.#timer?.cancel();
    this.#idle?.cancel();
    this.#framer?.release();
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

  pause(): void {
    this.#userPaused = true;
    if (this.#state <= OPEN) this.#transport?.pause();
  }

  resume(): void {
    if (!this.#userPaused) return;
    this.#userPaused = false;
    this.#continueReading();
  }

  get paused(): boolean {
    return this.#userPaused;
  }

  close(): void {
    const clean = (this.#transport?.pendingBytes ?? 0) === 0;
    this.abort({ by: 'local', clean });
  }

  closeAfterWriting(): void {
    this.#finish({ by: this.#peerEnded ? 'peer' : 'local', clean: true });
  }

  /** Closes after writing, once no call to a worker and no promise of a callback is outstanding. */
  closeWhenAnswered(): void {
    this.#finishWhenAnswered = true;
    this.#finishIfAnswered();
  }

  abort(reason: CloseReason): void {
    if (this.#state >= ABORTING) return;
    const wasOpen = this.#state <= OPEN;
    this.#state = ABORTING;
    this.#intent = reason;
    if (wasOpen) this.#leaveWorkers();
    this.#transport?.abort(reason);
  }

  /** The owner stops: ends the connection as soon as nothing of it is under way. */
  drain(): void {
    this.#draining = true;
    if (this.#state === OPENING) this.abort({ by: 'shutdown', clean: true });
    else this.#finishIfQuiet();
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
    this.#finishIfAnswered();
    if (this.#draining) this.#finishIfQuiet();
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
      throw new PacketError('ERR_PACKET_STATE', `${what}: this reactor was started without workers`);
    }
    if (this.#state > OPEN) throw new PacketError('ERR_PACKET_STATE', `${what}: the connection is closed`);
    this.#usedWorkers = true;
    return service;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      // Both are read anew for each message: a callback may close, pause, or switch the framer.
      while (this.#state === OPEN && !this.#userPaused && this.#held === 0) {
        const framer = this.#framer;
        const deliver = this.#deliver;
        if (framer === undefined || deliver === undefined) return;
        let message: unknown;
        try {
          message = framer.next();
        } catch (error) {
          this.#refuse(error);
          return;
        }
        if (message === INCOMPLETE) return;
        try {
          const result = deliver(message);
          if (result !== undefined) this.#holdReading('receiveMessage', result);
        } catch (error) {
          this.#threw('receiveMessage', error);
        }
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Delivers the last message, which the peer's end completed. */
  #finishFraming(): void {
    const framer = this.#framer;
    const deliver = this.#deliver;
    if (framer === undefined || deliver === undefined) return;
    let message: unknown;
    try {
      message = framer.finish();
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (message === INCOMPLETE) return;
    try {
      this.#holdReading('receiveMessage', deliver(message));
    } catch (error) {
      this.#threw('receiveMessage', error);
    }
  }

  /** The peer's end comes after everything it sent before has been dealt with. */
  #deliverEnd(): void {
    if (!this.#endDue || this.#state !== OPEN || this.#userPaused || this.#held > 0) return;
    this.#endDue = false;
    this.call('peerEnded', () => this.#handler.peerEnded());
  }

  /** The framer refused the input: the handler may still say so to the peer, then the connection ends. */
  #refuse(thrown: unknown): void {
    const error =
      thrown instanceof PacketError
        ? thrown
        : new PacketError('ERR_PACKET_FRAME_MALFORMED', 'the framer threw', { cause: thrown });
    publish('packet:connection.limit', () => ({ ...this.facts(), error }));
    const by = error.code === 'ERR_PACKET_FRAME_TOO_LARGE' ? 'limit' : 'error';
    this.call('messageRefused', () => this.#refused?.(error));
    this.#finish({ by, clean: false, error });
  }

  #holdReading(where: string, result: unknown): void {
    if (!isThenable(result)) return;
    if (this.#held++ === 0 && this.#state <= OPEN) this.#transport?.pause();
    result.then(
      () => this.#release(),
      (error: unknown) => {
        this.#threw(where, error);
        this.#release();
      },
    );
  }

  #release(): void {
    this.#held--;
    this.#continueReading();
    this.#finishIfAnswered();
    if (this.#draining) this.#finishIfQuiet();
  }

  #continueReading(): void {
    if (this.#state > OPEN || this.#userPaused || this.#held > 0) return;
    // Messages already cut wait in the framer; they come before anything the transport still holds.
    queueMicrotask(() => {
      this.#pump();
      this.#deliverEnd();
      if (this.#state <= OPEN && !this.#userPaused && this.#held === 0) this.#transport?.resume();
    });
  }

  #watch(where: string, result: unknown): void {
    if (!isThenable(result)) return;
    this.#busy++;
    const settled = (): void => {
      this.#busy--;
      this.#finishIfAnswered();
      if (this.#draining) this.#finishIfQuiet();
    };
    result.then(settled, (error: unknown) => {
      this.#threw(where, error);
      settled();
    });
  }

  #threw(where: string, thrown: unknown): void {
    this.report(thrown, where);
    if (this.#state === CLOSED) return;
    const error = new PacketError('ERR_PACKET_CALLBACK', `${this.#handler.constructor.name}.${where} threw`, {
      cause: thrown,
      details: { callback: where },
    });
    this.abort({ by: 'error', clean: false, error });
  }

  #overflows(pending: number, length: number): boolean {
    if (pending + length <= this.#options.maxOutboundBytes) return false;
    const error = new PacketError(
      'ERR_PACKET_OUTBOUND_FULL',
      `unsent output would be ${pending + length} bytes, over the cap of ${this.#options.maxOutboundBytes}`,
      { details: { limit: this.#options.maxOutboundBytes, seen: pending + length } },
    );
    publish('packet:connection.limit', () => ({ ...this.facts(), error }));
    // Without anything waiting, `drained` would never come.
    if (pending > 0) this.#full = true;
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
    if (!this.#finishWhenAnswered || this.#calls > 0 || this.#busy > 0 || this.#held > 0) return;
    this.closeAfterWriting();
  }

  #finishIfQuiet(): void {
    if (this.#state !== OPEN || this.#calls > 0 || this.#busy > 0 || this.#held > 0 || this.#userPaused) return;
    if ((this.#framer?.heldBytes ?? 0) > 0) return;
    this.#finish({ by: 'shutdown', clean: true });
  }

  #leaveWorkers(): void {
    if (this.#usedWorkers) this.#host.workers?.originClosed(this);
  }

  #deadline(timeout: string, ms: number): ClockTimer {
    return this.#host.clock.setTimer(ms, () => this.abort(this.#timedOut(timeout, ms)));
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

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
