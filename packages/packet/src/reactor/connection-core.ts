import { PacketError } from '../errors.ts';
import { type ConnectionFacts, publish } from '../events.ts';
import { isThenable, whenSettled } from '../thenable.ts';
import type { Address, CloseReason, TlsInfo, Transport } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { ProxyFacts } from './accepting/proxy-gate.ts';
import { Activity, type ActivityKind, type ActivityOwner } from './activity.ts';
import type { BlockedWatch } from './blocked-watch.ts';
import { classNameOf } from './class-name.ts';
import type { Connection } from './connection.ts';
import type { ClientOptions, ConnectTo, ResolvedConnectionOptions } from './connection-options.ts';
import type { ConnectionHost, ConnectionSetup } from './connection-setup.ts';
import { Deadline, type DeadlineKind, type DeadlineOwner } from './deadline.ts';
import { installFramer } from './framed-connection.ts';
import type { ProxyEnd } from './proxying.ts';
import { Reading, type ReadingHost } from './reading.ts';
import { finalReason, timedOut } from './reasons.ts';
import { layTls, type StartTlsOptions, startTls, type TlsHost } from './securing.ts';
import type { Ask, AskOptions, AskOrigin, WorkerService } from './worker-service.ts';
import { Writing, type WritingHost } from './writing.ts';

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

/** What awaited calls and files reject with when their connection ends first. */
const LEFT_CODES: readonly string[] = ['ERR_PACKET_CANCELLED', 'ERR_PACKET_ABORTED'];

