import { PacketError } from '../errors.ts';
import { isThenable } from '../thenable.ts';
import { whenAborted } from './abort-watch.ts';
import { keepBorrowed, releaseBorrowed } from './borrowed.ts';
import type { CarriedContext } from './carried.ts';
import { encodeError } from './error-codec.ts';
import { ValueHolder } from './held-values.ts';
import type { Frame } from './lane.ts';
import { type LeaseFacts, leaseEndedError, ownError, resultError, tooManyError } from './lease-errors.ts';
import { seenAs } from './not-encodable.ts';
import { CALL_HEAD, type CallHead, type CallValue, LEASE_FUNCTION, LEASE_SIGNAL } from './protocol.ts';
import type { Lendable } from './snapshot.ts';

/** Posts a frame on the lane. */
export type PostFrame = (frame: Frame, urgent?: boolean) => boolean;

type Reenter = CarriedContext['reenter'];

/** How much is lent at the moment: a figure that several lenders may share. */
export class LeaseCount {
  now = 0;
}

/** Something lent to the other side. */
interface Lease {
  readonly id: number;
  readonly value: Lendable;
  /** Runs it in what its owner ran in, where something of that is carried. */
  readonly reenter: Reenter | undefined;
  kept: boolean;
  readonly stopListening: () => void;
}

/** Where something to be lent was found. */
interface Found {
  readonly value: Lendable;
  readonly container: object;
  readonly key: unknown;
}

/**
 * Lends functions and signals to the other side of a lane, each for the length of one call, and runs the functions when they
 * are called from there.
 *
 *   LENT ──call settled, released, lane gone──> ended
 *     └──kept──> KEPT ──released, lane gone──> ended
 */
export class Lender {
  readonly #post: PostFrame;
  readonly #facts: LeaseFacts;
  readonly #most: number;
  readonly #count: LeaseCount;
  readonly #leases = new Map<number, Lease>();
  readonly #byCall = new Map<number, readonly Lease[]>();
  readonly #holder: ValueHolder;
  #lastId = 0;

  /**
   * @param most Most that may be lent at a time.
   * @param shares Whether the lane carries shared memory.
   */
  constructor(post: PostFrame, facts: LeaseFacts, most: number, count: LeaseCount, shares: boolean) {
    this.#post = post;
    this.#holder = new ValueHolder(shares);
    this.#facts = facts;
    this.#most = most;
    this.#count = count;
  }

  /** What is lent at the moment. */
  get size(): number {
    return this.#leases.size;
  }

  /**
   * Posts a CALL. What can only be lent among its arguments is lent to it until {@link Lender.settle}.
   * @param reenter What lent functions run in.
   * @returns as `Lane.post`.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` with the path in the arguments, or `ERR_PACKET_OVERLOADED`: nothing was sent,
   * lent or moved.
   */
  call(
    stream: number,
    target: CallValue[0],
    head: number | CallHead,
    args: readonly unknown[],
    reenter?: Reenter | undefined,
  ): boolean {
    const plain: CallValue = [target, head, ...args];
    if (!args.some(isLendable)) {
      try {
        return this.#post({ type: 'CALL', stream, value: plain });
      } catch (error) {
        // What is lent may lie deeper; looking for it before would cost every call.
        if (!(error instanceof PacketError) || error.code !== 'ERR_PACKET_NOT_ENCODABLE') throw error;
      }
    }
    try {
      const value = this.#lend(stream, plain, typeof head === 'number' ? { leftMs: head } : head, reenter);
      return this.#post({ type: 'CALL', stream, value });
    } catch (error) {
      this.settle(stream);
      throw seenAs(error, argumentPath);
    }
  }

  /** The call has settled, as far as this side is concerned: what was lent to it and is not kept ends. */
  settle(stream: number): void {
    const lent = this.#byCall.get(stream);
    if (lent === undefined) return;
    this.#byCall.delete(stream);
    for (const lease of lent) if (!lease.kept) this.#end(lease);
  }

