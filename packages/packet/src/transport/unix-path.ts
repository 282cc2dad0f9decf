import { randomBytes } from 'node:crypto';
import { type Stats, unlinkSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';

/** Bytes the kernel's address structure has for a path, its closing NUL not counted (`sun_path`). */
const PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/** Whether paths name pipes of Windows, which are no files. */
const NAMED_PIPES = process.platform === 'win32';

/** The error for a path the kernel would cut off or refuse; undefined when it fits. */
export function pathTooLong(path: string): NodeJS.ErrnoException | undefined {
  if (NAMED_PIPES) return undefined;
  const length = Buffer.byteLength(path);
  if (length > PATH_BYTES) {
    const message = `a UNIX socket path holds at most ${PATH_BYTES} bytes here, this one has ${length}`;
    return Object.assign(new Error(message), { code: 'ENAMETOOLONG' });
  }
  if (length === 0 || path.includes('\0')) {
    return Object.assign(new Error('a UNIX socket path is not empty and holds no NUL'), { code: 'EINVAL' });
  }
  return undefined;
}

/** A name in the same folder under which a socket is bound before it gets its own; undefined where that cannot be. */
export function temporaryNameFor(path: string): string | undefined {
  if (NAMED_PIPES) return undefined;
  const name = join(dirname(path), `.${randomBytes(4).toString('hex')}`);
  return pathTooLong(name) === undefined ? name : undefined;
}

/** The error for a path at which there is a file already, as the kernel would give it. */
export function pathInUse(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`address already in use ${path}`), { code: 'EADDRINUSE' });
}

/**
 * Removes the socket file a dead listener left at `path`; true when it did.
 *
 * Only a socket nobody listens on is removed, never another kind of file.
 */
export async function removeStaleSocket(path: string): Promise<boolean> {
  if (NAMED_PIPES) return false;
  const before = await lstatIfPossible(path);
  if (before === undefined || !before.isSocket() || !(await refusesConnections(path))) return false;
  const now = await lstatIfPossible(path);
  // Another server may have replaced it while we asked.
  if (now === undefined || now.ino !== before.ino || now.dev !== before.dev) return false;
  unlinkSync(path);
  return true;
}

function lstatIfPossible(path: string): Promise<Stats | undefined> {
  return lstat(path).catch(() => undefined);
}

function refusesConnections(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error) => resolve(errnoOf(error) === 'ECONNREFUSED'));
  });
}
