import { IdTable } from '../id-table.ts';
import type { LaneLimits } from './lane-options.ts';
import type { Outgoing } from './outgoing.ts';

/** A frame that leaves in slices. */
export interface SlicedFrame {
  readonly frame: Outgoing;
  /** Unique among the unfinished ones of a lane. */
  readonly id: number;
  started: boolean;
  /** Part of the frame's charge already given back. */
  credited: number;
}

/** What leaves next: some small frames, or one more slice of a big one. */
export type Pick = { readonly small: readonly Outgoing[] } | { readonly sliced: SlicedFrame };

interface Waiting {
  readonly frame: Outgoing;
  /** Small frames accepted before it; they leave first. */
  readonly after: number;
}

/** Frames that wait until a big one of their stream has left. */
interface HeldStream {
  /** The stream. */
  readonly id: number;
  readonly frames: Outgoing[];
}

const COMPACT_AT = 1024;

/**
 * The queue of a lane: decides what leaves next.
 *
 * ```
 * urgent ─┐
 * small ──┼─► batch of up to flushFrames / flushBytes ─┐ in turn, so that
 * big ────► waiting ─► open, slices in rotation ───────┘ neither side starves
 *             frames of a stream with an unfinished big frame are held until that one has left
 * ```
 */
export class Outbox {
  readonly #limits: LaneLimits;
  #urgent: Outgoing[] = [];
  #small: (Outgoing | undefined)[] = [];
  #smallHead = 0;
  #smallBytes = 0;
  #smallAdded = 0;
  #smallTaken = 0;
  #waiting: Waiting[] = [];
  #open: SlicedFrame[] = [];
  #openBytes = 0;
  #rotation = 0;
  #nextId = 0;
  #slicesTurn = false;
  readonly #held = new IdTable<HeldStream>();
  #pendingBytes = 0;
  #pendingFrames = 0;
  #full = false;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get pendingFrames(): number {
    return this.#pendingFrames;
  }

  /** Enough small frames for a batch that need not wait for more, or an urgent one. */
  get ripe(): boolean {
    const { flushFrames, flushBytes } = this.#limits;
    return this.#smallCount() >= flushFrames || this.#smallBytes >= flushBytes || this.#urgent.length > 0;
  }

  /** @returns false above high water: {@link settle} will tell when it is over. */
  add(frame: Outgoing, urgent: boolean): boolean {
    this.#pendingFrames++;
    this.#pendingBytes += frame.charge;
    if (urgent && !frame.big) this.#urgent.push(frame);
    else this.#enqueue(frame);
    if (this.#pendingBytes > this.#limits.highWaterBytes) this.#full = true;
    return !this.#full;
  }

  /** `undefined` when nothing is left to send. */
  next(): Pick | undefined {
    if (this.#urgent.length > 0) {
      const small = this.#urgent;
      this.#urgent = [];
      return { small };
    }
    if (this.#slicesTurn || this.#smallCount() === 0) {
      const sliced = this.#nextSliced();
      if (sliced !== undefined) {
        this.#slicesTurn = false;
        return { sliced };
      }
    }
    if (this.#smallCount() === 0) return undefined;
    this.#slicesTurn = true;
    return { small: this.#takeSmall() };
  }

  /** A sliced frame was cut to its end; frames held behind it may follow. */
  finished(sliced: SlicedFrame): void {
    const at = this.#open.indexOf(sliced);
    if (at < 0) return;
    this.#open.splice(at, 1);
    if (at < this.#rotation) this.#rotation--;
    this.#openBytes -= sliced.frame.mostBytes;
    const { stream } = sliced.frame;
    const held = this.#held.get(stream)?.frames ?? [];
    this.#held.delete(stream);
    for (const [index, frame] of held.entries()) {
      this.#enqueue(frame);
      if (!frame.big) continue;
      this.#held.add({ id: stream, frames: held.slice(index + 1) });
      return;
    }
  }

  /**
   * Bytes, and frames with their last byte, are out of the lane's hands.
   * @returns true when this ended a spell above high water.
   */
  settle(bytes: number, frames: number): boolean {
    this.#pendingBytes -= bytes;
    this.#pendingFrames -= frames;
    if (!this.#full || this.#pendingBytes > this.#limits.highWaterBytes / 2) return false;
    this.#full = false;
    return true;
  }

  /** Drops everything. */
  clear(): void {
    this.#urgent = [];
    this.#small = [];
    this.#smallHead = 0;
    this.#smallBytes = 0;
    this.#waiting = [];
    this.#open = [];
    this.#openBytes = 0;
    this.#held.clear();
    this.#pendingBytes = 0;
    this.#pendingFrames = 0;
    this.#full = false;
  }

  #enqueue(frame: Outgoing): void {
    const held = this.#held.size === 0 ? undefined : this.#held.get(frame.stream);
    if (held !== undefined) {
      held.frames.push(frame);
    } else if (frame.big) {
      this.#held.add({ id: frame.stream, frames: [] });
      this.#waiting.push({ frame, after: this.#smallAdded });
    } else {
      this.#smallAdded++;
      this.#smallBytes += frame.charge;
      this.#small.push(frame);
    }
  }

  #smallCount(): number {
    return this.#small.length - this.#smallHead;
  }

  #takeSmall(): readonly Outgoing[] {
    const { flushFrames, flushBytes } = this.#limits;
    const all = this.#small;
    const taken: Outgoing[] = [];
    let bytes = 0;
    let at = this.#smallHead;
    while (at < all.length && taken.length < flushFrames && bytes < flushBytes) {
      const frame = all[at];
      // What has left must not be kept by what has not.
      all[at++] = undefined;
      if (frame === undefined) continue;
      bytes += frame.charge;
      taken.push(frame);
    }
    this.#smallHead = at;
    this.#smallBytes -= bytes;
    this.#smallTaken += taken.length;
    // Shifting a long array for every batch would cost the square of its length.
    if (at === all.length || at >= COMPACT_AT) {
      this.#small = at === all.length ? [] : all.slice(at);
      this.#smallHead = 0;
    }
    return taken;
  }

  #nextSliced(): SlicedFrame | undefined {
    this.#openWaiting();
    const count = this.#open.length;
    if (count === 0) return undefined;
    this.#rotation = (this.#rotation + 1) % count;
    return this.#open[this.#rotation];
  }

  #openWaiting(): void {
    const { maxOpenFrames, maxFrameBytes } = this.#limits;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { frame, after } = first;
      if (after > this.#smallTaken || this.#open.length >= maxOpenFrames) return;
      if (this.#open.length > 0 && this.#openBytes + frame.mostBytes > maxFrameBytes) return;
      this.#waiting.shift();
      this.#openBytes += frame.mostBytes;
      this.#open.push({ frame, id: this.#nextId++, started: false, credited: 0 });
    }
  }
}
