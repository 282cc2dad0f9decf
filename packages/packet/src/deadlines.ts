import type { Clock, ClockTimer } from './clock.ts';

/** What can wait in {@link Deadlines}: it knows its own place there. */
export interface Waiting {
  /** Clock time at which it is due. */
  dueAt: number;
  /** Place in the heap; -1 when it does not wait. Only {@link Deadlines} writes it. */
  heapIndex: number;
}

/**
 * Things that become due, earliest first, on one timer for all of them: a binary heap whose members know their place, so
 * that one which settles early leaves in O(log n). While nothing waits, no timer keeps the process running.
 */
export class Deadlines<T extends Waiting> {
  readonly #clock: Clock;
  readonly #due: (item: T) => void;
  readonly #heap: T[] = [];
  #timer: ClockTimer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** Nothing waits for the timer that is set. */
  #idle = false;

  constructor(clock: Clock, due: (item: T) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  /** Lets `item` wait until `item.dueAt`. It must not be waiting already. */
  add(item: T): void {
    const heap = this.#heap;
    heap.push(item);
    this.#rise(item, heap.length - 1);
    if (item.dueAt < this.#timerAt) {
      this.#arm(item.dueAt);
    } else if (this.#idle) {
      this.#idle = false;
      this.#timer?.ref();
    }
  }

  /** Takes `item` out, if it waits. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    const heap = this.#heap;
    item.heapIndex = -1;
    const last = heap.pop();
    if (last !== undefined && last !== item) {
      this.#rise(last, index);
      this.#sink(last, last.heapIndex);
    }
    // A timer for what already left is kept: re-arming costs more than one early wake-up.
    if (heap.length > 0 || this.#timer === undefined) return;
    this.#idle = true;
    this.#timer.unref();
  }

  get size(): number {
    return this.#heap.length;
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#idle = false;
    this.#timerAt = at;
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), () => this.#elapsed());
  }

  #elapsed(): void {
    this.#timer = undefined;
    this.#idle = false;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return;
      if (first.dueAt > now) {
        if (first.dueAt < this.#timerAt) this.#arm(first.dueAt);
        return;
      }
      this.remove(first);
      this.#due(first);
    }
  }

  #rise(item: T, from: number): void {
    const heap = this.#heap;
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.dueAt <= item.dueAt) break;
      heap[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    heap[index] = item;
    item.heapIndex = index;
  }

  #sink(item: T, from: number): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      let child = heap[left];
      let childIndex = left;
      const right = heap[left + 1];
      if (child !== undefined && right !== undefined && right.dueAt < child.dueAt) {
        child = right;
        childIndex = left + 1;
      }
      if (child === undefined || child.dueAt >= item.dueAt) break;
      heap[index] = child;
      child.heapIndex = index;
      index = childIndex;
    }
    heap[index] = item;
    item.heapIndex = index;
  }
}
