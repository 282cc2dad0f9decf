import type { Clock } from '../clock.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Overdue } from './deadline.ts';

/** Looks per period while output waits: its progress is seen to within 1/25 of it, which leaves 1 % for a late timer. */
const LOOKS_WHILE_WRITING = 25;

const NEVER = Number.POSITIVE_INFINITY;

/** What can be missing for too long. */
export type ActivityKind = 'idle' | 'read' | 'write';

/** How long what may be missing, in milliseconds; 0 is off. */
export interface ActivityLimits {
  readonly idleTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
}

/** The connection that is looked at. */
export interface ActivityOwner {
  /** Bytes the system took. */
  readonly bytesOut: number;
  /** Bytes the system took of the connection whose room this one waits for, if it waits for one's. */
  readonly bytesOutAwaited: number | undefined;
  /** Whether output waits for the system. */
  readonly outputWaits: boolean;
  /** Whether input would be taken: a peer is not late while it is we who do not read. */
  readonly expectsInput: boolean;
  /** `kind` was missing for `ms`. */
  inactive(kind: ActivityKind, ms: number): void;
  /** There is nothing to look for any more. */
  unwatched(): void;
}

/**
 * Sees that something moves on a connection: anything at all (idle), input (read), output that waits (write).
 *
 * It fires 0 to 5 % late, never early. Input and output that leaves at once are told to it; output under way is looked at,
 * because a slow reader that takes some of it is active and one that takes none is not.
 */
export class Activity implements Overdue {
  dueAt = 0;
  heapIndex = -1;
  readonly #owner: ActivityOwner;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines<Overdue>;
  readonly #limits: ActivityLimits;
  #movedAt: number;
  #readAt: number;
  #wroteAt: number;
  /** Whether the output was seen waiting, and is looked at soon. */
  #looking = false;
  #seenOut = 0;
  #seenAwaited: number | undefined;

  constructor(owner: ActivityOwner, clock: Clock, deadlines: Deadlines<Overdue>, limits: ActivityLimits) {
    this.#owner = owner;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#limits = limits;
    this.#movedAt = clock.now();
    this.#readAt = this.#movedAt;
    this.#wroteAt = this.#movedAt;
    this.overdue();
  }

  /** Input came. */
  read(): void {
    this.#movedAt = this.#clock.now();
    this.#readAt = this.#movedAt;
  }

  /** Input is taken again. */
  resumed(): void {
    this.#readAt = this.#clock.now();
  }

  /** Output was queued; `waits` when the system has not taken all of it. */
  wrote(waits: boolean): void {
    // Of output that waits already only what leaves is movement, and that is looked at.
    if (waits && this.#looking) return;
    const now = this.#clock.now();
    const { bytesOut } = this.#owner;
    if (bytesOut !== this.#seenOut) this.#movedAt = now;
    this.#seenOut = bytesOut;
    this.#wroteAt = now;
    if (waits && this.#looksAtOutput) this.look();
  }

  /** All output has left. */
  drained(): void {
    this.#movedAt = this.#clock.now();
  }

  /** Looks now, because something waits from now on. */
  look(): void {
    this.#deadlines.remove(this);
    this.overdue();
  }

  cancel(): void {
    this.#deadlines.remove(this);
  }

  /** Looks what moved, and waits on if enough did. */
  overdue(): void {
    const now = this.#clock.now();
    const owner = this.#owner;
    this.#notice(now);
    if (!owner.expectsInput) this.#readAt = now;
    const { idleTimeoutMs, readTimeoutMs, writeTimeoutMs } = this.#limits;
    const writing = owner.outputWaits && writeTimeoutMs > 0;
    const idleAt = idleTimeoutMs > 0 ? this.#movedAt + idleTimeoutMs : NEVER;
    const readAt = readTimeoutMs > 0 ? this.#readAt + readTimeoutMs : NEVER;
    const writeAt = writing ? this.#wroteAt + writeTimeoutMs : NEVER;
    const first = Math.min(idleAt, readAt, writeAt);
    if (first === NEVER) owner.unwatched();
    else if (first > now) this.#wait(now, first, writing);
    else if (first === idleAt) owner.inactive('idle', idleTimeoutMs);
    else if (first === readAt) owner.inactive('read', readTimeoutMs);
    else owner.inactive('write', writeTimeoutMs);
  }

  /** Whether output that waits is of interest. */
  get #looksAtOutput(): boolean {
    return this.#limits.idleTimeoutMs > 0 || this.#limits.writeTimeoutMs > 0;
  }

  /** Sees what left since the last look. */
  #notice(now: number): void {
    const { bytesOut, bytesOutAwaited } = this.#owner;
    if (this.#looking && bytesOut !== this.#seenOut) {
      this.#movedAt = now;
      this.#wroteAt = now;
    }
    if (bytesOutAwaited !== undefined && bytesOutAwaited !== this.#seenAwaited) this.#movedAt = now;
    this.#seenOut = bytesOut;
    this.#seenAwaited = bytesOutAwaited;
  }

  #wait(now: number, first: number, writing: boolean): void {
    const { idleTimeoutMs, writeTimeoutMs } = this.#limits;
    this.#looking = this.#owner.outputWaits && this.#looksAtOutput;
    this.dueAt = first;
    if (this.#looking || this.#seenAwaited !== undefined) {
      const shortest = Math.min(idleTimeoutMs > 0 ? idleTimeoutMs : NEVER, writing ? writeTimeoutMs : NEVER);
      this.dueAt = Math.min(first, now + shortest / LOOKS_WHILE_WRITING);
    }
    this.#deadlines.add(this);
  }
}
