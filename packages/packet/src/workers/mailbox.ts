import type { Call } from './calls.ts';

/** Calls that wait for an instance, first in first out; one that settles early leaves from the middle. */
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

  push(call: Call, bytes: number): void {
    call.queued = true;
    call.queuedBytes = bytes;
    call.previous = this.#last;
    call.next = undefined;
    if (this.#last === undefined) this.#first = call;
    else this.#last.next = call;
    this.#last = call;
    this.#size++;
    this.#bytes += bytes;
  }

  /** For a call that had its turn already. */
  pushFront(call: Call, bytes: number): void {
    call.queued = true;
    call.queuedBytes = bytes;
    call.previous = undefined;
    call.next = this.#first;
    if (this.#first === undefined) this.#last = call;
    else this.#first.previous = call;
    this.#first = call;
    this.#size++;
    this.#bytes += bytes;
  }

  remove(call: Call): void {
    if (!call.queued) return;
    if (call.previous === undefined) this.#first = call.next;
    else call.previous.next = call.next;
    if (call.next === undefined) this.#last = call.previous;
    else call.next.previous = call.previous;
    call.previous = undefined;
    call.next = undefined;
    call.queued = false;
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
