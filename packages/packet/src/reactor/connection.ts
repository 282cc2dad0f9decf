import { PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import { type Address, type CloseReason, type TlsInfo, tlsInfoOf } from '../transport/index.ts';
import type { WorkerProxies } from '../workers/index.ts';
import type { ProxyFacts } from './accepting/proxy-gate.ts';
import type { ConnectionCore } from './connection-core.ts';
import { type ClientOptions, type ConnectTo, resolveTuning } from './connection-options.ts';
import type { FileSource, SendFileOptions } from './file-sending.ts';
import { type ProxyOptions, startProxy } from './proxying.ts';
import type { StartTlsOptions } from './securing.ts';
import type { Ask, AskOptions } from './worker-service.ts';

/** How the rest of this area reaches the core of a connection, which users cannot. Set once, by the class itself. */
let access: {
  readonly bind: (connection: Connection, core: ConnectionCore) => void;
  readonly core: (connection: Connection) => ConnectionCore;
};

/** Gives a connection its core, once, before its first callback. */
export function bindCore(connection: Connection, core: ConnectionCore): void {
  access.bind(connection, core);
}

/** The core of a connection. @throws PacketError `ERR_PACKET_STATE` before it is bound. */
export function coreOf(connection: Connection): ConnectionCore {
  return access.core(connection);
}

/**
 * One end of one socket: extend it and override the callbacks you need.
 *
 * One instance per socket, made by the reactor. The order is `postInit`, your init block, `connectionCompleted` (only when
 * the connection came about), then `receiveData`, `drained` and `peerEnded` as they happen, and `unbind` last, exactly once,
 * always. What a callback throws, or a promise it returns rejects with, ends this one connection
 * (`ERR_PACKET_CALLBACK`) and reaches the reactor's error hook; nothing else is harmed.
 *
 * The socket methods work from `postInit` on, not in the constructor.
 */
export class Connection {
  #core: ConnectionCore | undefined;

  static {
    access = {
      bind: (connection, core) => {
        connection.#core = core;
      },
      core: (connection) => connection.#bound,
    };
  }

  get #bound(): ConnectionCore {
    if (this.#core !== undefined) return this.#core;
    throw new PacketError(
      'ERR_PACKET_STATE',
      `${this.constructor.name}: the connection cannot be used before postInit()`,
    );
  }

  // ---- callbacks: override what you need -----------------------------------------------------------------------------

  /** The object is bound to its socket, which may not be open yet; output sent here is delivered in order once it is. */
  postInit(): void | Promise<void> {}

  /** The connection is open. */
  connectionCompleted(): void | Promise<void> {}

  /** The TLS handshake is complete; comes before the first decrypted byte. The framer may be replaced here. */
  tlsCompleted(_info: TlsInfo): void | Promise<void> {}

  /**
   * Bytes arrived, cut anywhere. They are yours to keep.
   *
   * While a promise returned from here is pending, reading is paused and nothing more is delivered.
   */
  receiveData(_data: Buffer): void | Promise<void> {}

  /** All output is with the system after `sendData` had returned false. */
  drained(): void | Promise<void> {}

  /**
   * The peer sends no more; it may still read. Unless overridden the connection closes, after the calls to workers it
   * waits for have been answered, the promises of its callbacks have settled and its output is written.
   * @param _clean False over TLS without close_notify: what the peer sent last may have been cut off on the way.
   */
  peerEnded(_clean = true): void | Promise<void> {
    this.#bound.closeWhenAnswered();
  }

  /**
   * As many bytes as `maxBytes` of {@link proxyIncomingTo} were moved; the next go to `receiveData` again, once a promise
   * returned from here has settled.
   */
  proxyCompleted(): void | Promise<void> {}

  /**
   * The connection this one's input was moved to is gone, or has ended its output (then `reason` is a clean local one).
   * The input goes to `receiveData` again, beginning with what the other did not take, once a promise returned from here has
   * settled. Unless overridden nothing is done.
   */
  proxyTargetUnbound(_reason: CloseReason): void | Promise<void> {}

  /** An answer to {@link askWorker}: the worker's return value, or one of the replies it gave before. */
  workerReceive(_value: unknown, _ask: Ask): void | Promise<void> {}

  /** An ask ended without an answer: failure, loss of the worker, deadline or cancel. Unless overridden it is reported to the error hook. */
  workerFailed(error: PacketError, _ask: Ask): void | Promise<void> {
    this.#bound.report(error, 'workerFailed');
  }

  /** The connection is gone, or never came about. Last, exactly once, always. */
  unbind(_reason: CloseReason): void | Promise<void> {}

  // ---- sending and closing -------------------------------------------------------------------------------------------

  /**
   * Sends bytes in order. They are lent until they have left: do not change a buffer after sending it.
   *
   * Above `maxOutboundBytes` unsent the connection is closed or the data dropped, as `outboundPolicy` says. After
   * `closeConnection()`, `closeConnectionAfterWriting()` or `endWriting()` the data is dropped.
   * @param encoding Of a string. Default `utf8`.
   * @returns false above `highWaterBytes` unsent: stop until `drained()`. Also false when the data was dropped.
   * @throws PacketError `ERR_PACKET_OPTION` for data that is neither a string nor bytes; nothing was sent.
   */
  sendData(data: Uint8Array | string, encoding: BufferEncoding = 'utf8'): boolean {
    if (typeof data === 'string') return this.#bound.writing.send(Buffer.from(data, encoding));
    if (data instanceof Uint8Array) return this.#bound.writing.send(data);
    throw optionError('sendData', 'data', 'a string or a Uint8Array', data);
  }

  /**
   * Sends a file, or a range of one, in order with `sendData`, reading it as the peer takes it: 64 KiB of it are in memory.
   *
   * What it does not have when its turn comes is not sent: a missing file, a directory, a range past its end reject with
   * nothing sent and the connection unharmed. A file that shrinks while it is sent, or cannot be read on, closes the
   * connection, because the peer cannot tell the rest from what follows; one that grows is sent to its old end. One file
   * per connection is open at a time. `drained` waits for the files too.
   *
   * A descriptor or handle stays yours: keep it open until the promise settles. Nobody has to await the promise.
   * @returns The bytes sent, once the last of them has left our queue.
   * @throws PacketError (as rejection) `ERR_PACKET_FILE` with `details.errno` and `details.sent`; `ERR_PACKET_ABORTED` when the
   * connection or its output ends first; `ERR_PACKET_OUTBOUND_FULL` when `maxQueuedFiles` wait; `ERR_PACKET_OPTION`.
   */
  sendFile(file: FileSource, options: SendFileOptions = {}): Promise<number> {
    const sent = this.#sendFile(file, options);
    // A peer that goes away must not end a program that did not wait.
    sent.catch(() => undefined);
    return sent;
  }

  async #sendFile(file: FileSource, options: SendFileOptions): Promise<number> {
    return await this.#bound.writing.sendFile(file, options);
  }

  /** Sends FIN after all output; reading goes on. */
  endWriting(): void {
    this.#bound.writing.end();
  }

  /** Closes at once; output not yet with the system is dropped. Nothing is delivered any more but `unbind`. */
  closeConnection(): void {
    this.#bound.close();
  }

  /**
   * Closes once every byte sent so far has been written and the peer has ended too, or `lingerTimeoutMs` passed without
   * progress. Nothing is delivered any more but `unbind`; calls to workers are cancelled.
   */
  closeConnectionAfterWriting(): void {
    this.#bound.closeAfterWriting();
  }

  /**
   * Moves everything this connection receives from now on to `target`, without telling `receiveData`; a framer's undecoded
   * bytes go first. Reading waits while `target` has more than `bufferBytes` unsent. For both directions call it on both.
   *
   * The peer's end ends the target's output, after which `peerEnded` comes as always; its default closes this connection
   * only once nothing is moved to it any more either. When the target goes, `proxyTargetUnbound` follows and then
   * `receiveData` hears the rest. A framed connection continues with a new framer of `createFramer`.
   * @throws PacketError `ERR_PACKET_OPTION`; `ERR_PACKET_STATE` when one of the two is closing, this one has a target or the
   * target a source already, or the two are one connection or would close a ring of more than two. Nothing was changed.
   */
  proxyIncomingTo(target: Connection, options: ProxyOptions = {}): void {
    if (!(target instanceof Connection)) throw optionError('proxyIncomingTo', 'target', 'a Connection', target);
    startProxy(this.#bound, target.#bound, options);
  }

  /** Ends {@link proxyIncomingTo} without a callback; the next bytes go to `receiveData`. Harmless when nothing is moved. */
  stopProxying(): void {
    this.#bound.reading.pump?.stop();
  }

  /**
   * Connects this object again, after its `unbind` has begun: `connectionCompleted` or `unbind` follow, `postInit` and the init
   * block do not run again. Nothing of the connection before is sent, and a framed connection begins with a new framer; `id`
   * is a new one. A server that refuses is asked again as fast as it refuses: `reactor.keepConnected` waits in between.
   * @param to Another place; options it does not name stay as they were. Without it, the place it was connected to.
   * @returns false when the reactor stops, or the `signal` it was connected with has fired: nothing was begun.
   * @throws PacketError `ERR_PACKET_STATE` while it is connected or connecting, and without `to` on a connection that was
   * accepted; `ERR_PACKET_OPTION`.
   */
  reconnect(to?: ConnectTo & ClientOptions): boolean {
    return this.#bound.reconnect(to);
  }

  /**
   * Begins TLS on this connection: the handshake follows what was sent so far, what is sent from now on waits for it and
   * is encrypted. `tlsCompleted` follows, or `unbind` with an `ERR_PACKET_TLS…`. May be called from `postInit` on, once.
   *
   * Bytes the peer sent in the clear behind the message that led here end the connection with `ERR_PACKET_TLS_PLAINTEXT` and are
   * never delivered. Without a framer that holds for what follows the chunk given to `receiveData`; the rest of that chunk is yours to refuse.
   * @param options Those of `startServer` and `connect` by default, needed on an attached connection; parsed once per object, so give
   * the same again.
   * @throws PacketError `ERR_PACKET_OPTION`; `ERR_PACKET_STATE` when TLS has begun, either side has ended, or a file is being
   * sent. Nothing was changed.
   */
  startTls(options?: StartTlsOptions): void {
    this.#bound.startTls(options);
  }

  /** Switches Nagle's algorithm off, or on again, from now on; without effect before it is open and where there is no TCP. */
  setNoDelay(noDelay: boolean): void {
    this.#bound.transport?.tune(resolveTuning('setNoDelay', { noDelay }));
  }

  /**
   * Changes TCP keep-alive: as the option `keepAliveMs`, 0 is off. Without effect before it is open and where there is no TCP.
   * @throws PacketError `ERR_PACKET_OPTION`.
   */
  setKeepAlive(keepAliveMs: number): void {
    this.#bound.transport?.tune(resolveTuning('setKeepAlive', { keepAliveMs }));
  }

  /** Stops reading; writing goes on. A peer's end is not seen while paused. */
  pause(): void {
    this.#bound.reading.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#bound.reading.resume();
  }

  // ---- workers -------------------------------------------------------------------------------------------------------

  /**
   * Hands `data` to a worker's `receiveData(data, ask)`. Its answers come to this connection's `workerReceive`, failure to
   * `workerFailed`; when this connection is gone the call is cancelled and a late answer dropped.
   * @param data Any value structured clone takes; it is copied here. Binary above 16 KiB is lent until the ask settles.
   * @throws PacketError `ERR_PACKET_WORKER_UNKNOWN`, `ERR_PACKET_NOT_ENCODABLE`, `ERR_PACKET_STATE` without workers or after closing.
   */
  askWorker(worker: string, data: unknown, options: AskOptions = {}): Ask {
    return this.#bound.ask(worker, data, options);
  }

  /**
   * Typed proxies of the workers, by name; calls through them are cancelled when this connection is gone.
   * @throws PacketError `ERR_PACKET_STATE` without workers or after closing.
   */
  get workers(): WorkerProxies {
    return this.#bound.workerProxies();
  }

  // ---- facts ---------------------------------------------------------------------------------------------------------

  /** Number of this connection, never reused within its reactor. */
  get id(): number {
    return this.#bound.id;
  }

  /** `server` when it was accepted, `client` when it was made with `connect`; what it was attached as. */
  get side(): 'server' | 'client' {
    return this.#bound.side;
  }

  /** The peer's address: once open, of an accepted connection from the beginning. */
  get remoteAddress(): Address | undefined {
    return this.#bound.remote;
  }

  /** What the proxy in front said of this connection; undefined without one (see `proxyProtocol` of `startServer`). */
  get proxy(): ProxyFacts | undefined {
    return this.#bound.proxy;
  }

  /** Our address, once open. */
  get localAddress(): Address | undefined {
    return this.#bound.transport?.local;
  }

  /** What the TLS handshake agreed on, once it is complete. */
  get tls(): TlsInfo | undefined {
    return tlsInfoOf(this.#bound.transport);
  }

  /** When the connection opened, in milliseconds since 1970 (Unix time); undefined before. */
  get connectedAt(): number | undefined {
    return this.#bound.connectedAt;
  }

  /** Bytes received. */
  get bytesIn(): number {
    return this.#bound.bytesIn;
  }

  /** Bytes the system has taken for sending. */
  get bytesOut(): number {
    return this.#bound.bytesOut;
  }

  /** Bytes sent and not yet with the system. */
  get pendingBytes(): number {
    return this.#bound.pendingBytes;
  }

  /** Bytes moved to other connections by {@link proxyIncomingTo} so far. */
  get proxiedBytes(): number {
    return this.#bound.reading.proxiedBytes;
  }

  /** Whether reading was paused with {@link pause}. */
  get paused(): boolean {
    return this.#bound.reading.paused;
  }

  /** Whether `unbind` has come. */
  get closed(): boolean {
    return this.#bound.isClosed;
  }
}
