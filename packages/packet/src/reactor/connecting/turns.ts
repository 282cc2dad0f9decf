/** Lets so many in at once; the others wait in line. */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves with the function that gives the turn back, or with undefined when `signal` came first. */
  take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    if (this.#taken < this.#most) {
      this.#taken++;
      return Promise.resolve(this.#giver());
    }
    return new Promise((resolve) => {
      const admitted = (): void => {
        signal.removeEventListener('abort', left);
        resolve(this.#giver());
      };
      const left = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(admitted), 1);
        resolve(undefined);
      };
      this.#waiting.push(admitted);
      signal.addEventListener('abort', left, { once: true });
    });
  }

  #giver(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    };
  }
}
