import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Tells which call some code of the worker runs for, also after an `await`: calls to other workers are made in its name.
 *
 * It costs every promise of the process something on older versions of Node, so it begins with the first need.
 */
export class CallContext {
  #storage: AsyncLocalStorage<number> | undefined;

  get begun(): boolean {
    return this.#storage !== undefined;
  }

  /** Follows calls from now on. @param entered The stream of the call that is being entered; 0 for none. */
  begin(entered: number): void {
    if (this.#storage !== undefined) return;
    this.#storage = new AsyncLocalStorage();
    this.#storage.enterWith(entered);
  }

  /** Runs the method of a call. */
  run<T>(stream: number, method: () => T): T {
    return this.#storage === undefined ? method() : this.#storage.run(stream, method);
  }

  /** The method of the call that {@link CallContext.begin} was called in has returned. */
  left(): void {
    this.#storage?.enterWith(0);
  }

  /** The stream of the call; 0 where there is none, or none is known. */
  current(): number {
    return this.#storage?.getStore() ?? 0;
  }
}
