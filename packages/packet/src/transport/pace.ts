/** The step of a stream that is slow, or not known yet, in bytes. */
const LEAST_BYTES = 64 * 1024;
const MOST_BYTES = 256 * 1024;

/** A stream that takes its step within this time is quick: 3 MB a second and more. */
const QUICK_MS = 20;

/**
 * How much a stream is given before it has taken what it was given before.
 *
 * A stream does not tell how much of a write has left, so this is the step in which progress is seen, and a slow one is given
 * little at once. While it is quick the step doubles, because each costs a system call or two.
 */
export class Pace {
  #step = LEAST_BYTES;
  #emptiedAtMs = Number.NEGATIVE_INFINITY;

  /** Most bytes to give at once. */
  get stepBytes(): number {
    return this.#step;
  }

  /** The stream has taken everything. @param nowMs On a clock that only goes forward. */
  emptied(nowMs: number): void {
    this.#step = nowMs - this.#emptiedAtMs < QUICK_MS ? Math.min(2 * this.#step, MOST_BYTES) : LEAST_BYTES;
    this.#emptiedAtMs = nowMs;
  }
}

/** The step a stream begins with, which what is written to it directly keeps to. */
export const FIRST_STEP_BYTES: number = LEAST_BYTES;
