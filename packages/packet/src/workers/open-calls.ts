import type { PacketError } from '../errors.ts';
import { type WireError, wireErrorOf } from './error-codec.ts';
import type { Frame } from './lane.ts';

/** Somebody who waits for the answer to a call. */
export interface WaitingCaller {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  /** The error the caller gets for what the other side sent. */
  errorOf(wire: WireError): unknown;
  /** The answer is here, or none will come. */
  ended?(): void;
}

/** Calls on streams of one's own that the other side of a lane is to answer: each settles exactly once. */
export class OpenCalls {
  readonly #open = new Map<number, WaitingCaller>();

  get size(): number {
    return this.#open.size;
  }

  add(stream: number, caller: WaitingCaller): void {
    this.#open.set(stream, caller);
  }

  /** A RESULT or ERROR. */
  answered({ type, stream, value, problem }: Frame): void {
    const caller = this.#open.get(stream);
    if (caller === undefined) return;
    const isResult = type === 'RESULT' && problem === undefined;
    // Made while it is still open: what makes no sense ends the lane, and all that is open with it.
    const error = isResult ? undefined : (problem ?? caller.errorOf(wireErrorOf(value)));
    this.#take(stream);
    if (isResult) caller.resolve(value);
    else caller.reject(error);
  }

  /** Nobody waits for it any more; an answer that still comes is dropped. */
  fail(stream: number, error: PacketError): void {
    this.#take(stream)?.reject(error);
  }

  /** The other side is gone. */
  close(error: PacketError): void {
    for (const stream of [...this.#open.keys()]) this.fail(stream, error);
  }

  #take(stream: number): WaitingCaller | undefined {
    const caller = this.#open.get(stream);
    if (caller === undefined) return undefined;
    this.#open.delete(stream);
    caller.ended?.();
    return caller;
  }
}
