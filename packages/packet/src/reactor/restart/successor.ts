import type { ChildProcess } from 'node:child_process';
import type { Clock, ClockTimer } from '../../clock.ts';
import { PacketError } from '../../errors.ts';

/** Options of a restart. The rows are the only home of defaults and bounds. */
export const restartRows = {
  readyTimeoutMs: { kind: 'number', fallback: 60_000, min: 1, max: 3_600_000, unit: 'ms' },
  killGraceMs: { kind: 'number', fallback: 5_000, min: 1, max: 600_000, unit: 'ms' },
} as const;

/** How a restart is done. */
export interface RestartOptions {
  /** Longest time the new process may take until it is ready, in milliseconds. @defaultValue 60000 */
  readonly readyTimeoutMs?: number | undefined;
  /** How long one that failed may take to end before it is killed, in milliseconds. @defaultValue 5000 */
  readonly killGraceMs?: number | undefined;
}

/** The one message between the two processes: the successor's, once it accepts connections. */
const READY = { packet: 'restart', ready: true } as const;

/** The end of a channel to the process that started this one. */
export interface Channel extends Pick<NodeJS.Process, 'send' | 'disconnect' | 'connected'> {
  once(event: 'disconnect', listener: () => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
}

/**
 * Tells the process before this one that this one serves, and waits until it lets go, which it does by closing the channel. Resolves
 * with whether it did; with false when it cannot be told, because it is gone, and when `signal` fires.
 */
export function tellReady(process: Channel, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) {
      resolve(false);
      return;
    }
    const end = (told: boolean): void => {
      process.off('disconnect', letGo);
      signal.removeEventListener('abort', giveUp);
      resolve(told);
    };
    const letGo = (): void => end(true);
    const giveUp = (): void => {
      end(false);
      if (process.connected) process.disconnect?.();
    };
    process.once('disconnect', letGo);
    signal.addEventListener('abort', giveUp);
    process.send(READY, undefined, undefined, (error: Error | null) => {
      if (error !== null) giveUp();
    });
  });
}

/**
 * The process that is to take over, seen from the one before it.
 *
 * ```
 * starting ──"ready"──> took over (let go of)
 *    ├─ its exit ───────────────────────────────────────────────┐
 *    ├─ readyTimeoutMs ──┐                                      ├─> failed
 *    └─ giveUp() ────────┴─> ending: SIGTERM, killGraceMs or kill(), SIGKILL
 * ```
 *
 * It has failed only when it is gone: until then it may hold the sockets.
 */
export class Successor {
  /** Resolves with its process id when it has taken over; rejects with `ERR_PACKET_RESTART` or what it was given up for. */
  readonly ready: Promise<number>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #killGraceMs: number;
  readonly #letGo: () => void;
  #resolve: (pid: number) => void = () => undefined;
  #reject: (error: PacketError) => void = () => undefined;
  #timer: ClockTimer | undefined;
  #failure: PacketError | undefined;
  #settled = false;

  /** @param letGo Called at the moment it takes over, before it can know. */
  constructor(
    child: ChildProcess,
    clock: Clock,
    limits: Required<{ [K in keyof typeof restartRows]: number }>,
    letGo: () => void,
  ) {
    this.#child = child;
    this.#letGo = letGo;
    this.#clock = clock;
    this.#killGraceMs = limits.killGraceMs;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    child.on('message', (message) => this.#heard(message));
    child.on('error', (error) => this.#spawnFailed(error));
    child.on('exit', (exitCode, signal) => this.#exited(exitCode, signal));
    const { readyTimeoutMs } = limits;
    this.#timer = clock.setTimer(readyTimeoutMs, () => {
      this.giveUp(this.#error(`was not ready within ${readyTimeoutMs} ms`, { readyTimeoutMs }));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends it, unless it has taken over; `ready` rejects with `why` when it is gone. */
  giveUp(why: PacketError): void {
    if (this.#settled || this.#failure !== undefined) return;
    this.#failure = why;
    this.#child.kill('SIGTERM');
    this.#arm(this.#killGraceMs, () => this.#child.kill('SIGKILL'));
  }

  /** As {@link Successor.giveUp}, without giving it time. */
  kill(why: PacketError): void {
    if (this.#settled) return;
    this.#failure ??= why;
    this.#child.kill('SIGKILL');
  }

  #heard(message: unknown): void {
    const told = message as Partial<typeof READY> | null;
    if (told?.packet !== READY.packet || told.ready !== true || this.#settled || this.#failure !== undefined) return;
    this.#settle();
    this.#letGo();
    // Which tells it.
    if (this.#child.connected) this.#child.disconnect();
    this.#child.unref();
    this.#resolve(this.#child.pid ?? 0);
  }

  #spawnFailed(cause: Error): void {
    // Otherwise a signal or a message that could not be sent: the exit tells.
    if (this.#child.pid !== undefined) return;
    this.#fail(
      new PacketError('ERR_PACKET_RESTART', `the new process could not be started: ${cause.message}`, { cause }),
    );
  }

  #exited(exitCode: number | null, signal: string | null): void {
    const how = signal === null ? `ended with code ${exitCode}` : `was ended by ${signal}`;
    this.#fail(this.#failure ?? this.#error(`${how} before it was ready`, { exitCode, signal }));
  }

  #fail(error: PacketError): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#timer?.cancel();
  }

  #arm(ms: number, fire: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(ms, fire);
  }

  #error(what: string, details: Readonly<Record<string, unknown>>): PacketError {
    const { pid } = this.#child;
    return new PacketError('ERR_PACKET_RESTART', `the new process (${pid}) ${what}; this one goes on`, {
      details: { pid, ...details },
    });
  }
}
