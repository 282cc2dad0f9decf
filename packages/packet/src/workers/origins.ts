import type { PacketError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import type { Ask, AskOrigin } from '../reactor/index.ts';
import type { Call } from './calls.ts';

/** One connection that asks, and what it waits for. */
export class OriginCalls {
  readonly origin: AskOrigin;
  readonly pending: IdTable<Call> = new IdTable();
  /** The connection is gone: it hears nothing any more. */
  closed = false;
  /** Calls whose promise has settled, while the code awaiting it has not run yet. */
  settling = 0;
  /** What it waits for beside its calls. */
  readonly #waits = new Set<AbortController>();
  /** Its call that waits in a mailbox above the bound: one at most does. */
  above: Call | undefined;

  constructor(origin: AskOrigin) {
    this.origin = origin;
  }

  answered(value: unknown, ask: Ask, last: boolean): void {
    if (!this.closed) this.origin.answered(value, ask, last);
  }

  failed(error: PacketError, ask: Ask): void {
    if (!this.closed) this.origin.failed(error, ask);
  }

  /** Waits as long as the connection is there; `wait` is given a signal for that, which `signal` fires too. */
  async whileOpen(signal: AbortSignal | undefined, wait: (either: AbortSignal) => Promise<void>): Promise<void> {
    const either = new AbortController();
    const abort = (): void => either.abort(signal?.reason);
    if (this.closed || signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#waits.add(either);
    try {
      await wait(either.signal);
    } finally {
      this.#waits.delete(either);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** The connection is gone. */
  close(): void {
    this.closed = true;
    for (const wait of this.#waits) wait.abort();
  }
}

/** The connections that have asked. Nothing here outlives them. */
export class Origins {
  readonly #known = new WeakMap<AskOrigin, OriginCalls>();
  #settling: OriginCalls[] = [];

  of(origin: AskOrigin): OriginCalls {
    let calls = this.#known.get(origin);
    if (calls === undefined) {
      calls = new OriginCalls(origin);
      this.#known.set(origin, calls);
    }
    return calls;
  }

  begin(calls: OriginCalls, call: Call): void {
    calls.pending.add(call);
    calls.origin.callBegan();
  }

  /** @param atOnce The caller's code has run; else it runs in microtasks to come. */
  end(calls: OriginCalls, call: Call, atOnce: boolean): void {
    calls.pending.delete(call.id);
    if (atOnce) {
      calls.origin.callSettled();
      return;
    }
    // One look per turn of the loop, for all: by then every `await` on these promises has gone on.
    if (calls.settling++ > 0) return;
    if (this.#settling.push(calls) === 1) setImmediate(() => this.#afterAwaits());
  }

  /** The connection is gone. Returns the calls it still waits for. */
  close(origin: AskOrigin): readonly Call[] {
    const calls = this.of(origin);
    calls.close();
    return calls.pending.all();
  }

  #afterAwaits(): void {
    const settling = this.#settling;
    this.#settling = [];
    for (const calls of settling) {
      for (let left = calls.settling; left > 0; left--) calls.origin.callSettled();
      calls.settling = 0;
    }
  }
}
