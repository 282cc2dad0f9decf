import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { errnoOf } from '../errors.ts';

/** The file of a UNIX socket that is ours to remove. */
export class SocketFile {
  readonly #path: string;
  readonly #made: Stats | undefined;

  private constructor(path: string, made: Stats | undefined) {
    this.#path = path;
    this.#made = made;
  }

  /** The one that is at `path` now. */
  static at(path: string): SocketFile {
    return new SocketFile(path, lstatNow(path));
  }

  /** Removes it, unless it is gone or another has taken its place. */
  remove(): void {
    const now = lstatNow(this.#path);
    if (now === undefined || now.ino !== this.#made?.ino || now.dev !== this.#made.dev) return;
    try {
      unlinkSync(this.#path);
    } catch (error) {
      // Another program may remove it at the same moment; one that may not be removed stays behind, as a crash leaves it.
      if (errnoOf(error) === undefined) throw error;
    }
  }
}

function lstatNow(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
