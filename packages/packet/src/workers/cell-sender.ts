import { performance } from 'node:perf_hooks';
import { ValueHolder } from './held-values.ts';
import type { Lane } from './lane.ts';
import { takenFor } from './not-encodable.ts';
import type { CellName } from './protocol.ts';
import { serviceRows } from './worker-options.ts';

/** Sends a worker's cells to its master: of values set between two turns of the loop only the last one travels. */
export class CellSender {
  readonly #lane: Lane;
  readonly #holder = new ValueHolder();
  /** Not sent yet. */
  readonly #waiting = new Map<CellName, unknown>();
  #turn: NodeJS.Immediate | undefined;
  #waitingSince = 0;
  /** Above the lane's high-water mark. */
  #full = false;

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  /** @throws PacketError `ERR_PACKET_NOT_ENCODABLE`: the cell keeps its value. */
  set(cell: CellName, value: unknown): void {
    const held = takenFor(`this.${cell}`, () => this.#holder.hold(value).value);
    if (this.#waiting.size === 0) this.#waitingSince = performance.now();
    this.#waiting.set(cell, held);
    if (performance.now() - this.#waitingSince >= serviceRows.cellDelayMs.fallback) {
      // Somebody computes without a pause, which is when a status is wanted most.
      this.flush(true);
    } else if (!this.#full) {
      this.#turn ??= setImmediate(() => this.flush());
    }
  }

  drained(): void {
    this.#full = false;
    if (this.#waiting.size > 0) this.flush();
  }

  /** Sends what waits; before an answer, so that whoever has the answer can rely on the cells. */
  flush(urgent = false): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    for (const [cell, value] of this.#waiting) {
      if (!this.#lane.post({ type: 'STATUS', stream: 0, value: [cell, value] }, urgent)) this.#full = true;
    }
    this.#waiting.clear();
  }
}
