import { Borrower, reasonOf } from './borrower.ts';
import type { Frame, Lane } from './lane.ts';
import { type LeaseFacts, leaseEndedError } from './lease-errors.ts';
import { type LeaseCount, Lender } from './lender.ts';
import { OpenCalls } from './open-calls.ts';
import { CALL_HEAD, type CallHead, type CallValue } from './protocol.ts';

/** What one end of a lane lends to the other, and what it has borrowed. Both ends have one. */
export class Lending {
  readonly lender: Lender;
  readonly borrower: Borrower;
  /** Calls this end has made that are not the master's calls of the worker's methods. */
  readonly open: OpenCalls = new OpenCalls();
  readonly #facts: LeaseFacts;

  constructor(lane: Lane, facts: LeaseFacts, most: number, count: LeaseCount, nextStream: () => number) {
    const post = (frame: Frame, urgent?: boolean): boolean => lane.post(frame, urgent);
    const lender = new Lender(post, facts, most, count, lane.capabilities.sharedMemory);
    this.lender = lender;
    this.borrower = new Borrower({ facts, post, lender, open: this.open, nextStream });
    this.#facts = facts;
  }

  /** A call of a function this end has lent. */
  called(stream: number, lease: number, value: CallValue): void {
    const taken = this.taken(stream, value);
    this.lender.run(stream, lease, taken.slice(CALL_HEAD), () => this.borrower.settle(stream));
  }

  /**
   * The value of a CALL with what was lent in its places.
   * @throws TypeError when the other side sent nonsense.
   */
  taken(stream: number, value: CallValue): readonly unknown[] {
    const [, head] = value;
    if (typeof head === 'number' || head.leases === undefined) return value;
    const whole = [...value];
    this.borrower.take(stream, head, whole);
    return whole;
  }

  /** A LEASE. */
  changed({ stream, value }: Frame): void {
    if (Array.isArray(value)) this.borrower.fired(stream, reasonOf(value));
    else this.lender.changed(stream, value === true);
  }

  /** The lane is gone: nothing is lent or borrowed any more, and every open call has failed. */
  close(): void {
    this.borrower.close();
    this.lender.close();
    this.open.close(leaseEndedError(this.#facts, 'gone'));
  }
}

/** A CALL's head, where it says more than what is left of the deadline. */
export function headOf(head: number | CallHead): CallHead {
  return typeof head === 'number' ? { leftMs: head } : head;
}
