import type { PacketError } from '../errors.ts';
import { overloadedError } from './call-errors.ts';
import type { Call } from './calls.ts';
import type { Instance } from './instance.ts';
import type { Mailboxes } from './mailbox.ts';
import type { RoomGauge } from './room-line.ts';
import type { WorkerLimits } from './worker-options.ts';

/** How much may wait in the mailboxes of one pool, by count and by bytes, and how near to that it is. */
export class MailboxBounds implements RoomGauge {
  readonly #mailboxes: Mailboxes;
  readonly #limits: WorkerLimits;

  constructor(mailboxes: Mailboxes, limits: WorkerLimits) {
    this.#mailboxes = mailboxes;
    this.#limits = limits;
  }

  get hasRoom(): boolean {
    return this.#fill < 1;
  }

  get ample(): boolean {
    const { pool, concurrency, mailbox, mailboxBytes } = this.#limits;
    const { size, bytes } = this.#mailboxes;
    // Whoever hears an answer may call again at once: as many as calls run.
    return 2 * (size + pool * concurrency) < mailbox && 2 * bytes < mailboxBytes;
  }

  /** Why there is no room for a call, if there is none. */
  fullError(call: Call): PacketError | undefined {
    const { mailbox, mailboxBytes } = this.#limits;
    const { size, bytes } = this.#mailboxes;
    if (size >= mailbox) return overloadedError(call, 'calls', size, mailbox);
    return bytes >= mailboxBytes ? overloadedError(call, 'bytes', bytes, mailboxBytes) : undefined;
  }

  /** One call of each connection may wait above the bounds, so that memory is bounded by the number of connections. */
  mayWaitAbove(call: Call): boolean {
    const { origin } = call;
    if (this.#limits.mailboxPolicy !== 'wait' || origin === undefined) return false;
    if (origin.above?.mailbox !== undefined) return false;
    origin.above = call;
    return true;
  }

  /** 0 without work, 0.5 when every instance has all the calls it takes, 1 when the mailbox is full. */
  pressure(instances: readonly Instance[]): number {
    if (this.#mailboxes.size > 0) return 0.5 + Math.min(1, this.#fill) / 2;
    let load = 0;
    for (const instance of instances) load += instance.load;
    return load === 0 ? 0 : Math.min(1, load / (instances.length * this.#limits.concurrency)) / 2;
  }

  /** 1 when it is full. */
  get #fill(): number {
    const { mailbox, mailboxBytes } = this.#limits;
    const { size, bytes } = this.#mailboxes;
    return Math.max(size / mailbox, bytes / mailboxBytes);
  }
}
