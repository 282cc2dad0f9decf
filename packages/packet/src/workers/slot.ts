import type { ClockTimer } from '../clock.ts';
import type { PacketError } from '../errors.ts';
import type { Instance } from './instance.ts';
import type { WorkerLimits } from './worker-options.ts';
import { serviceRows } from './worker-options.ts';

/**
 * One place of a pool.
 *
 *   ASLEEP ──start, calls wait──> RUNNING (booting or ready) ──lost──> WAITING (back-off) ──> RUNNING
 *      ^                             │   └──strategy──> HELD ──all of them gone──> RUNNING
 *      └────────── idle ─────────────┘                  WAITING, HELD ──> PARKED ──start──> RUNNING
 */
export class Slot {
  readonly index: number;
  instance: Instance | undefined;
  /** Takes the place of `instance` when it is ready. */
  successor: Instance | undefined;
  /** Ends the wait for the restart. */
  timer: ClockTimer | undefined;
  /** Starts as soon as nothing stands in its way. */
  held = false;
  parked: PacketError | undefined;
  /** Instances it had. */
  boots = 0;
  /** Restarts in a row that did no good. */
  restarts = 0;
  /** Deaths in a row that no call was to blame for, each before a healthy time and after calls that were answered. */
  early = 0;
  /** Restarts in a row for which the system had no process or descriptor. */
  starved = 0;
  /** Its last ends that count towards parking. */
  readonly failures: string[] = [];
  /** Deaths in a row by calls, which delay the restart and do not count. */
  killed = 0;
  /** Its last end, counted or not. */
  lastEnd: string | undefined;

  constructor(index: number) {
    this.index = index;
  }

  /** Up, on its way up, or waiting for its turn. */
  get live(): boolean {
    return this.instance !== undefined || this.timer !== undefined || this.held;
  }

  /** Not started, and nothing wrong with it. */
  get asleep(): boolean {
    return !this.live && this.parked === undefined;
  }

  /** Up, with no end in sight. */
  get ready(): Instance | undefined {
    return this.instance?.isReady === true ? this.instance : undefined;
  }

  /** Counts an end. @param byCall It died of a call that it was given, which is none of its own failures. */
  failed(reason: string, byCall: boolean): void {
    this.lastEnd = reason;
    if (byCall) {
      this.killed++;
      return;
    }
    this.restarts++;
    this.failures.push(reason);
    if (this.failures.length > serviceRows.failuresKept.fallback) this.failures.shift();
  }

  /** Its count of failures begins anew. */
  forgive(): void {
    this.restarts = 0;
    this.starved = 0;
    this.killed = 0;
    this.failures.length = 0;
    this.lastEnd = undefined;
  }
}

/** The pause before a restart: none before the first in a row, then doubling. */
export function pauseMs(restarts: number, limits: WorkerLimits): number {
  if (restarts <= 1) return 0;
  const { restartBaseMs, restartMaxMs } = limits;
  // Instances that died together must not come back together.
  const jitter = 0.5 + Math.random() / 2;
  return Math.min(restartMaxMs, restartBaseMs * 2 ** Math.min(restarts - 2, 52)) * jitter;
}
