import type { Waiting } from '../deadlines.ts';

/** Something with a deadline, on its reactor's one timer. */
export interface Overdue extends Waiting {
  /** The time has come; it does not wait any more. */
  overdue(): void;
}

/** What a connection can be late with. */
export type DeadlineKind = 'connect' | 'first-byte' | 'drain-grace' | 'linger';

/** Whom a {@link Deadline} belongs to. */
export interface DeadlineOwner {
  overdue(kind: DeadlineKind): void;
}

/** One deadline of one connection. */
export class Deadline implements Overdue {
  readonly dueAt: number;
  readonly kind: DeadlineKind;
  heapIndex = -1;
  readonly #owner: DeadlineOwner;

  constructor(owner: DeadlineOwner, kind: DeadlineKind, dueAt: number) {
    this.#owner = owner;
    this.kind = kind;
    this.dueAt = dueAt;
  }

  overdue(): void {
    this.#owner.overdue(this.kind);
  }
}
