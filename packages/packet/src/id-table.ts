/** What can be in an {@link IdTable}. */
export interface Identified {
  /** A whole number that no other member has. It must not change while it is in the table. */
  readonly id: number;
}

/** Slots of an empty table; always a power of two. */
const FEWEST_SLOTS = 8;

/**
 * Objects by their id, for those that come and go all the time.
 *
 * A Map or Set of V8 is replaced by a new one as entries come and go, and the old one points to the new. Once an old one has
 * been moved out of the young generation it keeps all that came after it, entries included, until a full collection. Tens of
 * thousands of short-lived calls or connections a second are then copied by each scavenge. Nothing here points from the dead to
 * the living.
 */
export class IdTable<T extends Identified> {
  #slots: (T | undefined)[] = emptySlots(FEWEST_SLOTS);
  #mask = FEWEST_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    return this.#slots[this.#find(id)];
  }

  /** Puts it in, in the place of one with the same id. */
  add(item: T): void {
    const slot = this.#find(item.id);
    if (this.#slots[slot] === undefined) this.#size++;
    this.#slots[slot] = item;
    // At most half full, so that a search is short.
    if (2 * this.#size > this.#mask) this.#resize(2 * (this.#mask + 1));
  }

  /** @returns whether it was there. */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = this.#find(id);
    if (slots[hole] === undefined) return false;
    this.#size--;
    // What a search would no longer reach across the hole moves into it.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const item = slots[slot];
      if (item === undefined) break;
      if (((slot - item.id) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = item;
      hole = slot;
    }
    slots[hole] = undefined;
    if (mask >= FEWEST_SLOTS && 8 * this.#size < mask) this.#resize((mask + 1) / 2);
    return true;
  }

  /** All of them now, in no order; what comes and goes later does not change the list. */
  all(): readonly T[] {
    const items: T[] = [];
    for (const item of this.#slots) if (item !== undefined) items.push(item);
    return items;
  }

  clear(): void {
    this.#size = 0;
    this.#slots = emptySlots(FEWEST_SLOTS);
    this.#mask = FEWEST_SLOTS - 1;
  }

  /** The slot of `id`, or the empty one where it would be. */
  #find(id: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = id & mask;
    for (let item = slots[slot]; item !== undefined && item.id !== id; item = slots[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  #resize(count: number): void {
    const items = this.#slots;
    this.#slots = emptySlots(count);
    this.#mask = count - 1;
    for (const item of items) if (item !== undefined) this.#slots[this.#find(item.id)] = item;
  }
}

function emptySlots<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