  /** The borrower keeps it, or has done with it. */
  changed(id: number, kept: boolean): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    if (!kept) {
      this.#end(lease);
    } else if (!lease.kept) {
      lease.kept = true;
      keepBorrowed(lease.value);
    }
  }

  /** Runs a lent function and posts its answer; `done` is called when there is one. */
  run(stream: number, id: number, args: readonly unknown[], done: () => void): void {
    const { value, reenter } = this.#leases.get(id) ?? {};
    if (typeof value !== 'function') {
      done();
      this.#post({ type: 'ERROR', stream, value: ownError(leaseEndedError(this.#facts, 'settled')) });
      return;
    }
    let result: unknown;
    try {
      const call = (): unknown => Reflect.apply(value, undefined, args);
      result = reenter === undefined ? call() : reenter(call);
      if (isThenable(result)) {
        void this.#await(stream, result, done);
        return;
      }
    } catch (error) {
      this.#failed(stream, error, done);
      return;
    }
    this.#answered(stream, result, done);
  }

  /** The lane is gone. */
  close(): void {
    this.#byCall.clear();
    for (const lease of [...this.#leases.values()]) this.#end(lease);
  }

  #lend(stream: number, plain: CallValue, head: CallHead, reenter: Reenter | undefined): unknown {
    const found: Found[] = [];
    const copy = this.#hold(plain, found);
    if (!Array.isArray(copy) || found.length === 0) return copy;
    const byValue = new Map<Lendable, Lease>();
    for (const { value } of found) byValue.set(value, this.#leaseOf(value, byValue.get(value), reenter));
    const lent = [...byValue.values()];
    for (const lease of lent) this.#leases.set(lease.id, lease);
    this.#count.now += lent.length;
    this.#byCall.set(stream, lent);
    const leases = lent.flatMap(({ id, value }) => [id, kindOf(value)]);
    const places = found.flatMap(({ value, container, key }) => {
      return [container === copy ? 0 : container, key, byValue.get(value)?.id];
    });
    copy[1] = { ...head, leases, places } satisfies CallHead;
    return copy;
  }

  /** A copy of the call, without what is found to be lent. */
  #hold(plain: CallValue, found: Found[]): unknown {
    const held = this.#leases.size;
    const distinct = new Set<Lendable>();
    let tooMany: PacketError | undefined;
    try {
      return this.#holder.hold(plain, (value, container, key) => {
        // Refused before what moves has moved.
        if (held + distinct.add(value).size > this.#most) {
          tooMany = tooManyError(this.#facts, 'leases', held, this.#most);
          throw tooMany;
        }
        found.push({ value, container, key });
        return null;
      }).value;
    } catch (error) {
      throw tooMany ?? error;
    }
  }

  #leaseOf(value: Lendable, known: Lease | undefined, reenter: Reenter | undefined): Lease {
    if (known !== undefined) return known;
    const id = ++this.#lastId;
    if (typeof value === 'function' || value.aborted) {
      return { id, value, reenter, kept: false, stopListening: () => undefined };
    }
    // Urgent: it may come before the call then, which the borrower minds.
    const fired = (): void => void this.#post({ type: 'LEASE', stream: id, value: [encodeError(value.reason)] }, true);
    return { id, value, reenter, kept: false, stopListening: whenAborted(value, fired) };
  }

  #end(lease: Lease): void {
    if (!this.#leases.delete(lease.id)) return;
    this.#count.now--;
    lease.stopListening();
    if (lease.kept) releaseBorrowed(lease.value);
  }

  async #await(stream: number, result: PromiseLike<unknown>, done: () => void): Promise<void> {
    let value: unknown;
    try {
      value = await result;
    } catch (error) {
      this.#failed(stream, error, done);
      return;
    }
    this.#answered(stream, value, done);
  }

  #answered(stream: number, value: unknown, done: () => void): void {
    done();
    try {
      this.#post({ type: 'RESULT', stream, value });
    } catch (error) {
      this.#post({ type: 'ERROR', stream, value: ownError(resultError(error)) });
    }
  }

  #failed(stream: number, error: unknown, done: () => void): void {
    done();
    this.#post({ type: 'ERROR', stream, value: encodeError(error) });
  }
}

function isLendable(value: unknown): value is Lendable {
  return typeof value === 'function' || value instanceof AbortSignal;
}

function kindOf(value: Lendable): unknown {
  if (typeof value === 'function') return LEASE_FUNCTION;
  return value.aborted ? [encodeError(value.reason)] : LEASE_SIGNAL;
}

const ENTRY = /^\$\[(\d+)\]/;

/** A path in a {@link CallValue} as the caller counts: its arguments from 0; of what goes with them, the name. */
function argumentPath(told: string): string {
  return told.replace(ENTRY, (_, index: string) => {
    const argument = Number(index) - CALL_HEAD;
    return argument < 0 ? '$' : `$[${argument}]`;
  });
}
