import { PacketError } from '../../errors.ts';
import { publish } from '../../events.ts';
import { checkIsObject, optionError, type Resolved, resolveOptions } from '../../options.ts';
import type { CloseReason } from '../../transport/index.ts';
import type { Connection } from '../connection.ts';
import type { ClientOptions, ConnectTo } from '../connection-options.ts';
import type { Timer } from '../timers.ts';

/** Options of {@link Reconnector}. The rows are the only home of defaults and bounds. */
export const reconnectRows = {
  minDelayMs: { kind: 'number', fallback: 100, min: 1, max: 3_600_000, unit: 'ms' },
  maxDelayMs: { kind: 'number', fallback: 30_000, min: 1, max: 86_400_000, unit: 'ms' },
  backoffFactor: { kind: 'number', fallback: 2, min: 1, max: 10, unit: 'count' },
  stableMs: { kind: 'number', fallback: 5000, min: 0, max: 3_600_000, unit: 'ms' },
  maxRetries: { kind: 'number', fallback: 0, min: 1, max: 1_000_000, unit: 'count', off: 0 },
} as const;

/** The names of {@link ReconnectOptions}. */
export const RECONNECT_NAMES: readonly string[] = [...Object.keys(reconnectRows), 'onRetry', 'retryIf', 'random'];

/** A retry that is about to be waited for. */
export interface Retry {
  /** Its number since the last connection that was stable, from 1. */
  readonly retry: number;
  /** Milliseconds until it begins. */
  readonly delayMs: number;
  /** How the connection, or the attempt, before it ended. */
  readonly reason: CloseReason;
}

/** How a connection is kept up. */
export interface ReconnectOptions {
  /** Shortest wait before a retry, in milliseconds. @defaultValue 100 */
  readonly minDelayMs?: number | undefined;
  /** Longest wait before a retry, in milliseconds. @defaultValue 30000 */
  readonly maxDelayMs?: number | undefined;
  /** What the longest wait of a retry is multiplied with for the next one. @defaultValue 2 */
  readonly backoffFactor?: number | undefined;
  /** A connection that stayed open so long was a success, and waits begin anew, in milliseconds. @defaultValue 5000 */
  readonly stableMs?: number | undefined;
  /** Retries without a stable connection after which it gives up. 0 is off. @defaultValue 0 */
  readonly maxRetries?: number | undefined;
  /** Hears of each retry before it is waited for. */
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  /** Whether an end is followed by a retry at all; without it every end is, but that by a stop. */
  readonly retryIf?: ((reason: CloseReason) => boolean) | undefined;
  /** A number from 0 up to 1, for tests. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Why a reconnector is done. */
export interface ReconnectEnd {
  /** `stopped`: it was told to. `reactor`: its reactor stops. `gave-up`: after `maxRetries`. `declined`: `retryIf` said no. */
  readonly why: 'stopped' | 'reactor' | 'gave-up' | 'declined';
  /** How the last connection ended, if one was under way. */
  readonly reason: CloseReason | undefined;
}

/** What becomes of one connection. */
export interface ConnectionObserver {
  /** After `connectionCompleted`. */
  opened(): void;
  /** After `unbind`. */
  unbound(reason: CloseReason): void;
}

/** What a reconnector needs from its reactor. */
export interface ReconnectorHost<C extends Connection> {
  /** Makes a new handler and connects it. */
  connect(observer: ConnectionObserver): C;
  timer(delayMs: number, callback: () => unknown): Timer;
  /** Runs a callback of the user's so that what it throws ends nothing. */
  guard(where: string, callback: () => unknown): void;
  report(error: unknown, where: string): void;
  done(reconnector: Reconnector<C>): void;
}

/** What is kept up, for events. */
export interface ReconnectFacts {
  readonly handler: string;
  readonly endpoint: string;
}

/** Options of a reconnector with defaults filled in. */
export interface ReconnectSettings {
  readonly rows: Resolved<typeof reconnectRows>;
  readonly onRetry: ((retry: Retry) => void) | undefined;
  readonly retryIf: ((reason: CloseReason) => boolean) | undefined;
  readonly random: () => number;
}

/** Takes a reconnector's options out of those of its connections. @throws PacketError `ERR_PACKET_OPTION`. */
export function splitReconnect(given: ConnectTo & ClientOptions & ReconnectOptions): {
  readonly client: ConnectTo & ClientOptions;
  readonly settings: ReconnectSettings;
} {
  checkIsObject('keepConnected', given);
  const { minDelayMs, maxDelayMs, backoffFactor, stableMs, maxRetries, onRetry, retryIf, random, ...client } = given;
  const numbers = { minDelayMs, maxDelayMs, backoffFactor, stableMs, maxRetries };
  const rows = resolveOptions('keepConnected', reconnectRows, numbers);
  if (rows.maxDelayMs < rows.minDelayMs) {
    throw optionError('keepConnected', 'maxDelayMs', `at least minDelayMs (${rows.minDelayMs})`, rows.maxDelayMs);
  }
  for (const [name, value] of Object.entries({ onRetry, retryIf, random })) {
    if (value !== undefined && typeof value !== 'function')
      throw optionError('keepConnected', name, 'a function', value);
  }
  return { client, settings: { rows, onRetry, retryIf, random: random ?? Math.random } };
}

/**
 * Keeps a connection up: connects again, with a new handler each time, whenever it was lost or did not come about.
 *
 *   [connecting] --opened--> [connected] --unbound--> [waiting] --delay--> [connecting] …
 *        +------ unbound -----------------------------↑
 *   stop, the reactor's stop, maxRetries, retryIf: from any state to [stopped]
 *
 * A retry waits a random time between `minDelayMs` and a ceiling that grows by `backoffFactor` up to `maxDelayMs`, so that the
 * clients of a server that restarts do not come back all at once. Made by `reactor.keepConnected`, gone with the reactor.
 */
export class Reconnector<C extends Connection = Connection> {
  readonly #host: ReconnectorHost<C>;
  readonly #settings: ReconnectSettings;
  readonly #facts: ReconnectFacts;
  /** Resolves when it is done; from then on it connects no more. */
  readonly ended: Promise<ReconnectEnd>;
  #resolveEnded: (end: ReconnectEnd) => void = () => undefined;
  #state: 'connecting' | 'connected' | 'waiting' | 'stopped' = 'connecting';
  #connection: C | undefined;
  #retries = 0;
  #timer: Timer | undefined;
  #stop: 'stopped' | 'reactor' | undefined;

