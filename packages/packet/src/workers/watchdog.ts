import { Worker } from 'node:worker_threads';
import type { OrphanOrder } from './orphan-guard.ts';
import { serviceRows } from './worker-options.ts';

/** What the thread of the watchdog is told. */
export interface WatchdogOrder {
  readonly master: number;
  readonly everyMs: number;
  readonly graceMs: number;
}

/** Sees to it that this process does not outlive its master, whatever its loop is caught in. */
export function guardAgainstOrphanage({ master, guard }: OrphanOrder): void {
  if (guard === 'kernel') {
    // It died before the kernel was asked to tell.
    if (process.ppid !== master) process.exit(1);
    return;
  }
  const workerData: WatchdogOrder = {
    master,
    everyMs: serviceRows.orphanLookMs.fallback,
    graceMs: serviceRows.orphanKillMs.fallback,
  };
  // Without the thread (Node may be told to allow none) the worker still ends with its master as soon as its loop turns.
  try {
    const thread = new Worker(new URL('./watchdog-main.js', import.meta.url), {
      workerData,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
    });
    thread.on('error', () => undefined);
    thread.unref();
  } catch {}
}
