import { performance } from 'node:perf_hooks';
import { tell } from './delivery.ts';
import { ValueHolder } from './held-values.ts';
import type { Lane } from './lane.ts';
import { seenAs, takenFor } from './not-encodable.ts';
import type { CellName, CellValue } from './protocol.ts';
import { serviceRows } from './worker-options.ts';

/** Sends a worker's cells to its master: of values set between two turns of the loop only the last one travels. */
export class CellSender {
  readonly #lane: Lane;
  readonly #holder: ValueHolder;
  /** Not sent yet. */
  readonly #waiting = new Map<CellName, unknown>();
  #turn: NodeJS.Immediate | undefined;
  #waitingSince = 0;
  /** Above the lane's high-water mark. */
  #full = false;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#holder = new ValueHolder(lane.capabilities.sharedMemory);
  }

  /** @throws PacketError `ERR_PACKET_NOT_ENCODABLE`: the cell keeps its value. */
  set(cell: CellName, value: unknown): void {
    const held = this.#hold(cell, value);
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
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const value of waiting) {
      // It was held as the lane would carry it; only a codec that refuses what it made itself can still be in the way, and
      // must not be in that of the answer to come.
      tell(() => {
        if (!this.#lane.post({ type: 'STATUS', stream: 0, value }, urgent)) this.#full = true;
      });
    }
  }

  /** All of the frame, so that what the lane would refuse is refused here. */
  #hold(cell: CellName, value: unknown): unknown {
    const frame: CellValue = [cell, value];
    return takenFor(`this.${cell}`, () => {
      try {
        return this.#holder.hold(frame).value;
      } catch (error) {
        throw seenAs(error, (path) => path.replace(VALUE_PATH, '$'));
      }
    });
  }
}

const VALUE_PATH = /^\$\[1\]/;
