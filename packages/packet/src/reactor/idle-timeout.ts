import type { Clock, ClockTimer } from '../clock.ts';
import type { Transport } from '../transport/index.ts';

/** Looks per idle period while output waits, so that its progress is seen to within 1/20 of the period. */
const LOOKS_WHILE_WRITING = 20;

/**
 * Fires when nothing moved in either direction for a while: 0 to 5 % late, never early.
 *
 * Input and finished output are told to it; output still under way is looked at, because a slow reader that takes some
 * of it is not idle and one that takes none is.
 */
export class IdleTimeout {
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #limitMs: number;
  readonly #expired: () => void;
  #timer: ClockTimer;
  #touchedAt: number;
  #lookingOften = false;
  #seenOut: number;

  constructor(clock: Clock, transport: Transport, limitMs: number, expired: () => void) {
    this.#clock = clock;
    this.#transport = transport;
    this.#limitMs = limitMs;
    this.#expired = expired;
    this.#touchedAt = clock.now();
    this.#seenOut = transport.bytesOut;
    this.#timer = this.#arm(limitMs);
  }

  /** Something moved. */
  touch(): void {
    this.#touchedAt = this.#clock.now();
  }

  /** Output was queued, and `pendingBytes` of it wait. */
  wrote(pendingBytes: number): void {
    this.touch();
    if (pendingBytes === 0 || this.#lookingOften) return;
    this.#timer.cancel();
    this.#look();
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #arm(delayMs: number): ClockTimer {
    return this.#clock.setTimer(delayMs, () => this.#look());
  }

  #look(): void {
    const now = this.#clock.now();
    const out = this.#transport.bytesOut;
    if (this.#lookingOften && out !== this.#seenOut) this.#touchedAt = now;
    this.#seenOut = out;
    const left = this.#touchedAt + this.#limitMs - now;
    if (left <= 0) {
      this.#expired();
      return;
    }
    this.#lookingOften = this.#transport.pendingBytes > 0;
    this.#timer = this.#arm(this.#lookingOften ? Math.min(left, this.#limitMs / LOOKS_WHILE_WRITING) : left);
  }
}
