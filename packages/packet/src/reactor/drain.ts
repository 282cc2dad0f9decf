import type { Clock } from '../clock.ts';
import { IdTable } from '../id-table.ts';
import { type Resolved, resolveOptions } from '../options.ts';
import type { ConnectionCore } from './connection-core.ts';

/** Options of stopping. The rows are the only home of defaults and bounds. */
export const drainRows = {
  drainMs: { kind: 'number', fallback: 10_000, min: 0, max: 86_400_000, unit: 'ms' },
} as const;

/** How to stop. */
export interface DrainOptions {
  /** How long connections and workers may finish, in milliseconds. 0 cuts at once. Default: the reactor's `drainMs`. */
  readonly drainMs?: number | undefined;
}

/** How a drain ended. */
export interface DrainReport {
  /** Connections that ended by themselves, or once nothing of them was under way. */
  readonly finished: number;
  /** Connections that were cut, at the deadline or by a later stop. */
  readonly cut: number;
}

/** Fills in the owner's drain time. @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveDrain(given: DrainOptions, drainMs: number): Resolved<typeof drainRows> {
  return resolveOptions('stop', drainRows, {
    ...given,
    drainMs: given.drainMs === undefined ? drainMs : given.drainMs,
  });
}

/** A set of connections that can be waited empty. */
export class OpenConnections {
  readonly #cores = new IdTable<ConnectionCore>();
  /** Those of them that were cut and are not gone yet. */
  readonly #beingCut = new IdTable<ConnectionCore>();
  #emptied: (() => void) | undefined;
  /** Bytes of those that are gone. */
  #bytesIn = 0;
  #bytesOut = 0;
  #draining = false;
  #finished = 0;
  #cut = 0;

  get size(): number {
    return this.#cores.size;
  }

  add(core: ConnectionCore): void {
    this.#cores.add(core);
  }

  delete(core: ConnectionCore): void {
    if (!this.#cores.delete(core.id)) return;
    this.#bytesIn += core.bytesIn;
    this.#bytesOut += core.bytesOut;
    if (!this.#beingCut.delete(core.id) && this.#draining) this.#finished++;
    if (this.#cores.size === 0) this.#emptied?.();
  }

  /** Bytes moved by all that are and were here. */
  traffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    let bytesIn = this.#bytesIn;
    let bytesOut = this.#bytesOut;
    for (const core of this.#cores.all()) {
      bytesIn += core.bytesIn;
      bytesOut += core.bytesOut;
    }
    return { bytesIn, bytesOut };
  }

  /** Cuts all of them now. */
  cut(): void {
    for (const core of this.#cores.all()) {
      if (!core.abort({ by: 'shutdown', clean: false })) continue;
      this.#beingCut.add(core);
      this.#cut++;
    }
  }

  /** Ends each connection as soon as nothing of it is under way, and cuts those left at the deadline. Resolves when none is left. */
  async drain(clock: Clock, drainMs: number): Promise<DrainReport> {
    this.#draining = true;
    if (drainMs === 0) this.cut();
    if (this.#cores.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
      for (const core of this.#cores.all()) core.drain();
      const deadline = clock.setTimer(drainMs, () => this.cut());
      await empty;
      deadline.cancel();
    }
    return { finished: this.#finished, cut: this.#cut };
  }
}
