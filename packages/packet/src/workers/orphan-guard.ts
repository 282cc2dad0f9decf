import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import type { ProcessLaneOptions } from './process-lane.ts';

/*
 * A worker that awaits anything sees its lane end when its master dies. One that spins sees nothing:
 *
 *   kernel    Linux with setpriv of util-linux: the kernel kills it as its master dies (PR_SET_PDEATHSIG). Costs nothing, but
 *             leaves no time for `unbind`, and counts the death of the THREAD that started it: for main threads only.
 *   thread    elsewhere, and for workers with an `unbind` of their own: a thread looks for the master now and then.
 */

/** How a worker process is kept from outliving its master. */
export type OrphanGuard = 'kernel' | 'thread';

/** What a worker process has to know of it. */
export interface OrphanOrder {
  /** The master's pid. */
  readonly master: number;
  readonly guard: OrphanGuard;
}

const PLACES = ['/usr/bin/setpriv', '/bin/setpriv'] as const;
const DEATH_SIGNAL = ['--pdeathsig', 'KILL', '--'] as const;

/** The command that starts a program so that the kernel kills it when this process dies; `undefined` where there is none. */
export async function findDeathSignal(): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux' || !isMainThread) return undefined;
  for (const place of PLACES) {
    if (await works(place)) return [place, ...DEATH_SIGNAL];
  }
  return undefined;
}

// There are others of that name, which know no death signal.
async function works(place: string): Promise<boolean> {
  try {
    await access(place, constants.X_OK);
  } catch {
    return false;
  }
  return await new Promise((resolve) => {
    execFile(place, [...DEATH_SIGNAL, 'true'], (error) => resolve(error === null));
  });
}

/** What a worker's process is told before it imports anything. @param unbinds It must get time to say goodbye. */
export function orphanOrder(deathSignal: readonly string[] | undefined, unbinds: boolean): OrphanOrder {
  return { master: process.pid, guard: deathSignal === undefined || unbinds ? 'thread' : 'kernel' };
}

/** What starts its process. */
export function starterFor(
  { guard }: OrphanOrder,
  deathSignal: readonly string[] | undefined,
): Pick<ProcessLaneOptions, 'starter'> {
  return guard === 'kernel' && deathSignal !== undefined ? { starter: deathSignal } : {};
}
