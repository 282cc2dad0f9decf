/** How late a 1 ms timer came at worst: how long at a time the loop of this process was held. */
export class Stalls {
  static readonly #periodMs = 1;
  #timer: NodeJS.Timeout | undefined;
  #last = 0;
  #longest = 0;

  /** Begins anew. */
  start(): void {
    clearInterval(this.#timer);
    this.#longest = 0;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#tick(), Stalls.#periodMs);
  }

  /** Ends and tells the longest delay, in milliseconds; one still going on counts. */
  stop(): number {
    this.#tick();
    clearInterval(this.#timer);
    return this.#longest;
  }

  #tick(): void {
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last - Stalls.#periodMs);
    this.#last = now;
  }
}
