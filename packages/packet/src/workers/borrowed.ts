import { PacketError } from '../errors.ts';

/** Where a borrowed function or signal keeps its lease; the same in a program that holds two copies of this package. */
const lease: unique symbol = Symbol.for('@packet/core.lease') as never;

/** The borrower's hold on something lent to it. */
export interface Borrowing {
  /** @throws PacketError `ERR_PACKET_LEASE_ENDED`. */
  keep(): void;
  release(): void;
}

/** Marks something as borrowed. */
export function markBorrowed(value: object, borrowing: Borrowing): void {
  Object.defineProperty(value, lease, { value: borrowing });
}

/**
 * Keeps a function or a signal that a call got as an argument beyond the end of that call, until {@link release} or the end of
 * the worker. What is kept counts in `stats().pools[].leased` and towards the worker's `leases`.
 * @returns what it was given.
 * @throws PacketError `ERR_PACKET_LEASE_ENDED` when its call has settled, `ERR_PACKET_STATE` for anything that was not lent.
 */
export function keep<T extends object>(lent: T): T {
  const borrowing = borrowingOf(lent);
  if (borrowing === undefined) throw notLentError('keep');
  borrowing.keep();
  return lent;
}

/**
 * Gives a function or a signal back before its worker ends; calling it from then on fails with `ERR_PACKET_LEASE_ENDED`.
 * Calling it again changes nothing.
 * @throws PacketError `ERR_PACKET_STATE` for anything that was not lent.
 */
export function release(lent: object): void {
  const borrowing = borrowingOf(lent);
  if (borrowing === undefined) throw notLentError('release');
  borrowing.release();
}

/** What is lent on is kept for as long as its own borrower keeps it. */
export function keepBorrowed(value: object): void {
  try {
    borrowingOf(value)?.keep();
  } catch {
    // Over already: whoever calls it is told.
  }
}

/** As {@link keepBorrowed}, for the end. */
export function releaseBorrowed(value: object): void {
  borrowingOf(value)?.release();
}

function borrowingOf(value: object): Borrowing | undefined {
  return Reflect.get(value, lease) as Borrowing | undefined;
}

function notLentError(what: string): PacketError {
  return new PacketError('ERR_PACKET_STATE', `${what}: this was not lent to a call of this worker`);
}
