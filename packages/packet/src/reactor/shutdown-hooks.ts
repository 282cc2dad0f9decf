import type { Clock } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import type { ErrorHook } from './error-hook.ts';

/** Where in `stop()` an error comes from. */
const WHERE = 'onShutdown';

/** What is to be done when a reactor stops: last added first, each exactly once, within the drain time. */
export class ShutdownHooks {
  readonly #errors: ErrorHook;
  readonly #hooks = new Set<() => unknown>();
  #over = false;
  #giveUp: (() => void) | undefined;

  constructor(errors: ErrorHook) {
    this.#errors = errors;
  }

  /** @returns A function that takes it away again. @throws PacketError `ERR_PACKET_OPTION`. */
  add(hook: () => unknown): () => void {
    if (typeof hook !== 'function') throw optionError(WHERE, 'hook', 'a function', hook);
    // One function may be added twice, so it is not itself what is kept.
    const entry = (): unknown => hook();
    this.#hooks.add(entry);
    return () => void this.#hooks.delete(entry);
  }

  /** Runs all, one after the other. From the deadline on each is still called and none is waited for. */
  async run(clock: Clock, drainMs: number): Promise<void> {
    if (this.#hooks.size === 0) return;
    const late = new Promise<'late'>((resolve) => {
      this.#giveUp = () => resolve('late');
    });
    const deadline = clock.setTimer(drainMs, () => this.giveUp());
    if (drainMs === 0) this.giveUp();
    for (let hook = this.#takeLast(); hook !== undefined; hook = this.#takeLast()) {
      const pending = this.#errors.guard(WHERE, hook);
      if (pending === undefined || this.#over) continue;
      if ((await Promise.race([pending, late])) === 'late') this.#errors.report(lateError(drainMs), WHERE, undefined);
    }
    deadline.cancel();
  }

  /** Waits for none of them any more. */
  giveUp(): void {
    this.#over = true;
    this.#giveUp?.();
  }

  #takeLast(): (() => unknown) | undefined {
    const last = [...this.#hooks].pop();
    if (last !== undefined) this.#hooks.delete(last);
    return last;
  }
}

function lateError(drainMs: number): PacketError {
  return new PacketError(
    'ERR_PACKET_TIMEOUT',
    'a shutdown hook was still at work when the time for stopping was over',
    {
      details: { timeout: 'shutdown-hook', ms: drainMs },
    },
  );
}
