import { spawn } from 'node:child_process';
import type { Clock, ClockTimer } from '../../clock.ts';
import { PacketError } from '../../errors.ts';
import { optionError } from '../../options.ts';
import type { Environment } from './activation.ts';

/** Tells the service manager something: assignments such as `READY=1`. Resolves when it has been told. */
export type NotifySender = (assignments: readonly string[]) => Promise<void>;

/** Options of telling the service manager. The rows are the only home of defaults and bounds. */
export const notifyRows = {
  notifyTimeoutMs: { kind: 'number', fallback: 5_000, min: 1, max: 60_000, unit: 'ms' },
} as const;

/**
 * Sends by the program `systemd-notify`, because Node has no datagram sockets of the UNIX family; undefined when no service
 * manager listens. The unit needs `NotifyAccess=all`.
 *
 * @param env The environment the process was started with: `NOTIFY_SOCKET` and `PATH` are read.
 * @see sd_notify(3)
 */
export function systemdNotify(env: Environment): NotifySender | undefined {
  const { NOTIFY_SOCKET: socket, PATH: path } = env;
  if (socket === undefined || socket === '') return undefined;
  return (assignments) =>
    new Promise((resolve, reject) => {
      const failed = (why: string, cause?: unknown): void =>
        reject(
          new PacketError('ERR_PACKET_NOTIFY', `systemd-notify ${assignments.join(' ')}: ${why}`, {
            ...(cause === undefined ? {} : { cause }),
            details: { assignments: assignments.map((assignment) => assignment.replace(/=.*/s, '')) },
          }),
        );
      const child = spawn('systemd-notify', [...assignments], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { NOTIFY_SOCKET: socket, PATH: path },
      });
      // Not spawn's own timeout: that one stays behind when the program cannot be started.
      const late = setTimeout(() => child.kill('SIGKILL'), notifyRows.notifyTimeoutMs.fallback);
      let complaint = '';
      child.stderr.on('data', (chunk: Buffer) => {
        complaint += String(chunk);
      });
      child.on('error', (error) => {
        clearTimeout(late);
        failed(error.message, error);
      });
      child.on('close', (code, signal) => {
        clearTimeout(late);
        if (code === 0) resolve();
        else failed(complaint.trim() || `ended with ${signal ?? code}`);
      });
    });
}

/**
 * How long the service manager waits between two signs of life, in milliseconds; undefined when it does not watch this process.
 * @throws PacketError `ERR_PACKET_OPTION`.
 * @see sd_watchdog_enabled(3)
 */
export function watchdogMs(env: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: forWhom } = env;
  if (usec === undefined || (forWhom !== undefined && Number(forWhom) !== pid)) return undefined;
  const value = Number(usec);
  if (/^\d+$/.test(usec) && Number.isSafeInteger(value) && value > 0) return value / 1000;
  throw optionError('watchdog', 'WATCHDOG_USEC', 'a whole number above 0', usec);
}

/** What a {@link Notifier} is made from. */
export interface NotifierInit {
  readonly send: NotifySender;
  readonly clock: Clock;
  /** Hears why something could not be told, the first time it could not. */
  readonly failed: (error: unknown) => void;
}

/** Tells the service manager how this process is, in order and without ever failing the process. */
export class Notifier {
  readonly #init: NotifierInit;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #failing = false;
  #watchdog: ClockTimer | undefined;

  constructor(init: NotifierInit) {
    this.#init = init;
  }

  /** Sends what it is told after what it was told before. Resolves when that is done, or was given up. */
  tell(...assignments: readonly string[]): Promise<void> {
    this.#waiting++;
    this.#last = this.#last.then(() => this.#send(assignments));
    return this.#last;
  }

  /** Resolves when everything has been told. */
  flush(): Promise<void> {
    return this.#last;
  }

  /** Gives a sign of life twice in every `intervalMs`, as long as the loop turns: one that is blocked gives none. */
  watch(intervalMs: number): void {
    this.stopWatching();
    this.#watchdog = this.#init.clock.setTimer(
      intervalMs / 2,
      () => {
        // A sender slower than the interval is not helped by a queue.
        if (this.#waiting === 0) void this.tell('WATCHDOG=1');
        this.watch(intervalMs);
      },
      false,
    );
  }

  stopWatching(): void {
    this.#watchdog?.cancel();
    this.#watchdog = undefined;
  }

  async #send(assignments: readonly string[]): Promise<void> {
    try {
      await this.#init.send(assignments);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#init.failed(error);
      this.#failing = true;
    } finally {
      this.#waiting--;
    }
  }
}
