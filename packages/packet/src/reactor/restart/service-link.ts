import type { Clock } from '../../clock.ts';
import { PacketError, wrapError } from '../../errors.ts';
import { publish } from '../../events.ts';
import { resolveOptions } from '../../options.ts';
import type { Engine } from '../../transport/index.ts';
import { handOnVariable } from './handed-on.ts';
import { Notifier } from './notify.ts';
import { RestartableEngine } from './restartable-engine.ts';
import type { Service, SuccessorPlan } from './service.ts';
import { type RestartOptions, restartRows, Successor } from './successor.ts';

/** What the link needs of its reactor. */
export interface ServiceLinkHost {
  readonly clock: Clock;
  report(error: unknown, where: string): void;
  /** Closes the listeners and drains. */
  stop(): void;
}

/**
 * A reactor's part in the life of its service:
 *
 * ```
 * starting ──ready()──> serving ──restart()──> handing over ──the successor is ready──> handed over ──stop──> gone
 *                          ↑  │                     │
 *                          │  └──────stop───────────┼──> stopping ──> gone
 *                          └──the successor failed──┘
 * ```
 */
export class ServiceLink {
  readonly engine: RestartableEngine;
  readonly #service: Service;
  readonly #host: ServiceLinkHost;
  readonly #notifier: Notifier | undefined;
  #ready: Promise<void> | undefined;
  #serving = false;
  #successor: Successor | undefined;
  #handedOver = false;
  /** The service manager shows that a restart failed. */
  #showsFailure = false;
  readonly #stopping = new AbortController();

  constructor(service: Service, engine: Engine, host: ServiceLinkHost) {
    this.#service = service;
    this.#host = host;
    this.engine = new RestartableEngine(engine, service.handedOn, service.listeners);
    const { notify: send } = service;
    const failed = (error: unknown): void => host.report(error, 'notify');
    this.#notifier = send === undefined ? undefined : new Notifier({ send, clock: host.clock, failed });
  }

  /** Start-up is complete: accepts on what was handed on, and tells the process before and the service manager. Idempotent. */
  ready(): Promise<void> {
    this.#ready ??= this.#becomeReady();
    return this.#ready;
  }

  async #becomeReady(): Promise<void> {
    const { signal } = this.#stopping;
    await this.engine.takeOver();
    if (signal.aborted) return;
    const told = await this.#service.ready(signal);
    if (signal.aborted) return;
    this.engine.own();
    this.#serving = true;
    // A predecessor that lives says so itself, as the one the service manager believes.
    if (!told)
      void this.#notifier?.tell('READY=1', ...(this.#service.restarted ? [`MAINPID=${this.#service.pid}`] : []));
    this.#watch();
  }

  /**
   * Starts the successor, and stops this reactor once it serves. Resolves with its process id.
   * @throws PacketError `ERR_PACKET_STATE`, `ERR_PACKET_UNSUPPORTED`, `ERR_PACKET_OPTION`, or `ERR_PACKET_RESTART` when the successor is gone again.
   */
  async restart(options: RestartOptions): Promise<number> {
    const limits = resolveOptions('restart', restartRows, options);
    if (!this.#serving) throw new PacketError('ERR_PACKET_STATE', 'restart: start-up is not complete yet');
    if (this.#successor !== undefined) throw new PacketError('ERR_PACKET_STATE', 'restart: one is under way');
    const plan = this.#plan();
    void this.#notifier?.tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    const { pid } = this.#service;
    try {
      this.#successor = new Successor(this.#service.start(plan), this.#host.clock, limits, () => this.#letGo());
      publish('packet:reactor.restart', () => ({ stage: 'started', pid: this.#successor?.pid, error: undefined }));
      const next = await this.#successor.ready;
      this.#notifier?.stopWatching();
      void this.#notifier?.tell('READY=1', `MAINPID=${next}`, ...(this.#showsFailure ? ['STATUS='] : []));
      publish('packet:reactor.restart', () => ({ stage: 'done', pid: next, error: undefined }));
      this.#host.stop();
      return next;
    } catch (thrown) {
      const error = wrapError('ERR_PACKET_RESTART', `restart of process ${pid}`, thrown);
      publish('packet:reactor.restart', () => ({ stage: 'failed', pid: this.#successor?.pid, error }));
      this.#successor = undefined;
      if (!this.#stopping.signal.aborted) {
        this.#showsFailure = true;
        void this.#notifier?.tell('READY=1', `MAINPID=${pid}`, 'STATUS=restart failed; still serving');
      }
      throw error;
    }
  }

  /** The reactor begins to stop: a successor that is not ready is given up, and is gone when this resolves. */
  async stopping(): Promise<void> {
    this.#stopping.abort();
    this.#notifier?.stopWatching();
    if (this.#handedOver) return;
    this.engine.closeUnasked();
    void this.#notifier?.tell('STOPPING=1');
    this.#successor?.giveUp(stopped());
    await this.#successor?.ready.catch(() => undefined);
  }

  /** Kills a successor that is not ready. */
  cut(): void {
    this.#successor?.kill(stopped());
  }

  /** Resolves when the service manager has been told everything. */
  async close(): Promise<void> {
    await this.#notifier?.flush();
  }

  #plan(): SuccessorPlan {
    const { sockets, fds } = this.engine.handOn();
    // What was meant for this process alone is not the successor's.
    return { stdio: [...fds, 'ipc'], env: { ...handOnVariable(this.#service.pid, sockets), WATCHDOG_PID: undefined } };
  }

  /** From now on the sockets are the successor's. */
  #letGo(): void {
    this.#handedOver = true;
    this.engine.release();
  }

  #watch(): void {
    const { watchdogMs } = this.#service;
    if (watchdogMs !== undefined) this.#notifier?.watch(watchdogMs);
  }
}

function stopped(): PacketError {
  return new PacketError('ERR_PACKET_STOPPED', 'restart: the reactor is stopped');
}
