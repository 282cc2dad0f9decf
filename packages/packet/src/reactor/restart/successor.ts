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

/** Tells the process before this one that this one serves. Its end of the channel may be gone: then nobody needs to know. */
export function tellReady(process: Pick<NodeJS.Process, 'send' | 'disconnect' | 'connected'>): Promise<boolean> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) {
      resolve(false);
      return;
    }
    process.send(READY, undefined, undefined, (error: Error | null) => {
      if (process.connected) process.disconnect?.();
      resolve(error === null);
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
 *    └─ giveUp() ────────┴─> ending: SIGTERM, killGraceMs, SIGKILL
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
  #resolve: (pid: number) => void = () => undefined;
  #reject: (error: PacketError) => void = () => undefined;
  #timer: ClockTimer | undefined;
  #failure: PacketError | undefined;
  #settled = false;

  constructor(child: ChildProcess, clock: Clock, limits: Required<{ [K in keyof typeof restartRows]: number }>) {
    this.#child = child;
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

  #heard(message: unknown): void {
    const told = message as Partial<typeof READY> | null;
    if (told?.packet !== READY.packet || told.ready !== true || this.#settled || this.#failure !== undefined) return;
    this.#settle();
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
