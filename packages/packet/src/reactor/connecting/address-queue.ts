import { isIP } from 'node:net';
import type { ResolvedAddress } from './name-resolver.ts';

/**
 * The addresses of one host still to be tried, the families taking turns.
 *
 * The first one leads, but IPv6 that arrives before anything was tried goes first.
 * @see RFC 8305 4
 */
export class AddressQueue {
  readonly #most: number;
  readonly #family: number;
  readonly #known = new Set<string>();
  #waiting: ResolvedAddress[] = [];
  #last: number | undefined;
  #started = 0;

  /**
   * @param most Addresses handed out in all.
   * @param localAddress Address to connect from; those of the other family are passed over.
   */
  constructor(most: number, localAddress: string | undefined) {
    this.#most = most;
    this.#family = localAddress === undefined ? 0 : isIP(localAddress);
  }

  /** Addresses it was ever given, those passed over included. */
  get seen(): number {
    return this.#known.size;
  }

  /** Addresses handed out. */
  get started(): number {
    return this.#started;
  }

  /** Addresses still to be handed out. */
  get waiting(): number {
    return this.#started === this.#most ? 0 : this.#waiting.length;
  }

  has(family: 4 | 6): boolean {
    return this.#waiting.some((waiting) => waiting.family === family);
  }

  /** Every address given before is passed over. */
  add(addresses: readonly ResolvedAddress[]): void {
    const fresh: ResolvedAddress[] = [];
    for (const { address, family } of addresses) {
      if (this.#known.has(address)) continue;
      this.#known.add(address);
      if (this.#family === 0 || this.#family === family) fresh.push({ address, family });
    }
    const leads = this.#started === 0 && fresh[0]?.family === 6;
    this.#waiting = leads ? [...fresh, ...this.#waiting] : [...this.#waiting, ...fresh];
  }

  take(): ResolvedAddress | undefined {
    if (this.#started === this.#most) return undefined;
    const other = this.#waiting.findIndex(({ family }) => family !== this.#last);
    const [next] = this.#waiting.splice(Math.max(other, 0), 1);
    if (next === undefined) return undefined;
    this.#last = next.family;
    this.#started++;
    return next;
  }
}
