import { workerData } from 'node:worker_threads';
import type { WatchdogOrder } from './watchdog.ts';

// A thread of a worker process: it lives for the time when the process's own loop does not turn and its master is gone.

const { master, everyMs, graceMs } = workerData as WatchdogOrder;

const look = setInterval(() => {
  if (masterLives()) return;
  clearInterval(look);
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs);
}, everyMs);

function masterLives(): boolean {
  // Orphans get another parent, but not on Windows.
  if (process.platform !== 'win32') return process.ppid === master;
  try {
    return process.kill(master, 0);
  } catch {
    return false;
  }
}
