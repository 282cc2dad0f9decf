import { move, Worker } from '@packet/core';

/** In a thread: its result moves to the caller however large it is, and its loop sees that it was cancelled. */
export class Primes extends Worker {
  static override readonly config = { transport: 'thread', resourceLimits: { maxOldGenerationSizeMb: 64 } } as const;

  /** So many primes, smallest first. */
  first(count: number): Uint32Array {
    const { currentCall } = this;
    const primes: number[] = [];
    for (let number = 2; primes.length < count; number++) {
      // No await anywhere: what is asked here is memory that the master shares with this thread.
      if (currentCall.cancelled) throw new Error('nobody waits for it any more');
      if (primes.every((prime) => number % prime !== 0)) primes.push(number);
    }
    return move(Uint32Array.from(primes));
  }
}
