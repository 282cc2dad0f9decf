import type { PacketError } from '../errors.ts';
import { definitionError } from './worker-options.ts';

/** What says after which others a worker starts. */
export interface Ordered {
  readonly name: string;
  readonly file: string;
  readonly after: readonly string[];
}

/** Which workers of a folder come after which. */
export class StartOrder {
  /** All, each after those it comes after; otherwise sorted. */
  readonly names: readonly string[];
  readonly #before = new Map<string, ReadonlySet<string>>();
  readonly #joined = new Map<string, ReadonlySet<string>>();

  /** @throws PacketError `ERR_PACKET_WORKER_DEFINITION` for a name that does not exist, and for a circle. */
  constructor(workers: readonly Ordered[]) {
    const byName = new Map(workers.map((worker) => [worker.name, worker]));
    const sorted = [...byName.keys()].sort();
    for (const name of sorted) this.#collect(name, byName, []);
    this.names = [...this.#before.keys()];
    for (const name of sorted) {
      const joined = new Set<string>([name]);
      // A set can be walked while it grows.
      for (const one of joined) {
        for (const other of sorted) if (this.before(one).has(other) || this.before(other).has(one)) joined.add(other);
      }
      joined.delete(name);
      this.#joined.set(name, joined);
    }
  }

  /** All that are to be ready before it. */
  before(worker: string): ReadonlySet<string> {
    return this.#before.get(worker) ?? NOBODY;
  }

  /** All that are joined with it, on whichever way; without itself. */
  joined(worker: string): ReadonlySet<string> {
    return this.#joined.get(worker) ?? NOBODY;
  }

  #collect(name: string, byName: ReadonlyMap<string, Ordered>, path: readonly string[]): ReadonlySet<string> {
    const known = this.#before.get(name);
    if (known !== undefined) return known;
    const { file = '', after = [] } = byName.get(name) ?? {};
    const walked = [...path, name];
    const all = new Set<string>();
    for (const before of after) {
      if (walked.includes(before)) {
        throw definitionError(file, `workers come after one another: ${[...walked, before].join(' after ')}`);
      }
      if (!byName.has(before)) throw definitionError(file, `it comes after worker "${before}", which does not exist`);
      all.add(before);
      for (const one of this.#collect(before, byName, walked)) all.add(one);
    }
    this.#before.set(name, all);
    return all;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/** A pool as those it is joined with see it. */
export interface Sibling {
  readonly worker: string;
  readonly strategy: 'one-for-one' | 'rest-for-one' | 'all';
  /** It was ended with others and is not fully up again. */
  readonly recovering: boolean;
  /** Some of its instances are still on their way out for that. */
  readonly ending: boolean;
  readonly parkedError: PacketError | undefined;
  /** Ends its instances; they come back when nothing stands in their way. */
  hold(): void;
  /** Starts what is held, if nothing stands in its way. */
  proceed(): void;
}

/**
 * The pools of one folder, where one that dies takes others with it: all that are affected end first, and are then started in
 * the order that `after` says, each when those before it are ready.
 */
export class Siblings {
  readonly #order: StartOrder;
  readonly #members = new Set<Sibling>();

  constructor(order: StartOrder) {
    this.#order = order;
  }

  add(member: Sibling): void {
    this.#members.add(member);
  }

  /** It was stopped: nobody waits for it any more. */
  remove(member: Sibling): void {
    if (this.#members.delete(member)) this.changed(member);
  }

  /** An instance of it died: ends those its strategy names. */
  died(member: Sibling): void {
    for (const other of this.#members) {
      const later = this.#order.before(other.worker).has(member.worker);
      const joined = this.#order.joined(member.worker).has(other.worker);
      if (member.strategy === 'all' ? joined : later && member.strategy === 'rest-for-one') other.hold();
    }
  }

  /** Whether its instances may start: all who were ended with it are gone, and those before it are up again. */
  mayStart(member: Sibling): boolean {
    if (member.ending) return false;
    for (const other of this.#members) {
      if (other.ending && this.#order.joined(member.worker).has(other.worker)) return false;
      if (other.recovering && this.#order.before(member.worker).has(other.worker)) return false;
    }
    return true;
  }

  /** Why it will not come back: one before it is parked. */
  stuck(member: Sibling): PacketError | undefined {
    for (const other of this.#members) {
      if (!this.#order.before(member.worker).has(other.worker)) continue;
      const { parkedError } = other;
      if (parkedError !== undefined) return parkedError;
    }
    return undefined;
  }

  /** Something about it has changed: it, and those joined with it, may be able to go on. */
  changed(member: Sibling): void {
    if (this.#members.has(member)) member.proceed();
    const joined = this.#order.joined(member.worker);
    if (joined.size === 0) return;
    for (const other of this.#members) if (joined.has(other.worker)) other.proceed();
  }
}
