import { type ConnectionFacts, observed, publish } from '../events.ts';
import { isThenable, whenSettled } from '../thenable.ts';
import type { BlockedWatch } from './blocked-watch.ts';

/** What went wrong where, for the error hook. */
export interface ErrorContext {
  /** The callback, such as `receiveData` or `timer`. */
  readonly where: string;
  /** The connection whose callback it was, if it was one's. */
  readonly connection: ConnectionFacts | undefined;
}

/** Where the errors of callbacks go. None is lost, and none goes further: not even one of the hook itself. */
export class ErrorHook {
  readonly #onError: ((error: unknown, context: ErrorContext) => unknown) | undefined;
  readonly #watch: BlockedWatch;

  constructor(onError: ((error: unknown, context: ErrorContext) => unknown) | undefined, watch: BlockedWatch) {
    this.#onError = onError;
    this.#watch = watch;
  }

  /** Tells of an error: to the event, and to the hook or, where there is neither, as a process warning. Never throws. */
  report(error: unknown, where: string, connection: ConnectionFacts | undefined): void {
    const hook = this.#onError;
    publish('packet:reactor.error', () => ({ error, connection, where }));
    if (hook === undefined) {
      if (!observed('packet:reactor.error')) warn(error, where);
      return;
    }
    const failed = (second: unknown): void => {
      warn(error, where);
      warn(second, 'onError');
    };
    try {
      const result: unknown = this.#watch.run('onError', () => hook(error, { where, connection }));
      if (isThenable(result)) void whenSettled(result, undefined, failed);
    } catch (second) {
      failed(second);
    }
  }

  /**
   * Runs a callback that is no connection's; what it throws, or its promise rejects with, is reported.
   * @returns The promise to wait for, if the callback returned one; it never rejects.
   */
  guard(where: string, callback: () => unknown): Promise<unknown> | undefined {
    try {
      const result = this.#watch.run(where, callback);
      if (isThenable(result)) return whenSettled(result, undefined, (error) => this.report(error, where, undefined));
    } catch (error) {
      this.report(error, where, undefined);
    }
    return undefined;
  }
}

/** A warning shows the text only, so the stack is the text. */
function warn(error: unknown, where: string): void {
  process.emitWarning(`in ${where}: ${textOf(error)}`, 'PacketWarning');
}

function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? (error.stack ?? error.message) : error);
  } catch {
    return 'a value that has no text was thrown';
  }
}
