import type { Call } from './calls.ts';
import type { Instance } from './instance.ts';

/** Calls in a row, first in first out; one that settles early leaves from the middle. */
export class Mailbox {
  #first: Call | undefined;
  #last: Call | undefined;
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  /** Estimated, of all arguments that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get first(): Call | undefined {
    return this.#first;
  }

  push(call: Call): void {
    call.mailbox = this;
    call.previous = this.#last;
    call.next = undefined;
    if (this.#last === undefined) this.#first = call;
    else this.#last.next = call;
    this.#last = call;
    this.#size++;
    this.#bytes += call.queuedBytes;
  }

  /** For a call that had its turn already. */
  pushFront(call: Call): void {
    call.mailbox = this;
    call.previous = undefined;
    call.next = this.#first;
    if (this.#first === undefined) this.#last = call;
    else this.#first.previous = call;
    this.#first = call;
    this.#size++;
    this.#bytes += call.queuedBytes;
  }

  remove(call: Call): void {
    if (call.mailbox !== this) return;
    if (call.previous === undefined) this.#first = call.next;
    else call.previous.next = call.next;
    if (call.next === undefined) this.#last = call.previous;
    else call.next.previous = call.previous;
    call.previous = undefined;
    call.next = undefined;
    call.mailbox = undefined;
    this.#size--;
    this.#bytes -= call.queuedBytes;
  }

  /** Takes out and returns all, first to last. */
  empty(): readonly Call[] {
    const calls: Call[] = [];
    for (let call = this.#first; call !== undefined; call = this.#first) {
      this.remove(call);
      calls.push(call);
    }
    return calls;
  }
}

/** All calls of a pool that wait: in one mailbox those any instance may take, in others those one instance must. */
export class Mailboxes {
  readonly shared: Mailbox = new Mailbox();
  readonly #own = new Map<Instance, Mailbox>();

  get size(): number {
    let size = this.shared.size;
    for (const own of this.#own.values()) size += own.size;
    return size;
  }

  /** Estimated, of all arguments that wait. */
  get bytes(): number {
    let bytes = this.shared.bytes;
    for (const own of this.#own.values()) bytes += own.bytes;
    return bytes;
  }

  /** The call that was made first. */
  get oldest(): Call | undefined {
    let oldest = this.shared.first;
    for (const { first } of this.#own.values()) {
      if (first !== undefined && (oldest === undefined || first.id < oldest.id)) oldest = first;
    }
    return oldest;
  }

  /** Whether one more instance could take a call that waits; one of a broadcast is for those that are there. */
  get wantMore(): boolean {
    if (this.shared.size > 0) return true;
    for (const { first } of this.#own.values()) if (first !== undefined && first.only === undefined) return true;
    return false;
  }

  /** The first call that only this instance may take. */
  firstFor(instance: Instance): Call | undefined {
    return this.#own.size === 0 ? undefined : this.#own.get(instance)?.first;
  }

  /** @param instance The only one that may take it. */
  push(call: Call, instance?: Instance): void {
    if (instance === undefined) {
      this.shared.push(call);
      return;
    }
    let own = this.#own.get(instance);
    if (own === undefined) {
      own = new Mailbox();
      this.#own.set(instance, own);
    }
    own.push(call);
  }

  /** An instance came up: what waits for others and now belongs to it waits for it, in the order in which it was made. */
  moveTo(instance: Instance, belongs: (call: Call) => boolean): void {
    const moving: Call[] = [];
    for (const own of this.#own.values()) {
      for (let call = own.first; call !== undefined; call = call.next) {
        if (call.only === undefined && belongs(call)) moving.push(call);
      }
    }
    moving.sort((a, b) => a.id - b.id);
    for (const call of moving) {
      call.mailbox?.remove(call);
      this.push(call, instance);
    }
  }

  /** The instance takes no calls any more: returns those that waited for it, first to last. */
  forget(instance: Instance): readonly Call[] {
    const own = this.#own.get(instance);
    this.#own.delete(instance);
    return own?.empty() ?? [];
  }

  /** Takes out and returns all. */
  empty(): readonly Call[] {
    const calls = [...this.shared.empty()];
    for (const own of this.#own.values()) calls.push(...own.empty());
    return calls;
  }
}
