import type { PacketError } from '../errors.ts';
import { type Borrowing, markBorrowed } from './borrowed.ts';
import { decodeError, wireErrorOf } from './error-codec.ts';
import { type LeaseEnd, type LeaseFacts, leaseEndedError, lentFunctionError, tooManyError } from './lease-errors.ts';
import type { Lender, PostFrame } from './lender.ts';
import type { OpenCalls } from './open-calls.ts';
import { type CallHead, LEASE_FUNCTION } from './protocol.ts';
import { serviceRows } from './worker-options.ts';

/** What a borrower needs of the lane it borrows over. */
export interface BorrowerHost {
  readonly facts: LeaseFacts;
  readonly post: PostFrame;
  readonly lender: Lender;
  readonly open: OpenCalls;
  nextStream(): number;
}

/**
 * Stands in for functions and signals the other side of a lane has lent: each function is an async one here, each signal a live
 * one, until the call they came with is over.
 */
export class Borrower {
  readonly #host: BorrowerHost;
  readonly #leases = new Map<number, Lease>();
  readonly #byCall = new Map<number, readonly Lease[]>();
  /** Signals that fired before the call they belong to had come whole; some are of calls that are over. */
  readonly #early = new Map<number, unknown>();

  constructor(host: BorrowerHost) {
    this.#host = host;
  }

  /**
   * Puts what came lent with a call into its places in `value`.
   * @throws TypeError when places and leases do not fit the value.
   */
  take(stream: number, head: CallHead, value: unknown[]): void {
    const { leases = [], places = [] } = head;
    if (leases.length === 0) return;
    const lent: Lease[] = [];
    const byId = new Map<unknown, object>();
    for (let at = 0; at < leases.length; at += 2) {
      const id = leases[at];
      if (typeof id !== 'number') throw new TypeError('a lease without its number');
      const lease = new Lease(id, this.#host, () => this.#leases.delete(id));
      byId.set(id, this.#standIn(lease, leases[at + 1]));
      this.#leases.set(id, lease);
      lent.push(lease);
    }
    this.#byCall.set(stream, lent);
    for (let at = 0; at < places.length; at += 3) {
      const standIn = byId.get(places[at + 2]);
      if (standIn === undefined) throw new TypeError('a place without its lease');
      put(places[at] === 0 ? value : places[at], places[at + 1], standIn);
    }
  }

  /** The lender's signal has fired. */
  fired(id: number, reason: unknown): void {
    const controller = this.#leases.get(id)?.controller;
    if (controller !== undefined) {
      controller.abort(reason);
      return;
    }
    this.#early.set(id, reason);
    for (const oldest of this.#early.keys()) {
      if (this.#early.size <= serviceRows.cancelsKept.fallback) break;
      this.#early.delete(oldest);
    }
  }

  /** The call is over here: what came with it and is not kept ends, and calls of it that are open fail with `error`. */
  settle(stream: number, error?: PacketError): void {
    const lent = this.#byCall.get(stream);
    if (lent === undefined) return;
    this.#byCall.delete(stream);
    for (const lease of lent) if (!lease.kept) lease.end('settled', error);
  }

  /** The other side is gone. */
  close(): void {
    this.#byCall.clear();
    for (const lease of [...this.#leases.values()]) lease.end('gone');
  }

  #standIn(lease: Lease, kind: unknown): object {
    if (kind === LEASE_FUNCTION) {
      const call = (...args: unknown[]): Promise<unknown> => lease.call(args);
      markBorrowed(call, lease);
      return call;
    }
    const controller = new AbortController();
    lease.controller = controller;
    if (Array.isArray(kind)) controller.abort(reasonOf(kind));
    else if (this.#early.has(lease.id)) controller.abort(this.#early.get(lease.id));
    this.#early.delete(lease.id);
    markBorrowed(controller.signal, lease);
    return controller.signal;
  }
}

/** What a signal was aborted with, from its frame. */
export function reasonOf(value: readonly unknown[]): unknown {
  return decodeError(wireErrorOf(value[0]));
}

/** One borrowed function or signal. */
class Lease implements Borrowing {
  readonly id: number;
  readonly #host: BorrowerHost;
  readonly #forget: () => void;
  readonly #calls = new Set<number>();
  #over: LeaseEnd | undefined;
  kept = false;
  controller: AbortController | undefined;

  constructor(id: number, host: BorrowerHost, forget: () => void) {
    this.id = id;
    this.#host = host;
    this.#forget = forget;
  }

  keep(): void {
    if (this.#over !== undefined) throw leaseEndedError(this.#host.facts, this.#over);
    if (this.kept) return;
    this.kept = true;
    this.#host.post({ type: 'LEASE', stream: this.id, value: true });
  }

  release(): void {
    if (this.#over !== undefined) return;
    this.#host.post({ type: 'LEASE', stream: this.id, value: false });
    this.end('released');
  }

  end(how: LeaseEnd, error?: PacketError): void {
    if (this.#over !== undefined) return;
    this.#over = how;
    this.#forget();
    if (this.#calls.size === 0) return;
    const told = error ?? leaseEndedError(this.#host.facts, how);
    for (const stream of [...this.#calls]) this.#host.open.fail(stream, told);
  }

  call(args: readonly unknown[]): Promise<unknown> {
    const answer = new Promise((resolve, reject) => this.#send(args, resolve, reject));
    // Whoever does not wait for the answer does not want its error either: it must not end the worker.
    answer.catch(() => undefined);
    return answer;
  }

  #send(args: readonly unknown[], resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    const { facts, open, lender } = this.#host;
    if (this.#over !== undefined) throw leaseEndedError(facts, this.#over);
    const most = serviceRows.openCalls.fallback;
    if (open.size >= most) throw tooManyError(facts, 'calls', open.size, most);
    const stream = this.#host.nextStream();
    lender.call(stream, this.id, 0, args);
    this.#calls.add(stream);
    open.add(stream, {
      resolve,
      reject,
      errorOf: (wire) => lentFunctionError(facts, wire),
      ended: () => {
        this.#calls.delete(stream);
        lender.settle(stream);
      },
    });
  }
}

function put(container: unknown, key: unknown, value: object): void {
  if (container instanceof Map) {
    container.set(key, value);
  } else if (
    typeof container === 'object' &&
    container !== null &&
    (typeof key === 'string' || typeof key === 'number')
  ) {
    // Defined, not assigned: a key may be __proto__.
    Object.defineProperty(container, key, { value, writable: true, configurable: true, enumerable: true });
  } else {
    throw new TypeError('a place that nothing can be put in');
  }
}
