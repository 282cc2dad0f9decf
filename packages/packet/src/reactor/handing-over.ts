import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { optionError, refusedOption } from '../options.ts';
import type {
  Address,
  CloseReason,
  DetachedSocket,
  Engine,
  Incoming,
  SecureSink,
  TlsSide,
  Transport,
} from '../transport/index.ts';
import { secure } from '../transport/index.ts';
import type { DrainReport } from './drain.ts';
import type { HandOff, HandOffSink, LiveConnection, WorkerService } from './worker-service.ts';

/** Which worker serves the connections of a server. Made by {@link adoptedBy}. */
export interface AdoptedBy {
  readonly worker: string;
  /** Which keyed instance of it. */
  readonly key: string | undefined;
}

/**
 * In the place of a handler class: hands every connection a server accepts to a worker, unread, whose `adopted` serves it.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function adoptedBy(worker: string, options: { readonly key?: string | undefined } = {}): AdoptedBy {
  if (typeof worker !== 'string') throw optionError('adoptedBy', 'worker', "a worker's name", worker);
  const { key } = options;
  if (key !== undefined && typeof key !== 'string') throw optionError('adoptedBy', 'key', 'a string', key);
  return { worker, key };
}

/** Whether this stands where a handler class could. */
export function isAdoptedBy(value: unknown): value is AdoptedBy {
  return typeof value === 'object' && value !== null && 'worker' in value;
}

/**
 * Checks a server whose connections are handed over: what its handler would need is the worker's to give.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function checkHandOver(
  at: { readonly args?: unknown; readonly tls?: unknown },
  tls: { readonly atOnce: boolean },
  init: unknown,
): void {
  const wanted = 'absent beside adoptedBy: the worker makes the handler';
  if (at.args !== undefined) throw optionError('startServer', 'args', wanted, at.args);
  if (init !== undefined) throw optionError('startServer', 'init', wanted, init);
  if (at.tls === undefined || tls.atOnce) return;
  throw refusedOption('startServer', 'tls.begin', "'at-once' beside adoptedBy: startTls is the worker's", 'another');
}

/** What handing over needs of a listener. */
export interface HandOverHost {
  readonly to: AdoptedBy;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly workers: WorkerService | undefined;
  /** TLS that begins at once: it is spoken here. */
  readonly tls: TlsSide | undefined;
  /** Limits and timeouts for the connections, as plain data. */
  readonly options: Readonly<Record<string, unknown>>;
  /** No worker has it: it was refused. */
  refused(source: Address | undefined, remote: Address, error: PacketError): void;
  /** It is closed. */
  left(source: Address | undefined): void;
}

/** The connections one listener has handed over, up to their end. */
export class HandedOver {
  readonly #host: HandOverHost;
  readonly #open = new Set<HandOff>();
  #emptied: (() => void) | undefined;
  #draining = false;
  #waits = true;
  /** Those that ended while it drained. */
  #finished = 0;
  /** What was left when all was cut. */
  #cut: DrainReport | undefined;

  constructor(host: HandOverHost) {
    this.#host = host;
  }

  /** Those that wait, those on their way, and those workers have. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Hands one on.
   * @param proxied Its proxy's header was read, so its socket cannot move.
   * @throws PacketError as `WorkerService.adopt`; the connection was not touched.
   */
  take(peer: Incoming, source: Address | undefined, proxied: boolean): void {
    const { to, engine, clock, workers, tls, options } = this.#host;
    if (workers === undefined) throw new PacketError('ERR_PACKET_STOPPED', 'the workers are stopped');
    const { remote } = peer;
    const live = new LivePeer(peer, engine, tls, clock, options, proxied);
    const sink: HandOffSink = {
      taken: () => undefined,
      gone: () => this.#leave(handOff, source),
      failed: (error, kept) => {
        if (kept) {
          live.refuse();
          this.#host.refused(source, remote, error);
        }
        this.#leave(handOff, source);
      },
    };
    const handOff = workers.adopt(to.worker, to.key, live, sink);
    this.#open.add(handOff);
  }

  /** Cuts all that are left, wherever they are; they are not waited for, because a worker may hang. */
  cut(): void {
    // Some are gone at once, others when their worker says so.
    this.#cut ??= { finished: this.#finished, cut: this.#open.size };
    for (const handOff of [...this.#open]) handOff.cut();
    this.leave();
  }

  /** Nothing more is waited for. */
  leave(): void {
    this.#waits = false;
    this.#emptied?.();
  }

  /** Waits until none is left, and cuts those that are at the deadline. */
  async drain(drainMs: number): Promise<DrainReport> {
    this.#draining = true;
    // It may have been told to wait no more while its socket was closing.
    if (this.#waits && this.#open.size > 0 && drainMs > 0) {
      const deadline = this.#host.clock.setTimer(drainMs, () => this.leave());
      await new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
      deadline.cancel();
    }
    this.cut();
    return this.#cut ?? { finished: this.#finished, cut: 0 };
  }

  #leave(handOff: HandOff, source: Address | undefined): void {
    this.#open.delete(handOff);
    if (this.#draining) this.#finished++;
    this.#host.left(source);
    if (this.#open.size === 0) this.#emptied?.();
  }
}

/** A connection a listener accepted, as workers take it. */
class LivePeer implements LiveConnection {
  readonly local: Address;
  readonly remote: Address;
  readonly options: Readonly<Record<string, unknown>>;
  readonly #peer: Incoming;
  readonly #engine: Engine;
  readonly #tls: TlsSide | undefined;
  readonly #clock: Clock;
  /** Undefined where its bytes have to pass through here. */
  #detached: DetachedSocket | undefined;
  readonly #movable: boolean;

  constructor(
    peer: Incoming,
    engine: Engine,
    tls: TlsSide | undefined,
    clock: Clock,
    options: Readonly<Record<string, unknown>>,
    proxied: boolean,
  ) {
    // Asked of the kernel while the socket is here.
    this.local = peer.local;
    this.remote = peer.remote;
    this.options = options;
    this.#peer = peer;
    this.#engine = engine;
    this.#tls = tls;
    this.#clock = clock;
    this.#movable = tls === undefined && !proxied;
  }

  get socket(): Extract<DetachedSocket, { kind: 'socket' }>['socket'] | undefined {
    if (!this.#movable) return undefined;
    this.#detached ??= this.#peer.detach();
    return this.#detached.kind === 'socket' ? this.#detached.socket : undefined;
  }

  cameBack(socket: Socket): void {
    this.#detached = { kind: 'socket', socket };
  }

  open(sink: SecureSink): Transport {
    const detached = this.#detached;
    const transport = detached === undefined ? this.#peer.open(sink) : this.#engine.attach(detached, sink);
    return this.#tls === undefined ? transport : secure(transport, this.#tls, sink, { clock: this.#clock });
  }

  refuse(): void {
    const detached = this.#detached;
    if (detached === undefined) this.#peer.refuse();
    else if (detached.kind === 'socket') detached.socket.destroy();
    else if (detached.kind === 'port') detached.port.close();
    else this.#engine.attach(detached, MUTE).abort(REFUSED);
  }
}

const REFUSED: CloseReason = { by: 'local', clean: false };

/** Hears nothing. */
const MUTE: SecureSink = {
  reads: 'transient',
  opened: () => undefined,
  secured: () => undefined,
  bytes: () => undefined,
  drained: () => undefined,
  ended: () => undefined,
  closed: () => undefined,
};
