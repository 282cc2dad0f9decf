import type { Clock } from '../clock.ts';
import type { ConnectionCore } from './connection-core.ts';

/** How a drain ended. */
export interface DrainReport {
  /** Connections that ended by themselves, or once nothing of them was under way. */
  readonly finished: number;
  /** Connections that were cut at the deadline. */
  readonly cut: number;
}

/** A set of connections that can be waited empty. */
export class OpenConnections {
  readonly #cores = new Set<ConnectionCore>();
  #emptied: (() => void) | undefined;

  get size(): number {
    return this.#cores.size;
  }

  add(core: ConnectionCore): void {
    this.#cores.add(core);
  }

  delete(core: ConnectionCore): void {
    if (this.#cores.delete(core) && this.#cores.size === 0) this.#emptied?.();
  }

  /** Cuts all of them now. */
  cut(): number {
    const cut = this.#cores.size;
    for (const core of this.#cores) core.abort({ by: 'shutdown', clean: false });
    return cut;
  }

  /** Ends each connection as soon as nothing of it is under way, and cuts those left at the deadline. Resolves when none is left. */
  async drain(clock: Clock, drainMs: number): Promise<DrainReport> {
    const begun = this.#cores.size;
    if (begun === 0) return { finished: 0, cut: 0 };
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    if (drainMs === 0) {
      this.cut();
      await empty;
      return { finished: 0, cut: begun };
    }
    for (const core of this.#cores) core.drain();
    let cut = 0;
    const deadline = clock.setTimer(drainMs, () => {
      cut = this.cut();
    });
    await empty;
    deadline.cancel();
    return { finished: Math.max(0, begun - cut), cut };
  }
}
