import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../failure.ts';

/** Only the owner may enter. */
const PRIVATE = 0o700;
const OTHERS = 0o077;

/**
 * The folders in which this user's servers can be found: that of the session, where there is one, and one that programs outside
 * of it share, such as those a timer started.
 */
export function runtimeFolders(): readonly string[] {
  const { XDG_RUNTIME_DIR: session } = process.env;
  const shared = join(tmpdir(), `packet-${process.getuid?.() ?? 'user'}`);
  return session === undefined || session === '' ? [shared] : [join(session, 'packet'), shared];
}

/** The first of the folders that can be had, made if it is not there. @throws Failure when none can. */
export function makeRuntimeFolder(): string {
  const [first = '', second] = runtimeFolders();
  try {
    return make(first);
  } catch (error) {
    if (second === undefined) throw error;
    return make(second);
  }
}

/** Whether a folder is this user's alone: what another made under that name is not to be trusted. */
export function isPrivate(folder: string): boolean {
  const stats: Stats | undefined = lstatSync(folder, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === process.getuid?.() && (stats.mode & OTHERS) === 0;
}

function make(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: PRIVATE });
  } catch (error) {
    throw new Failure(`cannot make ${folder}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  if (isPrivate(folder)) return folder;
  throw new Failure(`${folder} is not this user's alone`);
}
