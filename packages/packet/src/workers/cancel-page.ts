/**
 * Calls beyond this many at once may share a place, and then the later cancel hides the earlier one: that one is still told
 * by its frame.
 */
const PLACES = 1024;
const NUMBERS_A_PLACE = 2;
const LOW_BITS = 2 ** 32;

/**
 * Memory in which a master marks the calls it has cancelled, so that a worker's loop sees it without returning to its event
 * loop. A place holds the number of the call it was marked for, so an old mark means nothing to the call that has the place now.
 */
export class CancelPage {
  /** What the other side makes its page from. */
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Int32Array;

  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(PLACES * NUMBERS_A_PLACE * Int32Array.BYTES_PER_ELEMENT);
    this.#numbers = new Int32Array(this.memory);
  }

  /** @param call Number of the call, from 1. */
  mark(call: number): void {
    const at = placeOf(call);
    Atomics.store(this.#numbers, at + 1, Math.floor(call / LOW_BITS));
    Atomics.store(this.#numbers, at, call | 0);
  }

  has(call: number): boolean {
    const at = placeOf(call);
    return (
      Atomics.load(this.#numbers, at) === (call | 0) &&
      Atomics.load(this.#numbers, at + 1) === Math.floor(call / LOW_BITS)
    );
  }
}

function placeOf(call: number): number {
  return (call % PLACES) * NUMBERS_A_PLACE;
}