/** The state machine behind a {@link Connection}. There may be many thousands, mostly idle: every field counts. */
export class ConnectionCore
  implements TlsHost, AskOrigin, ReadingHost, WritingHost, DeadlineOwner, ActivityOwner, ProxyEnd
{
  readonly reads = 'kept';
  readonly id: number;
  /** Whom its place in its listener was given to; undefined for a client, and for a connection of a proxy's own. */
  readonly source: Address | undefined;
  readonly proxy: ProxyFacts | undefined;
  readonly reading: Reading;
  readonly writing: Writing;
  readonly #setup: ConnectionSetup;
  readonly #handler: Connection;
  readonly #startedAt: number;
  #transport: Transport | undefined;
  #state = OPENING;
  /** Promises of callbacks outside reading, not settled yet. */
  #busy = 0;
  #calls = 0;
  #finishWhenAnswered = false;
  #draining = false;
  /** Output that had left when the linger deadline was set. */
  #lingeringFrom = 0;
  #intent: CloseReason | undefined;
  #deadline: Deadline | undefined;
  #activity: Activity | undefined;
  #openedAt: number | undefined;
  #usedWorkers = false;
  #proxies: WorkerProxies | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(id: number, setup: ConnectionSetup, handler: Connection, source?: Address, proxy?: ProxyFacts) {
    this.id = id;
    this.#setup = setup;
    this.#handler = handler;
    this.source = source;
    this.proxy = proxy;
    this.reading = new Reading(this, handler);
    this.writing = new Writing(this, setup.options);
    this.#startedAt = setup.host.clock.now();
  }

  get side(): 'server' | 'client' {
    return this.#setup.side;
  }

  get #host(): ConnectionHost {
    return this.#setup.host;
  }

  get #options(): ResolvedConnectionOptions {
    return this.#setup.options;
  }

  /** Judges how long callbacks take. */
  get watch(): BlockedWatch {
    return this.#setup.host.watch;
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

  /** The peer's address: once open, and of an accepted connection also when it fails before. */
  get remote(): Address | undefined {
    return this.#transport?.remote ?? this.source;
  }

  get bytesIn(): number {
    return this.#transport === undefined ? 0 : this.#transport.bytesIn;
  }

  get bytesOut(): number {
    return this.#transport === undefined ? 0 : this.#transport.bytesOut;
  }

  get pendingBytes(): number {
    return (this.#transport === undefined ? 0 : this.#transport.pendingBytes) + this.writing.queuedBytes;
  }

  /** Milliseconds since 1970, by the wall clock of now: it was not asked then. */
  get connectedAt(): number | undefined {
    if (this.#openedAt === undefined) return undefined;
    return Date.now() - (this.#host.clock.now() - this.#openedAt);
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
    return { id: this.id, side: this.side, handler: classNameOf(this.#handler), remote: this.remote };
  }

  // ---- beginning -----------------------------------------------------------------------------------------------------

  /** Takes the transport and starts the opening deadline. */
  start(transport: Transport): void {
    const { tls, host } = this.#setup;
    this.#transport = tls?.atOnce === true ? layTls(this, transport, tls.side(undefined), host.clock) : transport;
    this.#await('connect', this.#setup.openTimeoutMs);
  }

  /** Another transport took over for the one it was started with; called before `opened`. */
  swap(from: Transport, to: Transport): void {
    if (this.#transport === from) this.#transport = to;
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
    const begun = this.watch.begin();
    try {
      this.#awaitPromise(where, callback());
    } catch (error) {
      this.threw(where, error);
    }
    this.watch.end(begun, where, this);
  }

  // ---- what the transport reports ------------------------------------------------------------------------------------

  opened(): void {
    if (this.#state !== OPENING) return;
    this.#state = OPEN;
    this.#forgetSignal?.();
    this.#forgetDeadline();
    this.#await('first-byte', this.#setup.firstByteTimeoutMs);
    this.#openedAt = this.#host.clock.now();
    if (this.#setup.tunes === true) {
      const { noDelay, keepAliveMs } = this.#options;
      this.#transport?.tune({ noDelay, keepAliveMs });
    }
    if (this.#options.idleTimeoutMs > 0 || this.#options.readTimeoutMs > 0) this.#watchActivity();
    else this.wrote(this.pendingBytes);
    publish('packet:connection.opened', () => this.facts());
    this.#tellFirst('connectionCompleted', () => this.#handler.connectionCompleted());
    this.#setup.observer?.opened();
    if (this.#draining) this.#finishIfQuiet();
  }

  secured(info: TlsInfo): void {
    if (this.#state === OPEN) this.#tellFirst('tlsCompleted', () => this.#handler.tlsCompleted(info));
  }

  /** Runs a callback whose promise holds the input back. */
  #tellFirst(where: string, callback: () => unknown): void {
    const begun = this.watch.begin();
    try {
      this.reading.hold(where, callback());
    } catch (error) {
      this.threw(where, error);
    }
    this.watch.end(begun, where, this);
  }

  bytes(chunk: Buffer): void {
    if (this.#state !== OPEN) return;
    if (this.#deadline !== undefined) this.#forgetDeadline();
    this.#activity?.read();
    this.reading.bytes(chunk);
    if (this.#draining) this.#finishIfQuiet();
  }

  drained(): void {
    this.#activity?.drained();
    this.writing.drained();
  }

  backedUp(): void {
    this.writing.backedUp();
  }

  ended(clean: boolean): void {
    if (this.#state !== OPEN) return;
    this.#forgetDeadline();
    this.reading.end(clean);
    if (this.#draining) this.#finishIfQuiet();
  }

  closed(reason: CloseReason): void {
    if (this.#state === CLOSED) return;
    const wasOpen = this.#state <= OPEN;
    this.#state = CLOSED;
    this.#forgetSignal?.();
    this.#forgetDeadline();
    this.#activity?.cancel();
    this.reading.drop();
    this.writing.drop();
    if (wasOpen) this.#leave();
    const final = finalReason(this.#intent, reason);
    this.#host.forget(this);
    publish('packet:connection.closed', () => ({
      ...this.facts(),
      reason: final,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      durationMs: this.#host.clock.now() - this.#startedAt,
    }));
    this.call('unbind', () => this.#handler.unbind(final));
    this.writing.feeder?.targetClosed(final);
    this.#setup.observer?.unbound(final);
  }

  // ---- what the handler asks -----------------------------------------------------------------------------------------

  /** Connects the handler again, with a core of its own; false when the reactor stops or its signal fired. */
  reconnect(to: (ConnectTo & ClientOptions) | undefined): boolean {
    const { plan, observer } = this.#setup;
    if (this.#state !== CLOSED || observer !== undefined) {
      const why = observer === undefined ? 'it is still connected' : 'a reconnector keeps it connected';
      throw new PacketError('ERR_PACKET_STATE', `${classNameOf(this.#handler)}.reconnect: ${why}`);
    }
    return this.#host.reconnect(this.#handler, plan, to);
  }

  /** Begins TLS; see {@link Connection.startTls}. */
  startTls(options: StartTlsOptions | undefined): void {
    this.#transport = startTls(this, this.#setup.tls, options, this.#host.clock);
  }

  close(): void {
    this.abort({ by: 'local', clean: this.#allSent });
  }

  closeAfterWriting(): void {
    this.#finish({ by: this.reading.ended ? 'peer' : 'local', clean: true });
  }

  /** Closes after writing, once no call to a worker and no promise of a callback is outstanding. */
  closeWhenAnswered(): void {
    this.#finishWhenAnswered = true;
    this.#finishIfAnswered();
  }

  /** Ends it now, by a reset if told; false when it is ending so already. */
  abort(reason: CloseReason, reset = false): boolean {
    if (this.#state >= ABORTING) return false;
    const wasOpen = this.#state <= OPEN;
    this.#state = ABORTING;
    this.#intent = reason;
    if (wasOpen) this.#leave();
    this.writing.drop();
    this.#transport?.abort(reason, reset);
    return true;
  }

  /** The owner stops: ends the connection as soon as nothing of it is under way. */
  drain(): void {
    this.#draining = true;
    // One that was accepted opens on the next turn; what it was sent counts like any other request.
    if (this.#state === OPENING && this.side === 'server') return;
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
    if (this.#state > OPEN) return;
    this.#activity?.resumed();
    this.#transport?.resume();
  }

  reframe(): void {
    this.call('createFramer', () => installFramer(this.#handler, this));
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
    // Its end rejects what the handler awaited of workers and files: no failure of the handler's, and nobody's to hear.
    const left = thrown instanceof PacketError && LEFT_CODES.includes(thrown.code);
    if (!left || this.#state <= OPEN) this.report(thrown, where);
    // One that is finishing still owes its peer what was sent before.
    if (this.#state > OPEN) return;
    const error = new PacketError('ERR_PACKET_CALLBACK', `${classNameOf(this.#handler)}.${where} threw`, {
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

  // ---- what writing needs --------------------------------------------------------------------------------------------

  wrote(pendingBytes: number): void {
    const waits = pendingBytes > 0 || this.writing.sendingFile;
    if (this.#activity !== undefined) this.#activity.wrote(waits);
    else if (waits && this.#state === OPEN && this.#options.writeTimeoutMs > 0) this.#watchActivity();
  }

  roomAgain(): void {
    if (this.#state === OPEN) this.call('drained', () => this.#handler.drained());
  }

  overflowed(error: PacketError): void {
    publish('packet:connection.limit', () => ({ ...this.facts(), error }));
    if (this.#options.outboundPolicy === 'close') this.abort({ by: 'limit', clean: false, error });
  }

  fileBroke(error: PacketError): void {
    this.abort({ by: 'error', clean: false, error });
  }

  // ---- what proxying needs -------------------------------------------------------------------------------------------

  proxyCompleted(): void {
    // The new framer of a framed connection may have ended it.
    if (this.#state <= OPEN) this.#tellFirst('proxyCompleted', () => this.#handler.proxyCompleted());
  }

  proxyTargetUnbound(reason: CloseReason): void {
    if (this.#state <= OPEN) this.#tellFirst('proxyTargetUnbound', () => this.#handler.proxyTargetUnbound(reason));
  }

  proxyWaits(): void {
    this.#activity?.look();
  }

  // ---- what its activity is judged by --------------------------------------------------------------------------------

  get bytesOutAwaited(): number | undefined {
    const { pump } = this.reading;
    return pump?.waiting === true ? pump.target.bytesOut : undefined;
  }

  get outputWaits(): boolean {
    return !this.#allSent;
  }

  get expectsInput(): boolean {
    return this.#state === OPEN && !this.reading.paused && !this.reading.held && !this.reading.ended;
  }

  inactive(kind: ActivityKind, ms: number): void {
    this.abort(timedOut(kind, ms));
  }

  unwatched(): void {
    this.#activity = undefined;
  }

  /** Kept only while there is something to watch. */
  #watchActivity(): void {
    const { clock, deadlines } = this.#host;
    this.#activity = new Activity(this, clock, deadlines, this.#options);
  }

  // ---- deadlines -----------------------------------------------------------------------------------------------------

  overdue(kind: DeadlineKind): void {
    this.#deadline = undefined;
    if (kind === 'connect') this.abort(timedOut(kind, this.#setup.openTimeoutMs));
    else if (kind === 'first-byte') this.#lateFirstByte(this.#setup.firstByteTimeoutMs);
    else if (kind === 'drain-grace') this.#finishIfQuiet();
    else this.#lateLinger(this.#options.lingerTimeoutMs);
  }

  /** A peer is not late while it is we who do not read. */
  #lateFirstByte(ms: number): void {
    if (this.reading.paused || this.reading.held) this.#await('first-byte', ms);
    else this.abort(timedOut('first-byte', ms));
  }

  #lateLinger(ms: number): void {
    if (this.bytesOut > this.#lingeringFrom) this.#linger();
    // All output is with the kernel; only the peer's end is missing.
    else if (this.#allSent) this.abort(this.#intent ?? { by: 'local', clean: true });
    else this.abort(timedOut('linger', ms));
  }

  #linger(): void {
    this.#lingeringFrom = this.bytesOut;
    this.#await('linger', this.#options.lingerTimeoutMs);
  }

  /** Sets the one deadline there is at a time; 0 is off. */
  #await(kind: DeadlineKind, ms: number): void {
    if (ms === 0) return;
    const { clock, deadlines } = this.#host;
    this.#deadline = new Deadline(this, kind, clock.now() + ms);
    deadlines.add(this.#deadline);
  }

  #forgetDeadline(): void {
    if (this.#deadline === undefined) return;
    this.#host.deadlines.remove(this.#deadline);
    this.#deadline = undefined;
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

  #awaitPromise(where: string, result: unknown): void {
    if (!isThenable(result)) return;
    this.#busy++;
    const settled = (): void => {
      this.#busy--;
      this.settled();
    };
    void whenSettled(result, settled, (error) => {
      this.threw(where, error);
      settled();
    });
  }

  #finish(intent: CloseReason): void {
    const transport = this.#transport;
    if (this.#state > OPEN || transport === undefined) return;
    this.#state = FINISHING;
    this.#intent = intent;
    this.#leave();
    this.#forgetDeadline();
    this.#activity?.cancel();
    this.writing.finish();
    // Input is read on and thrown away: closing with unread input would reset the peer before it has our output.
    transport.resume();
    this.#linger();
  }

  #finishIfAnswered(): void {
    if (!this.#finishWhenAnswered || this.#calls > 0 || this.#busy > 0 || this.reading.held) return;
    // What another connection's peer still says goes out first.
    if (this.writing.feeder !== undefined) return;
    this.closeAfterWriting();
  }

  #finishIfQuiet(): void {
    if (this.#state !== OPEN || this.#calls > 0 || this.#busy > 0 || !this.reading.quiet) return;
    if (this.writing.feeder !== undefined) return;
    if (this.bytesIn === 0 && (this.#deadline?.kind === 'drain-grace' || this.#graceLeft > 0)) this.#awaitFirstWords();
    else this.#finish({ by: 'shutdown', clean: true });
  }

  /** The first bytes of a connection that was just made may still be under way: it only looks quiet. */
  get #graceLeft(): number {
    if (this.reading.ended) return 0;
    // From when it was open: a TLS handshake may have taken its time. The deadline of the first byte, where there is one, tells.
    const { drainGraceMs, firstByteTimeoutMs } = this.#setup;
    const deadline = this.#deadline;
    const openedAt = deadline?.kind === 'first-byte' ? deadline.dueAt - firstByteTimeoutMs : this.#startedAt;
    return openedAt + drainGraceMs - this.#host.clock.now();
  }

  #awaitFirstWords(): void {
    if (this.#deadline?.kind === 'drain-grace') return;
    const left = this.#graceLeft;
    this.#forgetDeadline();
    this.#await('drain-grace', left);
  }

  get #allSent(): boolean {
    return this.pendingBytes === 0 && !this.writing.sendingFile;
  }

  /** Lets go of those it asked something of, and of where its input went. */
  #leave(): void {
    this.reading.pump?.stop();
    if (this.#usedWorkers) this.#host.workers?.originClosed(this);
  }
}
