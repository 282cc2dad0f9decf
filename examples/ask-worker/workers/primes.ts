import { Worker } from '@packet/core';

/** Counts primes; two processes of it run beside the reactor. */
export class Primes extends Worker {
  static override readonly config = { pool: 2 } as const;

  override receiveData(below: unknown): number {
    if (typeof below !== 'number' || !Number.isInteger(below)) throw new TypeError('not a whole number');
    let found = 0;
    for (let n = 2; n < below; n++) if (isPrime(n)) found++;
    return found;
  }
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}