  /** @internal */
  constructor(host: ReconnectorHost<C>, settings: ReconnectSettings, facts: ReconnectFacts) {
    this.#host = host;
    this.#settings = settings;
    this.#facts = facts;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#connect();
  }

  /** Where it stands. */
  get state(): 'connecting' | 'connected' | 'waiting' | 'stopped' {
    return this.#state;
  }

  /** The handler that is connected, or about to be; undefined while it waits and when it is done. */
  get connection(): C | undefined {
    return this.#connection;
  }

  /** Retries since the last connection that was stable. */
  get retries(): number {
    return this.#retries;
  }

  /**
   * Connects no more. An attempt under way is given up, an open connection closed after all it was sent is written.
   * Idempotent; resolves when it is done.
   */
  stop(): Promise<ReconnectEnd> {
    this.#stop ??= 'stopped';
    const connection = this.#connection;
    if (this.#state === 'connected') connection?.closeConnectionAfterWriting();
    else if (this.#state === 'connecting') connection?.closeConnection();
    else this.#end(this.#stop, undefined);
    return this.ended;
  }

  /** @internal The signal of its connections ends all of it. */
  stopOn(signal: AbortSignal): void {
    const stop = (): void => void this.stop();
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    void this.ended.then(() => signal.removeEventListener('abort', stop));
  }

  /** @internal The reactor stops: it ends the connection itself. */
  reactorStops(): void {
    this.#stop ??= 'reactor';
    if (this.#state === 'waiting') this.#end(this.#stop, undefined);
  }

  #connect(): void {
    this.#state = 'connecting';
    this.#timer = undefined;
    this.#connection = this.#host.connect({
      opened: () => this.#opened(),
      unbound: (reason) => this.#unbound(reason),
    });
    // Told to stop by the handler's own first callbacks, which ran inside.
    if (this.#stop === 'stopped') this.#connection.closeConnection();
  }

  #opened(): void {
    this.#state = 'connected';
    const { stableMs } = this.#settings.rows;
    if (stableMs === 0) this.#retries = 0;
    else {
      this.#timer = this.#host.timer(stableMs, () => {
        this.#retries = 0;
      });
    }
  }

  #unbound(reason: CloseReason): void {
    this.#timer?.cancel();
    this.#connection = undefined;
    const { retryIf, rows } = this.#settings;
    if (this.#stop !== undefined) this.#end(this.#stop, reason);
    else if (retryIf !== undefined && !this.#wanted(retryIf, reason)) this.#end('declined', reason);
    else if (rows.maxRetries !== 0 && this.#retries >= rows.maxRetries) this.#end('gave-up', reason);
    else this.#wait(reason);
  }

  /** One that throws has not said no. */
  #wanted(retryIf: (reason: CloseReason) => boolean, reason: CloseReason): boolean {
    let wanted = true;
    this.#host.guard('retryIf', () => {
      wanted = retryIf(reason);
    });
    return wanted;
  }

  #wait(reason: CloseReason): void {
    const { minDelayMs, maxDelayMs, backoffFactor } = this.#settings.rows;
    this.#state = 'waiting';
    this.#retries++;
    const retry = this.#retries;
    const ceiling = Math.min(maxDelayMs, minDelayMs * backoffFactor ** retry);
    const delayMs = minDelayMs + this.#settings.random() * (ceiling - minDelayMs);
    this.#timer = this.#host.timer(delayMs, () => this.#retry());
    publish('packet:reconnect.scheduled', () => ({ ...this.#facts, retry, delayMs, reason }));
    const { onRetry } = this.#settings;
    if (onRetry !== undefined) this.#host.guard('onRetry', () => onRetry({ retry, delayMs, reason }));
  }

  #retry(): void {
    try {
      this.#connect();
    } catch (error) {
      this.#host.report(error, 'constructor');
      const wrapped = new PacketError('ERR_PACKET_CALLBACK', `${this.#facts.handler} could not be made`, {
        cause: error,
        details: { callback: 'constructor' },
      });
      this.#unbound({ by: 'error', clean: false, error: wrapped });
    }
  }

  #end(why: ReconnectEnd['why'], reason: CloseReason | undefined): void {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#timer?.cancel();
    this.#host.done(this);
    this.#resolveEnded({ why, reason });
  }
}
