import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { SocketFileFacts } from './transport.ts';

/** The file of a UNIX socket that is ours to remove. */
export class SocketFile {
  readonly facts: SocketFileFacts;

  constructor(facts: SocketFileFacts) {
    this.facts = facts;
  }

  /** The one that is at `path` now; undefined when there is none. */
  static at(path: string): SocketFile | undefined {
    const now = socketAt(path);
    return now === undefined ? undefined : new SocketFile({ path, ino: now.ino, dev: now.dev });
  }

  /** Removes it, unless it is gone or another has taken its place. */
  remove(): void {
    const { path, ino, dev } = this.facts;
    const now = socketAt(path);
    if (now === undefined || now.ino !== ino || now.dev !== dev) return;
    try {
      unlinkSync(path);
    } catch (error) {
      // Another program may remove it at the same moment; one that may not be removed stays behind, as a crash leaves it.
      if (errnoOf(error) === undefined) throw error;
    }
  }
}

function socketAt(path: string): Stats | undefined {
  try {
    const stats = lstatSync(path);
    return stats.isSocket() ? stats : undefined;
  } catch {
    // Not there, or not for us to see.
    return undefined;
  }
}
