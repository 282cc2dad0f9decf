import { newMemory } from './binary.ts';
import type { Outgoing } from './outgoing.ts';

/** Copies what is lent to one frame, a slice a call: one large copy would stop the loop for its page faults. */
export class SlowCopy {
  readonly #sources: readonly (Uint8Array | undefined)[];
  readonly #copies: Uint8Array[] = [];
  #current = 0;
  #offset = 0;

  /** Texts need no copy, and memory that moves must not have one: they keep their places among {@link copies}, empty. */
  constructor(frame: Outgoing) {
    const parts = frame.snapshot.parts ?? [];
    const sources = parts.map((part) => (part.kind === 'text' || part.moves === true ? undefined : part.bytes));
    this.#sources = sources.concat(frame.attachments ?? []);
  }

  get done(): boolean {
    return this.#current >= this.#sources.length;
  }

  /** Copies at most `most` bytes. @returns the bytes copied. */
  step(most: number): number {
    let left = most;
    while (left > 0 && !this.done) {
      const source = this.#sources[this.#current];
      if (source !== undefined && source.byteLength > 0) {
        const copy = this.#copies[this.#current] ?? newMemory(source.byteLength);
        this.#copies[this.#current] = copy;
        const slice = source.subarray(this.#offset, this.#offset + left);
        copy.set(slice, this.#offset);
        left -= slice.byteLength;
        this.#offset += slice.byteLength;
        if (this.#offset < source.byteLength) break;
      }
      this.#current++;
      this.#offset = 0;
    }
    return most - left;
  }

  /** The copy of the part, or of the attachment counted after the parts. */
  copy(index: number): Uint8Array {
    return this.#copies[index] ?? newMemory(0);
  }
}
